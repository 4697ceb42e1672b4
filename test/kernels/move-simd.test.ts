/** Transposes, copies of rows and the search for what is not finite, against their twins. */
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/kernels/bytes.ts';
import { toNumbers } from '../../src/kernels/convert.ts';
import { findNonFinite } from '../../src/kernels/quantize.ts';
import { transposeInto } from '../../src/kernels/transpose.ts';
import { Arena, firstDifference, random, type TypeName, types } from './arena.ts';

function noise(bytes: number): Uint8Array {
  const uniform = random(bytes + 1);
  return Uint8Array.from({ length: bytes }, () => Math.floor(uniform() * 256));
}

describe.each([1, 2, 4, 8])('transpose_%i', (size) => {
  const sides = [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 32, 33, 63, 64, 65, 100];
  it.each(sides)('is the twin for %i rows, with strides and unaligned', (rows) => {
    for (const columns of [...sides, 130]) {
      const arena = new Arena();
      const data = noise(rows * columns * size);
      const expected = new Uint8Array(data.byteLength);
      transposeInto(data, size, [rows, columns], [0, columns], expected, rows, 0);
      const spare = rows % 2 === 0 ? 0 : 2 * size + 1;
      const source = arena.placeRows(data, columns * size, spare, columns % 3);
      const target = arena.placeRows(new Uint8Array(data.byteLength), rows * size, spare, rows % 3);
      const strides = [source.pointer, source.stride, target.pointer, target.stride] as const;
      arena.call(`transpose_${size}`, ...strides, rows, columns);
      const actual = arena.readRows(target, columns, rows * size);
      expect(firstDifference(actual, expected)).toBeUndefined();
      arena.expectGuards();
    }
  });
});

describe('copy_rows', () => {
  it.each([
    [0, 5, 0],
    [1, 1, 0],
    [3, 7, 0],
    [5, 64, 0],
    [4, 33, 3],
  ])('copies %i rows of %i bytes, %i between', (rows, bytes, spare) => {
    const arena = new Arena();
    const data = noise(rows * bytes);
    const source = arena.placeRows(data, bytes, spare, 1);
    const target = arena.placeRows(new Uint8Array(data.byteLength), bytes, 2 * spare, 3);
    arena.call('copy_rows', source.pointer, source.stride, target.pointer, target.stride, rows, bytes);
    expect(firstDifference(arena.readRows(target, rows, bytes), data)).toBeUndefined();
    arena.expectGuards();
  });
});

describe.each(Object.keys(types) as TypeName[])('find_nonfinite_%s', (type) => {
  const { size, name } = types[type];
  /** Bits of: infinity, the smallest and the largest NaN; and of the largest finite value. */
  const upper = { f32: 0x7f800000, bf16: 0x7f80, f16: 0x7c00 }[type];
  const all = size === 4 ? 0x7fffffff : 0x7fff;
  const sign = size === 4 ? 0x80000000 : 0x8000;
  const put = (bytes: Uint8Array, index: number, bits: number) => {
    const view = new DataView(bytes.buffer);
    if (size === 4) view.setUint32(index * 4, bits >>> 0, true);
    else view.setUint16(index * 2, bits, true);
  };

  it('finds the first, wherever it is', () => {
    const arena = new Arena();
    const pointer = arena.room(130 * size + 2, 2);
    const search = (bytes: Uint8Array) => {
      arena.call('copy_rows', arena.place(bytes), 0, pointer, 0, 1, bytes.byteLength);
      return arena.call(`find_nonfinite_${type}`, pointer, bytes.byteLength / size);
    };
    for (const count of [0, 1, 15, 16, 17, 32, 64, 129]) {
      const finite = new Uint8Array(count * size);
      for (let i = 0; i < count; i++) put(finite, i, (upper - 1) | (i % 2 === 0 ? 0 : sign));
      expect(search(finite)).toBe(-1);
      for (let at = 0; at < count; at += at < 40 ? 1 : 13) {
        for (const bits of [upper, upper | sign, upper + 1, all, all | sign]) {
          const bad = finite.slice();
          put(bad, at, bits);
          if (at + 5 < count) put(bad, at + 5, upper);
          expect(search(bad)).toBe(at);
          expect(findNonFinite(new Float32Array(toNumbers(bad, name)))).toBe(at);
        }
      }
    }
  });

  it('does not look beyond the end', () => {
    const arena = new Arena();
    const bytes = new Uint8Array(64 * size);
    put(bytes, 40, upper);
    const pointer = arena.place(bytesOf(bytes));
    expect(arena.call(`find_nonfinite_${type}`, pointer, 40)).toBe(-1);
    expect(arena.call(`find_nonfinite_${type}`, pointer, 41)).toBe(40);
  });
});
