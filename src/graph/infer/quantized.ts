/** Type rules of quantized operators. Layouts of com.microsoft's are those of onnxruntime's MatMulNBits. */
import { bitsOf, dtypeOfCode } from '../../tensor/dtype.ts';
import { type Dim, tensorType } from '../types.ts';
import { type Rule, typed } from './context.ts';
import { divideDims, multiplyDims, sameDim } from './dims.ts';
import { matmulShape } from './linear.ts';

const quantizeLinear: Rule = (cx) => {
  const code = cx.node.int('output_dtype') ?? 0;
  return [typed(cx.dtype(2) ?? (code === 0 ? 'uint8' : dtypeOfCode(code)), cx.shape(0))];
};

const dequantizeLinear: Rule = (cx) => {
  const code = cx.node.int('output_dtype') ?? 0;
  return [typed(code === 0 ? cx.dtype(1) : dtypeOfCode(code), cx.shape(0))];
};

const dynamicQuantizeLinear: Rule = (cx) => [
  tensorType('uint8', cx.shape(0)),
  tensorType('float32', []),
  tensorType('uint8', []),
];

/** A [..., K] to [..., N]; B [N, ceil(K / block), block * bits / 8]; scales [N, ceil(K / block)] or flat. */
const matmulNBits: Rule = (cx) => {
  const { node } = cx;
  const a = cx.shape(0);
  const [k, n, block] = [node.int('K'), node.int('N'), node.int('block_size')];
  if (k === undefined || n === undefined || block === undefined || block < 1) {
    return [typed(cx.dtype(0), undefined)];
  }
  if (a !== undefined && (a.length === 0 || sameDim(a.at(-1) ?? null, k) === false)) {
    throw cx.fail('VC3101', cx.describe(0), `last dimension K = ${k}`);
  }
  const blocks = Math.ceil(k / block);
  const blob = (block * (node.int('bits') ?? 4)) / 8;
  const b = cx.shape(1);
  if (b !== undefined && [n, blocks, blob].some((dim, axis) => sameDim(b[axis] ?? null, dim) === false)) {
    throw cx.fail('VC3101', cx.describe(1), `[N, blocks, bytes] = [${n},${blocks},${blob}]`);
  }
  const scales = cx.shape(2);
  const count = scales?.reduce<Dim>(multiplyDims, 1) ?? null;
  if (sameDim(count, n * blocks) === false) {
    throw cx.fail(
      'VC3101',
      cx.describe(2),
      `${n * blocks} scales, one for each of ${blocks} blocks of ${n} rows`,
    );
  }
  return [typed(cx.dtype(0), a?.with(-1, n))];
};

/** Rows of packed data [V, D * bits / 8]; scales [V, D / block]. The output has the type of the scales. */
const gatherBlockQuantized: Rule = (cx) => {
  const { node } = cx;
  const [data, indices] = [cx.shape(0), cx.shape(1)];
  const dtype = cx.dtype(0);
  if (data === undefined || indices === undefined || dtype === undefined)
    return [typed(cx.dtype(2), undefined)];
  const axis = cx.axis(node.int('gather_axis') ?? 0, data.length);
  const quantized = cx.axis(node.int('quantize_axis') ?? 1, data.length);
  const packed = dtype === 'uint8' ? 8 / (node.int('bits') ?? 4) : 1;
  if (dtype !== 'uint8' && bitsOf(dtype) !== 4)
    throw cx.fail('VC3103', cx.describe(0), 'uint8, uint4 or int4');
  const full = data.with(quantized, multiplyDims(data[quantized] ?? null, packed));
  const scales = cx.shape(2);
  const blocks = divideDims(full[quantized] ?? null, node.int('block_size') ?? 128);
  if (scales !== undefined && sameDim(scales[quantized] ?? null, blocks) === false) {
    throw cx.fail('VC3101', cx.describe(2), `${blocks} scales along axis ${quantized}`);
  }
  return [typed(cx.dtype(2), [...full.slice(0, axis), ...indices, ...full.slice(axis + 1)])];
};

/** A [..., K] and B [K, N] to float [..., N]. */
const matmulToFloat: Rule = (cx) => [tensorType('float32', matmulShape(cx, cx.shape(0), cx.shape(1)))];

const qlinearMatMul: Rule = (cx) => [typed(cx.dtype(7), matmulShape(cx, cx.shape(0), cx.shape(3)))];

export const quantizedRules: readonly (readonly [string, Rule])[] = [
  ['QuantizeLinear', quantizeLinear],
  ['DequantizeLinear', dequantizeLinear],
  ['com.microsoft::QuantizeLinear', quantizeLinear],
  ['com.microsoft::DequantizeLinear', dequantizeLinear],
  ['DynamicQuantizeLinear', dynamicQuantizeLinear],
  ['com.microsoft::MatMulNBits', matmulNBits],
  ['com.microsoft::GatherBlockQuantized', gatherBlockQuantized],
  ['com.microsoft::DynamicQuantizeMatMul', matmulToFloat],
  ['com.microsoft::MatMulIntegerToFloat', matmulToFloat],
  ['QLinearMatMul', qlinearMatMul],
];
