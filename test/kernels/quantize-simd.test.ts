/**
 * Quantization kernels against their twins, byte by byte, on sizes and weights beyond the recorded ones; what
 * onnxruntime made of the same is in recorded-quantizers.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/kernels/bytes.ts';
import { convert, toNumbers } from '../../src/kernels/convert.ts';
import { dequantizeRows, quantizeRows, quantizeTableRows } from '../../src/kernels/quantize.ts';
import { quantizeChannels } from '../../src/kernels/quantize-channels.ts';
import { Arena, firstDifference, normal, random, type TypeName, types } from './arena.ts';

/** Weights of many kinds, block by block of 16, as bytes of a type. */
function weights(count: number, seed: number, type: TypeName): Uint8Array {
  const uniform = random(seed);
  const out = new Float32Array(count);
  for (let begin = 0; begin < count; begin += 16) {
    const kind = Math.floor(uniform() * 12);
    const exponent = Math.floor(uniform() * 250) - 140;
    for (let i = begin; i < Math.min(begin + 16, count); i++) {
      const value = normal(uniform);
      if (kind < 5) out[i] = value * 0.02;
      else if (kind === 5) out[i] = Math.abs(value);
      else if (kind === 6) out[i] = -Math.abs(value);
      else if (kind === 7) out[i] = value * 2 ** exponent;
      else if (kind === 8) out[i] = Math.round(value * 8) / 2;
      else if (kind === 9) out[i] = uniform() < 0.5 ? 0 : -0;
      else if (kind === 10) out[i] = Math.round(value * 4) * 2 ** -149;
      else out[i] = i % 7 === 3 ? 100 : 0.001 * value;
    }
  }
  return convert(bytesOf(out), 'float32', types[type].name);
}

/** Some NaNs and infinities among them. */
function spoil(bytes: Uint8Array, type: TypeName): Uint8Array {
  const spoiled = bytes.slice();
  const count = bytes.byteLength / types[type].size;
  const bad = convert(bytesOf(Float32Array.of(NaN, Infinity, -Infinity)), 'float32', types[type].name);
  [0.2, 0.5, 0.9].forEach((place, i) => {
    const { size } = types[type];
    spoiled.set(bad.subarray(i * size, (i + 1) * size), Math.floor(place * count) * size);
  });
  return spoiled;
}

const variants = (Object.keys(types) as TypeName[]).flatMap((type) =>
  ([4, 8] as const).flatMap((bits) =>
    [false, true].flatMap((symmetric) =>
      (['blocks', 'table'] as const).map((use) => ({ type, bits, symmetric, use })),
    ),
  ),
);

describe.each(variants)('quantize_$use_$type, $bits bits, symmetric $symmetric', (variant) => {
  const { type, bits, symmetric, use } = variant;
  const { size, name } = types[type];
  it.each([16, 32, 64, 128, 256])('is the twin in blocks of %i', (block) => {
    const tails = use === 'table' ? [0] : [0, 1, 2, 7, block - 1];
    for (const whole of [0, 1, 2, 3, 4, 7, 9]) {
      for (const tail of tails) {
        const columns = whole * block + tail;
        if (columns === 0) continue;
        const rows = 3;
        const clean = weights(rows * columns, columns + bits, type);
        for (const bytes of [clean, spoil(clean, type)]) {
          const numbers = new Float32Array(toNumbers(bytes, name));
          const twin = use === 'table' ? quantizeTableRows : quantizeRows;
          const expected = twin(numbers, columns, { bits, block, symmetric });
          const arena = new Arena();
          const source = arena.placeRows(bytes, columns * size, tail === 0 ? 0 : 2 * size, size);
          const values = arena.room(expected.values.byteLength, 1);
          const scales = arena.room(expected.scales.byteLength, 4);
          const zeroPoints =
            expected.zeroPoints === undefined ? 0 : arena.room(expected.zeroPoints.byteLength, 3);
          const bad = arena.call(
            `quantize_${use}_${type}`,
            source.pointer,
            source.stride,
            rows,
            columns,
            block,
            bits,
            symmetric ? 1 : 0,
            values,
            scales,
            zeroPoints,
          );
          const where = `${columns} columns`;
          expect(
            firstDifference(arena.read(scales, expected.scales.byteLength), expected.scales),
            where,
          ).toBe(undefined);
          if (expected.zeroPoints !== undefined) {
            const actual = arena.read(zeroPoints, expected.zeroPoints.byteLength);
            expect(firstDifference(actual, expected.zeroPoints), where).toBe(undefined);
          }
          expect(
            firstDifference(arena.read(values, expected.values.byteLength), expected.values),
            where,
          ).toBe(undefined);
          expect(bad).toBe(expected.bad);
          arena.expectGuards();

          const target = arena.placeRows(new Uint8Array(rows * columns * 4), columns * 4, 8, 2);
          const outputs = [values, scales, zeroPoints] as const;
          arena.kernels.dequantize_blocks(
            ...outputs,
            rows,
            columns,
            block,
            bits,
            target.pointer,
            target.stride,
          );
          const back = dequantizeRows(expected, columns, { bits, block });
          const actual = arena.readRows(target, rows, columns * 4);
          const dequantized = new Float32Array(actual.buffer);
          expect(
            dequantized.findIndex((value, i) => !Object.is(value, back[i])),
            where,
          ).toBe(-1);
          arena.expectGuards();
        }
      }
    }
  });
});

describe.each([4, 8] as const)('codes on the border, %i bits', (bits) => {
  const top = 2 ** bits - 1;
  /** Below, at and above every half, with a scale of 1 and a zero point of 0. */
  const borders = Array.from({ length: top }, (_, code) => code + 0.5).flatMap((half) => {
    const below = half - 2 ** (Math.floor(Math.log2(half)) - 23) * (half === 0.5 ? 0.5 : 1);
    return [below, half, half + 2 ** -14];
  });
  // In whole blocks, in the tail of a row, and with a scale so small that blocks are done one by one.
  it.each([1, 2 ** -110])('rounds for MatMulNBits up at halves, and for tables to even, times %s', (size) => {
    const block = 16;
    const rows = borders.map((border) => [top, border, ...new Array(block - 2).fill(0), top, border, 0]);
    const numbers = Float32Array.from(rows.flat(), (value) => value * size);
    const columns = block + 3;
    const up = quantize('blocks', numbers, columns, { bits, block });
    expect(new Set(up.scales)).toEqual(new Set([size]));
    const expectedUp = borders.map((border) => Math.floor(border + 0.5));
    expect(up.codes.map((row) => row[1])).toEqual(expectedUp);
    expect(up.codes.map((row) => row[block + 1])).toEqual(expectedUp);

    const table = numbers.filter((_, i) => i % columns < block);
    const even = quantize('table', table, block, { bits, block });
    const toEven = (border: number) => {
      const code = Math.floor(border + 0.5);
      return border % 1 === 0.5 && code % 2 === 1 ? code - 1 : code;
    };
    expect(even.codes.map((row) => row[1])).toEqual(borders.map(toEven));
    // Zero points are rounded alike: the range from -border to top - border.
    const shifted = numbers.map((value, i) => value - (borders[Math.floor(i / columns)] ?? NaN) * size);
    const exact = borders.map((border) => (border * 2 ** 10) % 1 === 0);
    const zeros = (use: 'blocks' | 'table', from: Float32Array, width: number) =>
      quantize(use, from, width, { bits, block }).zeroPoints.filter((_, i) => exact[i]);
    const shiftedTable = shifted.filter((_, i) => i % columns < block);
    expect(zeros('blocks', shifted, columns)).toEqual(expectedUp.filter((_, i) => exact[i]));
    expect(zeros('table', shiftedTable, block)).toEqual(borders.filter((_, i) => exact[i]).map(toEven));
  });
});

/** Codes by row, scales, and the zero point of the first block of every row, of a float32 weight. */
function quantize(
  use: 'blocks' | 'table',
  numbers: Float32Array,
  columns: number,
  { bits, block }: { bits: 4 | 8; block: number },
) {
  const rows = numbers.length / columns;
  const blocks = Math.ceil(columns / block);
  const arena = new Arena();
  const rowBytes = (blocks * block * bits) / 8;
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const source = arena.place(numbers);
  const [values, scales, zeros] = [
    arena.room(rows * rowBytes),
    arena.room(rows * blocks * 4),
    arena.room(rows * zeroBytes),
  ];
  const outputs = [values, scales, zeros];
  arena.call(`quantize_${use}_f32`, source, columns * 4, rows, columns, block, bits, 0, ...outputs);
  const unpack = (bytes: Uint8Array, row: number, stride: number, count: number) =>
    Array.from({ length: count }, (_, i) => {
      const byte = bytes[row * stride + Math.floor((i * bits) / 8)] ?? NaN;
      return (byte >> ((i * bits) % 8)) % 2 ** bits;
    });
  const packed = arena.read(values, rows * rowBytes);
  const packedZeros = arena.read(zeros, rows * zeroBytes);
  return {
    codes: Array.from({ length: rows }, (_, row) => unpack(packed, row, rowBytes, columns)),
    scales: new Float32Array(arena.read(scales, rows * blocks * 4).buffer),
    zeroPoints: Array.from({ length: rows }, (_, row) => unpack(packedZeros, row, zeroBytes, 1)[0]),
  };
}

describe.each(Object.keys(types) as TypeName[])('quantize_channels_%s', (type) => {
  it.each([1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 301])('is the twin on rows of %i', (columns) => {
    const { size, name } = types[type];
    const rows = 24;
    const clean = weights(rows * columns, columns, type);
    for (const bytes of [clean, spoil(clean, type)]) {
      const expected = quantizeChannels(new Float32Array(toNumbers(bytes, name)), columns);
      const arena = new Arena();
      const source = arena.placeRows(bytes, columns * size, columns % 2 === 0 ? 0 : 6, 2);
      const values = arena.room(rows * columns, 1);
      const scales = arena.room(rows * 4, 4);
      const bad = arena.call(
        `quantize_channels_${type}`,
        source.pointer,
        source.stride,
        rows,
        columns,
        values,
        scales,
      );
      expect(firstDifference(arena.read(scales, rows * 4), expected.scales)).toBeUndefined();
      expect(firstDifference(arena.read(values, rows * columns), expected.values)).toBeUndefined();
      expect(bad).toBe(expected.bad);
      arena.expectGuards();
    }
  });
});
