/** The float32 weights that block-quantized ones stand for: what parity compares a quantized graph with. */
import { bytesOf, viewAs } from '../../kernels/bytes.ts';
import { dequantizeRows, packedBytes } from '../../kernels/quantize.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { derive, sameShape } from './derive.ts';
import type { QuantizedBlocks } from './quantize-blocks.ts';

/** float32 [N, K]: (code - zero point)·scale, rounded once. Takes weights and tables. */
export function dequantizeBlocks(
  quantized: QuantizedBlocks,
  [rows, columns]: readonly [number, number],
): Tensor {
  const { values, scales, zeroPoints, bits, block } = quantized;
  const blocks = Math.ceil(columns / block);
  const valueBytes = blocks * packedBytes(block, bits);
  const zeroPointBytes = packedBytes(blocks, bits);
  if (
    values.dtype !== 'uint8' ||
    values.byteLength !== rows * valueBytes ||
    scales.dtype !== 'float32' ||
    !sameShape(scales.shape, [rows, blocks]) ||
    (zeroPoints !== undefined && !sameShape(zeroPoints.shape, [rows, zeroPointBytes]))
  ) {
    throw new RangeError(
      `values [${values.shape}] and scales [${scales.shape}] are no [${rows},${columns}] weight of ${bits} bits`,
    );
  }
  const parts: readonly [Tensor, number][] = [
    [values, valueBytes],
    [scales, blocks * 4],
    ...(zeroPoints === undefined ? [] : [[zeroPoints, zeroPointBytes] as [Tensor, number]]),
  ];

  return derivedTensor(
    derive({
      op: 'dequantize-blocks',
      params: { bits, block, columns },
      readings: parts.map(([tensor, perRow]) => ({ tensor, perRow })),
      outputs: [{ dtype: 'float32', shape: [rows, columns] }],
      rows,
      computeRows: async (begin, end) => {
        const bytes = await readRows(parts, begin, end);
        const [codes, scaleBytes, zeros] = bytes;
        if (codes === undefined || scaleBytes === undefined) throw new RangeError('dequantize: nothing read');
        const read = { values: codes, scales: viewAs(Float32Array, scaleBytes), zeroPoints: zeros };
        return [bytesOf(dequantizeRows(read, columns, { bits, block }))];
      },
    }),
  );
}

/** Rows [begin, end) of each part; parts that one derivation computes are computed by one call. */
async function readRows(
  parts: readonly (readonly [Tensor, number])[],
  begin: number,
  end: number,
): Promise<readonly Uint8Array[]> {
  const calls = new Map<object, Promise<readonly Uint8Array[]>>();
  return Promise.all(
    parts.map(async ([tensor, rowBytes]) => {
      const { origin } = tensor;
      // Shared only where the derivation's rows are these rows.
      if (origin.kind !== 'derived' || origin.derivation.rows * rowBytes !== tensor.byteLength) {
        return tensor.read(begin * rowBytes, end * rowBytes);
      }
      const call = calls.get(origin.derivation) ?? origin.derivation.computeRows(begin, end);
      calls.set(origin.derivation, call);
      const bytes = (await call)[origin.output];
      if (bytes === undefined) throw new RangeError(`${origin.derivation.op} has no output ${origin.output}`);
      return bytes;
    }),
  );
}

export function rebuildDequantizeBlocks(
  [values, scales, zeroPoints]: readonly Tensor[],
  { bits, block, columns }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  const validBits = bits === 4 || bits === 8;
  if (
    values === undefined ||
    scales === undefined ||
    !validBits ||
    typeof block !== 'number' ||
    typeof columns !== 'number'
  ) {
    throw new RangeError('dequantize-blocks: wrong recipe');
  }
  const quantized: QuantizedBlocks = {
    values,
    scales,
    bits,
    block,
    ...(zeroPoints === undefined ? {} : { zeroPoints }),
  };
  return [dequantizeBlocks(quantized, [values.shape[0] ?? 0, columns])];
}
