/** Caches of a lane: what a later run reads is what was given, however it is kept, and nothing is kept for longer. */
import { describe, expect, it } from 'vitest';
import { LaneCaches, slotsOf } from '../../../src/parity/stream/lane-caches.ts';
import type { RunTensor } from '../../../src/runtime/values.ts';

/** [1, 2 heads, slots, 3]; the number says head, slot and channel. */
function cache(slots: number, change: (head: number, slot: number) => number = () => 0): RunTensor {
  const data = new Float32Array(2 * slots * 3);
  for (let head = 0; head < 2; head += 1) {
    for (let slot = 0; slot < slots; slot += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        data[(head * slots + slot) * 3 + channel] = head * 100 + slot * 10 + channel + change(head, slot);
      }
    }
  }
  return { dtype: 'float32', shape: [1, 2, slots, 3], data };
}

const named = (value: RunTensor) => new Map([['present.0.key', value]]);
const read = (caches: LaneCaches, call: number) => caches.get(call, 'present.0.key');

describe('slots of a cache', () => {
  it('are those of every head', () => {
    expect(slotsOf(cache(4), 1, 3)).toEqual({
      dtype: 'float32',
      shape: [1, 2, 2, 3],
      data: Float32Array.of(10, 11, 12, 20, 21, 22, 110, 111, 112, 120, 121, 122),
    });
    const whole = cache(4);
    expect(slotsOf(whole, 0, 4)).toBe(whole);
  });
});

describe('caches of a lane', () => {
  it('give back what was put in, shortened or not', () => {
    const caches = new LaneCaches([2, 2, 2, 0]);
    for (const call of [0, 1, 2]) {
      caches.set(call, named(cache(call + 2)));
      if (call > 0) caches.shorten(call - 1, call);
    }
    for (const call of [0, 1, 2]) expect(read(caches, call)).toEqual(cache(call + 2));
    // Lanes that read the same are seen to: it is one value.
    expect(read(caches, 1)).toBe(read(caches, 1));
    expect(read(caches, 3)).toBeUndefined();
  });

  it('keep whole what does not begin the next one', () => {
    const caches = new LaneCaches([1, 1]);
    const other = cache(2, (head, slot) => (head === 1 && slot === 1 ? 0.5 : 0));
    caches.set(0, named(other));
    caches.set(1, named(cache(3)));
    caches.shorten(0, 1);
    expect(read(caches, 0)).toBe(other);
  });

  it('hold the bytes of a shortened one no more, and forget what nothing reads', () => {
    const caches = new LaneCaches([1, 2, 0]);
    const first = cache(2);
    caches.set(0, named(first));
    caches.set(1, named(cache(3)));
    caches.shorten(0, 1);
    expect(read(caches, 0)).not.toBe(first);
    caches.read(0);
    expect(read(caches, 0)).toBeUndefined();
    caches.read(1);
    expect(read(caches, 1)).toEqual(cache(3));
    caches.read(1);
    expect(read(caches, 1)).toBeUndefined();
    caches.set(2, named(cache(4)));
    expect(read(caches, 2)).toBeUndefined();
  });

  it('hold the whole one as long as a beginning of it is read', () => {
    const caches = new LaneCaches([2, 1]);
    caches.set(0, named(cache(2)));
    caches.set(1, named(cache(3)));
    caches.shorten(0, 1);
    caches.read(1);
    expect(read(caches, 0)).toEqual(cache(2));
  });
});
