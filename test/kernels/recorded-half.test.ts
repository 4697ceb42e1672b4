/**
 * The kernels for float16 graphs and their twins against what onnxruntime's quantizers made of float16 weights,
 * byte by byte: scales are float16, and its rounding is part of the codes.
 */
import { describe, expect, it } from 'vitest';
import { bytesOf, viewAs } from '../../src/kernels/bytes.ts';
import { convert, toNumbers } from '../../src/kernels/convert.ts';
import { quantizeRows, quantizeTableRows } from '../../src/kernels/quantize.ts';
import { Arena, firstDifference } from './arena.ts';
import { type Recorded, readRecorded } from './recorded.ts';

const weights = readRecorded('onnxruntime.safetensors');
const recorded = readRecorded('onnxruntime-float16.safetensors');

function get(from: ReadonlyMap<string, Recorded>, name: string): Recorded {
  const tensor = from.get(name);
  if (tensor === undefined) throw new Error(`${name} was not recorded`);
  return tensor;
}

const keys = [...recorded.keys()]
  .filter((name) => name.endsWith('.values'))
  .map((name) => name.replace('.values', ''));

it('has recorded something of every kind', () => {
  expect(keys.length).toBe(3 * 4 + 3 * 2);
});

describe.each(keys)('%s', (key) => {
  const [use = '', , blockText = '', bitsText, form] = key.split('.');
  const [block, bits, symmetric] = [
    Number(blockText),
    bitsText === '4' ? 4 : 8,
    form === 'symmetric',
  ] as const;
  const source = get(weights, `${use}.f16.${block}.weights`);
  const [rows = 0, columns = 0] = source.shape;
  // Symmetric tables are recorded as int4: the codes that we store without 8.
  const shift = use === 'gather' && symmetric ? 0x88 : 0;
  const values = get(recorded, `${key}.values`).bytes.map((byte) => byte ^ shift);
  const scales = get(recorded, `${key}.scales`).bytes;
  const zeroPoints = symmetric ? undefined : get(recorded, `${key}.zero_points`).bytes;
  const numbers = new Float32Array(toNumbers(source.bytes, 'float16'));
  // The range of ±65504 is beyond float16, where tables are computed.
  const infinite = viewAs(Uint16Array, scales).findIndex((half) => (half & 0x7c00) === 0x7c00);

  it('is what the twin computes', () => {
    const twin = use === 'gather' ? quantizeTableRows : quantizeRows;
    const quantized = twin(numbers, columns, { bits, block, symmetric, half: true });
    const halves = convert(bytesOf(quantized.scales), 'float32', 'float16');
    expect(firstDifference(halves, scales)).toBeUndefined();
    if (zeroPoints !== undefined) {
      expect(firstDifference(quantized.zeroPoints ?? new Uint8Array(), zeroPoints)).toBeUndefined();
    }
    expect(firstDifference(quantized.values, values)).toBeUndefined();
    expect(quantized.bad).toBe(infinite);
  });

  it('is what the kernel computes', () => {
    const arena = new Arena();
    const from = arena.placeRows(source.bytes, columns * 2, 6, 2);
    const to = {
      values: arena.room(values.byteLength, 1),
      scales: arena.room(scales.byteLength, 2),
      zeroPoints: zeroPoints === undefined ? 0 : arena.room(zeroPoints.byteLength, 1),
    };
    const bad = arena.kernels[use === 'gather' ? 'quantize_table_half' : 'quantize_blocks_half'](
      from.pointer,
      from.stride,
      rows,
      columns,
      block,
      bits,
      symmetric ? 1 : 0,
      to.values,
      to.scales,
      to.zeroPoints,
    );
    expect(firstDifference(arena.read(to.scales, scales.byteLength), scales)).toBeUndefined();
    if (zeroPoints !== undefined) {
      expect(firstDifference(arena.read(to.zeroPoints, zeroPoints.byteLength), zeroPoints)).toBeUndefined();
    }
    expect(firstDifference(arena.read(to.values, values.byteLength), values)).toBeUndefined();
    expect(bad).toBe(infinite);
    arena.expectGuards();
  });

  it('is the twin with weights that are not finite', () => {
    const spoiled = numbers.slice();
    [3, Math.floor(spoiled.length / 2), spoiled.length - 1].forEach((at, i) => {
      spoiled[at] = [NaN, Infinity, -Infinity][i] ?? 0;
    });
    const twin = use === 'gather' ? quantizeTableRows : quantizeRows;
    const expected = twin(spoiled, columns, { bits, block, symmetric, half: true });
    const arena = new Arena();
    const from = arena.place(convert(bytesOf(spoiled), 'float32', 'float16'));
    const [toValues, toScales] = [arena.room(values.byteLength), arena.room(scales.byteLength)];
    const toZeros = zeroPoints === undefined ? 0 : arena.room(zeroPoints.byteLength);
    const kernel = use === 'gather' ? 'quantize_table_half' : 'quantize_blocks_half';
    const flags = [block, bits, symmetric ? 1 : 0];
    const bad = arena.call(kernel, from, columns * 2, rows, columns, ...flags, toValues, toScales, toZeros);
    expect(bad).toBe(0);
    const halves = convert(bytesOf(expected.scales), 'float32', 'float16');
    expect(firstDifference(arena.read(toScales, scales.byteLength), halves)).toBeUndefined();
    expect(firstDifference(arena.read(toValues, values.byteLength), expected.values)).toBeUndefined();
    arena.expectGuards();
  });
});
