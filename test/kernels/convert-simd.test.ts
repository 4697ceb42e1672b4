/** The conversion kernels against their twins, bit by bit. */
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/kernels/bytes.ts';
import { convert } from '../../src/kernels/convert.ts';
import { Arena, firstDifference, type TypeName, types } from './arena.ts';
import { allOf16, float32Patterns } from './float-patterns.ts';

const patterns: Readonly<Record<TypeName, Uint8Array>> = {
  f32: bytesOf(float32Patterns()),
  bf16: bytesOf(allOf16),
  f16: bytesOf(allOf16),
};

const pairs: readonly (readonly [from: TypeName, to: TypeName, clamped: boolean])[] = [
  ['f16', 'f32', false],
  ['bf16', 'f32', false],
  ['f32', 'f16', false],
  ['bf16', 'f16', false],
  ['f32', 'bf16', false],
  ['f16', 'bf16', false],
  ['f32', 'f16', true],
  ['bf16', 'f16', true],
];

describe.each(pairs)('%s to %s, clamped %s', (from, to, clamped) => {
  const kernel = `convert_${from}_${to}${clamped ? '_clamped' : ''}`;
  const size = types[from].size;
  const twin = (bytes: Uint8Array) => convert(bytes.slice(), types[from].name, types[to].name, clamped);

  it('is the twin on every pattern', () => {
    const arena = new Arena();
    const expected = twin(patterns[from]);
    const count = patterns[from].byteLength / size;
    const source = arena.place(patterns[from]);
    const target = arena.room(expected.byteLength);
    arena.call(kernel, source, count * size, target, count * types[to].size, 1, count);
    expect(firstDifference(arena.read(target, expected.byteLength), expected)).toBeUndefined();
    arena.expectGuards();
  });

  it('is the twin on every pattern among zeros, so that its neighbours decide nothing', () => {
    const arena = new Arena();
    // One of 16 that differs, at a place that moves.
    const count = 16 * 4096;
    const some = new Uint8Array(count * size);
    const step = Math.floor(patterns[from].byteLength / size / 4096) * size;
    for (let i = 0; i < 4096; i++) {
      some.set(patterns[from].subarray(i * step, i * step + size), (i * 16 + (i % 16)) * size);
    }
    const expected = twin(some);
    const source = arena.place(some);
    const target = arena.room(expected.byteLength);
    arena.call(kernel, source, count * size, target, count * types[to].size, 1, count);
    expect(firstDifference(arena.read(target, expected.byteLength), expected)).toBeUndefined();
  });

  it.each([0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100])(
    'converts rows of %i, with strides and unaligned',
    (columns) => {
      for (const rows of [0, 1, 3]) {
        for (const spare of [0, 2, 38]) {
          const arena = new Arena();
          const data = patterns[from].slice(4000 * size, (4000 + rows * columns) * size);
          const source = arena.placeRows(data, columns * size, spare, 2);
          const rowBytes = columns * types[to].size;
          const target = arena.placeRows(new Uint8Array(rows * rowBytes), rowBytes, spare, 6);
          arena.call(kernel, source.pointer, source.stride, target.pointer, target.stride, rows, columns);
          if (rows > 0) {
            const actual = arena.readRows(target, rows, rowBytes);
            expect(firstDifference(actual, twin(data))).toBeUndefined();
          }
          arena.expectGuards();
        }
      }
    },
  );
});
