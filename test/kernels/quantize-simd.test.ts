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
