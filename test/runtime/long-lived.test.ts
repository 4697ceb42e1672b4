/** Values that are kept: the same numbers, in memory that the C library maps by itself. */
import { expect, it } from 'vitest';
import { longLived } from '../../src/runtime/long-lived.ts';

const heapLimit = 32 << 20;

it.each(['float32', 'float16'] as const)(
  'keeps %s values between 8 and 32 MiB in a mapping of their own',
  (dtype) => {
    const elements = (5 << 20) + 3;
    const own = dtype === 'float32' ? new Float32Array(elements) : new Uint16Array(elements);
    for (let i = 0; i < elements; i += 1001) own[i] = i % 60_000;
    const kept = longLived({ dtype, shape: [1, elements], data: own });
    expect([kept.dtype, kept.shape]).toEqual([dtype, [1, elements]]);
    expect(kept.data.constructor).toBe(own.constructor);
    expect(Buffer.compare(Buffer.from(kept.data.buffer, 0, own.byteLength), Buffer.from(own.buffer))).toBe(0);
    expect(kept.data.buffer.byteLength).toBeGreaterThan(heapLimit);
  },
);

it('leaves small values where they are, and those that are mapped anyway', () => {
  for (const elements of [1000, 9 << 20]) {
    const value = { dtype: 'float32', shape: [elements], data: new Float32Array(elements) } as const;
    expect(longLived(value)).toBe(value);
  }
});
