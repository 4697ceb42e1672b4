/** Block quantization against a float64 restatement of its formula, and against the runtime that reads it. */
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/kernels/bytes.ts';
import {
  type BlockQuantization,
  dequantizeRows,
  findNonFinite,
  type QuantizedRows,
  quantizeRows,
  quantizeTableRows,
} from '../../src/kernels/quantize.ts';

const { onnx } = onnxProto;

/** Deterministic numbers, roughly normal. */
function weights(count: number, seed = 1): Float32Array {
  let state = seed >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => (uniform() + uniform() + uniform() - 1.5) * 0.1);
}

/** One packed code. */
function codeAt(bytes: Uint8Array, rowBytes: number, row: number, index: number, bits: number): number {
  const bit = index * bits;
  const byte = bytes[row * rowBytes + Math.floor(bit / 8)] ?? NaN;
  return (byte >> (bit % 8)) % 2 ** bits;
}

const variants: BlockQuantization[] = [4, 8].flatMap((bits) =>
  [16, 32].flatMap((block) => [false, true].map((symmetric) => ({ bits: bits as 4 | 8, block, symmetric }))),
);

describe.each(variants)('$bits bits, block $block, symmetric $symmetric', (options) => {
  const { bits, block, symmetric } = options;
  const rows = 7;
  // Not a multiple of the block, odd number of blocks for 32: tail block and a half-used zero-point byte.
  const columns = 2 * block + 11;
  const blocks = 3;
  const top = 2 ** bits - 1;
  const half = 2 ** (bits - 1);
  const w = weights(rows * columns);
  // A block of one sign, a block of zeros.
  w.fill(0, columns, columns + block);
  for (let i = 0; i < block; i++) w[2 * columns + i] = 0.5 + i / 100;
  const quantized = quantizeRows(w, columns, options);
  const { values, scales, zeroPoints } = quantized;
  const dequantized = dequantizeRows(quantized, columns, options);

  it('has the sizes of MatMulNBits', () => {
    expect(values.byteLength).toBe((rows * blocks * block * bits) / 8);
    expect(scales.length).toBe(rows * blocks);
    expect(zeroPoints?.byteLength).toBe(symmetric ? undefined : rows * Math.ceil((blocks * bits) / 8));
  });

  it('stores scale, zero point and codes by the formula', () => {
    for (let row = 0; row < rows; row++) {
      for (let b = 0; b < blocks; b++) {
        const part = [
          ...w.subarray(row * columns + b * block, row * columns + Math.min((b + 1) * block, columns)),
        ];
        const max = Math.max(0, ...part);
        const min = Math.min(0, ...part);
        const extreme = Math.abs(max) > Math.abs(min) ? max : min;
        const exactScale = symmetric ? extreme / -half : (max - min) / top;
        const scale = scales[row * blocks + b] ?? NaN;
        // Two float32 steps.
        expect(Math.abs(scale - exactScale)).toBeLessThanOrEqual(Math.abs(exactScale) * 2 ** -22);
        const exactZero = scale === 0 ? 0 : -min / scale;
        const zero = symmetric ? half : Math.min(Math.max(Math.round(exactZero), 0), top);
        const zeroBytes = Math.ceil((blocks * bits) / 8);
        if (zeroPoints !== undefined) expect(codeAt(zeroPoints, zeroBytes, row, b, bits)).toBe(zero);
        const rowBytes = (blocks * block * bits) / 8;
        for (let i = 0; i < part.length; i++) {
          const code = codeAt(values, rowBytes, row, b * block + i, bits);
          if (scale === 0) {
            expect(code).toBe(zero);
            continue;
          }
          const exact = Math.min(Math.max((part[i] as number) / scale + zero, 0), top);
          // float32 steps may decide a tie either way, and nothing else.
          expect(Math.abs(code - exact)).toBeLessThanOrEqual(0.5 + 1e-4);
        }
      }
    }
  });

  it('is off by half a step at most, but where symmetric codes end', () => {
    for (let i = 0; i < w.length; i++) {
      const row = Math.floor(i / columns);
      const scale = Math.abs(scales[row * blocks + Math.floor((i % columns) / block)] ?? NaN);
      const bound = symmetric && Math.abs(w[i] ?? NaN) > (half - 1) * scale ? scale : scale / 2;
      expect(Math.abs((w[i] ?? NaN) - (dequantized[i] ?? NaN))).toBeLessThanOrEqual(bound * (1 + 1e-4));
    }
  });

  it('is what onnxruntime computes with', async () => {
    const m = 3;
    const input = weights(m * columns, 99);
    const output = await matMulNBits(input, m, columns, rows, quantized, options);
    for (let i = 0; i < m; i++) {
      for (let n = 0; n < rows; n++) {
        let expected = 0;
        let size = 0;
        for (let k = 0; k < columns; k++) {
          const product = (input[i * columns + k] ?? NaN) * (dequantized[n * columns + k] ?? NaN);
          expected += product;
          size += Math.abs(product);
        }
        expect(Math.abs((output[i * rows + n] ?? NaN) - expected)).toBeLessThan(size * 1e-6);
      }
    }
  });
});

it.each([quantizeRows, quantizeTableRows])('tells of blocks without a finite scale: %o', (quantizer) => {
  const block = 16;
  for (const bits of [4, 8] as const) {
    const options = { bits, block, symmetric: false };
    const weights = new Float32Array(4 * block).fill(0.5);
    expect(quantizer(weights, 2 * block, options).bad).toBe(-1);
    weights.fill(3e38, 3 * block, 3 * block + 8).fill(-3e38, 3 * block + 8);
    const wide = quantizer(weights, 2 * block, options);
    expect(wide.bad).toBe(3);
    expect(wide.scales[3]).toBe(Infinity);
    // In halves of the range there is a scale.
    expect(quantizer(weights, 2 * block, { ...options, symmetric: true }).bad).toBe(-1);
    for (const symmetric of [false, true]) {
      weights[block + 5] = -Infinity;
      weights[2 * block] = NaN;
      const { bad, scales, zeroPoints, values } = quantizer(weights, 2 * block, { ...options, symmetric });
      expect(bad).toBe(1);
      expect([...scales.subarray(1, 3)]).toEqual([NaN, NaN]);
      const blockBytes = (block * bits) / 8;
      expect(values.subarray(blockBytes, 3 * blockBytes).every((byte) => byte === 0)).toBe(true);
      if (zeroPoints !== undefined) expect(codeAt(zeroPoints, 1 + (bits >> 3), 0, 1, bits)).toBe(0);
    }
  }
});

it('keeps float32 subnormals within a step', () => {
  const block = 16;
  const tiny = new Float32Array(block).fill(1e-38, 0, 5).fill(-1e-38, 5, 10);
  const quantized = quantizeRows(tiny, block, { bits: 4, block, symmetric: false });
  // The reciprocal of the scale is infinite: codes are the ends of the range, which is what the runtime's do.
  expect(quantized.scales[0]).toBeLessThan(2 ** -128);
  expect(quantized.scales[0]).toBeGreaterThan(0);
  const back = dequantizeRows(quantized, block, { bits: 4, block });
  expect(back.every((value, i) => Math.abs(value - (tiny[i] ?? NaN)) < 1.1e-38)).toBe(true);
});

it('finds what is not finite', () => {
  expect(findNonFinite(Float32Array.of(1, -2, 0))).toBe(-1);
  expect(findNonFinite(Float32Array.of(1, NaN, Infinity))).toBe(1);
  expect(findNonFinite(Float32Array.of(1, 2, -Infinity))).toBe(2);
});

async function matMulNBits(
  input: Float32Array,
  m: number,
  k: number,
  n: number,
  { values, scales, zeroPoints }: QuantizedRows,
  { bits, block }: BlockQuantization,
): Promise<Float32Array> {
  const blocks = Math.ceil(k / block);
  const { FLOAT, UINT8 } = onnx.TensorProto.DataType;
  const { INT } = onnx.AttributeProto.AttributeType;
  const type = (dims: number[]) => ({
    tensorType: { elemType: FLOAT, shape: { dim: dims.map((dimValue) => ({ dimValue })) } },
  });
  const initializer = [
    { name: 'B', dataType: UINT8, dims: [n, blocks, (block * bits) / 8], rawData: values },
    { name: 'scales', dataType: FLOAT, dims: [n, blocks], rawData: bytesOf(scales) },
    ...(zeroPoints === undefined
      ? []
      : [{ name: 'zp', dataType: UINT8, dims: [n, zeroPoints.byteLength / n], rawData: zeroPoints }]),
  ];
  const model = onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ version: 17 }, { domain: 'com.microsoft', version: 1 }],
    graph: {
      name: 'test',
      node: [
        {
          opType: 'MatMulNBits',
          domain: 'com.microsoft',
          input: ['A', ...initializer.map(({ name }) => name)],
          output: ['Y'],
          attribute: Object.entries({ K: k, N: n, bits, block_size: block }).map(([name, i]) => ({
            name,
            type: INT,
            i,
          })),
        },
      ],
      initializer,
      input: [{ name: 'A', type: type([m, k]) }],
      output: [{ name: 'Y', type: type([m, n]) }],
    },
  }).finish();
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(model);
  const { Y } = await session.run({ A: new ort.Tensor('float32', input, [m, k]) });
  const output = Y?.data as Float32Array;
  await session.release();
  return output;
}
