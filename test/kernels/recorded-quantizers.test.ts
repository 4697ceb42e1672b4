/**
 * Twins and SIMD kernels against what onnxruntime's own quantizers made of the same weights, byte by byte
 * (fixtures/quantize): random, constant, zero, denormal, ±max and one-outlier rows, ties, all block sizes.
 */
import { describe, expect, it } from 'vitest';
import { bytesOf, viewAs } from '../../src/kernels/bytes.ts';
import { toNumbers } from '../../src/kernels/convert.ts';
import { quantizeRows, quantizeTableRows } from '../../src/kernels/quantize.ts';
import { quantizeChannels } from '../../src/kernels/quantize-channels.ts';
import { Arena, firstDifference, type TypeName, types } from './arena.ts';
import { type Recorded, readRecorded } from './recorded.ts';

const recorded = readRecorded('onnxruntime.safetensors');

function get(name: string): Recorded {
  const tensor = recorded.get(name);
  if (tensor === undefined) throw new Error(`${name} was not recorded`);
  return tensor;
}

const weightsOf = [...recorded.keys()].filter((name) => name.endsWith('.weights'));
const variants = weightsOf
  .filter((name) => !name.startsWith('channel'))
  .flatMap((name) => {
    const [use = '', type = '', block = ''] = name.split('.');
    const bits = use === 'matmul' ? ([4, 8] as const) : ([4] as const);
    return bits.flatMap((width) =>
      [false, true].map((symmetric) => ({
        use,
        type: type as TypeName,
        block: Number(block),
        bits: width,
        symmetric,
        key: `${use}.${type}.${block}.${width}.${symmetric ? 'symmetric' : 'asymmetric'}`,
      })),
    );
  });

describe.each(variants)('$key', ({ use, type, block, bits, symmetric, key }) => {
  const weights = get(`${use}.${type}.${block}.weights`);
  const [rows = 0, columns = 0] = weights.shape;
  const expected = {
    // Symmetric tables are recorded as int4: the codes that we store without 8.
    values:
      use === 'gather' && symmetric
        ? get(`${key}.values`).bytes.map((byte) => byte ^ 0x88)
        : get(`${key}.values`).bytes,
    scales: get(`${key}.scales`).bytes,
    zeroPoints: symmetric ? undefined : get(`${key}.zero_points`).bytes,
  };
  // Rows of ±max: the range is beyond float32.
  const infinite = viewAs(Float32Array, expected.scales).findIndex((scale) => !Number.isFinite(scale));

  it('is what the twin computes', () => {
    const quantizer = use === 'gather' ? quantizeTableRows : quantizeRows;
    const numbers = new Float32Array(toNumbers(weights.bytes, types[type].name));
    const { values, scales, zeroPoints, bad } = quantizer(numbers, columns, { bits, block, symmetric });
    expect(firstDifference(scales, expected.scales)).toBeUndefined();
    if (expected.zeroPoints !== undefined) {
      expect(firstDifference(zeroPoints ?? new Uint8Array(), expected.zeroPoints)).toBeUndefined();
    }
    expect(firstDifference(values, expected.values)).toBeUndefined();
    expect(bad).toBe(infinite);
  });

  it('is what the kernel computes', () => {
    const arena = new Arena();
    const rowBytes = columns * types[type].size;
    const source = arena.placeRows(weights.bytes, rowBytes, 6, 2);
    const values = arena.room(expected.values.byteLength, 1);
    const scales = arena.room(expected.scales.byteLength, 4);
    const zeroPoints = expected.zeroPoints === undefined ? 0 : arena.room(expected.zeroPoints.byteLength, 1);
    const kernel = `quantize_${use === 'gather' ? 'table' : 'blocks'}_${type}`;
    const bad = arena.call(
      kernel,
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
    expect(firstDifference(arena.read(scales, expected.scales.byteLength), expected.scales)).toBeUndefined();
    if (expected.zeroPoints !== undefined) {
      const actual = arena.read(zeroPoints, expected.zeroPoints.byteLength);
      expect(firstDifference(actual, expected.zeroPoints)).toBeUndefined();
    }
    expect(firstDifference(arena.read(values, expected.values.byteLength), expected.values)).toBeUndefined();
    expect(bad).toBe(infinite);
    arena.expectGuards();
  });
});

describe.each(Object.keys(types) as TypeName[])('channel.%s', (type) => {
  const weights = get(`channel.${type}.weights`);
  const [rows = 0, columns = 0] = weights.shape;
  const values = get(`channel.${type}.values`).bytes;
  const scales = get(`channel.${type}.scales`).bytes;

  it('is what the twin computes', () => {
    const numbers = new Float32Array(toNumbers(weights.bytes, types[type].name));
    const quantized = quantizeChannels(numbers, columns);
    expect(firstDifference(quantized.scales, scales)).toBeUndefined();
    expect(firstDifference(bytesOf(quantized.values), values)).toBeUndefined();
    expect(quantized.bad).toBe(-1);
  });

  it('is what the kernel computes', () => {
    const arena = new Arena();
    const source = arena.placeRows(weights.bytes, columns * types[type].size, 2, 2);
    const to = arena.room(values.byteLength, 1);
    const scalesTo = arena.room(scales.byteLength, 4);
    const bad = arena.call(
      `quantize_channels_${type}`,
      source.pointer,
      source.stride,
      rows,
      columns,
      to,
      scalesTo,
    );
    expect(firstDifference(arena.read(scalesTo, scales.byteLength), scales)).toBeUndefined();
    expect(firstDifference(arena.read(to, values.byteLength), values)).toBeUndefined();
    expect(bad).toBe(-1);
    arena.expectGuards();
  });
});

it('has recorded something of every kind', () => {
  expect(variants.length).toBe(4 * 12 + 2 * 9);
  expect(weightsOf.length).toBe(12 + 9 + 3);
});
