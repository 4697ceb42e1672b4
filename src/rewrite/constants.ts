/**
 * Reads small constants of a graph synchronously. Only tensors whose bytes are in memory (inline initializers
 * and Constant nodes) can be read: a pass never waits for bytes of a checkpoint.
 */
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { bfloatToFloat, halfToFloat } from '../kernels/half.ts';
import { elementCount, isFloat } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Above this a constant is a weight, not a parameter of the graph's structure. */
const largestConstant = 1 << 16;

/** The constant that a value always holds; undefined for a graph input (its default can be overridden). */
export function constantTensor(value: Value | undefined): Tensor | undefined {
  if (value === undefined) return undefined;
  if (value.initializer !== undefined) return value.isInput ? undefined : value.initializer;
  if (value.producer?.op !== 'Constant') return undefined;
  const attribute = value.producer.attributes.get('value');
  return attribute?.kind === 'tensor' ? attribute.value : undefined;
}

/**
 * The numbers of a small constant in memory, of a type that graphs compute with, also where it is stored quantized
 * with one scale; undefined for anything else.
 */
export function constantNumbers(value: Value | undefined): readonly number[] | undefined {
  const node = value?.producer;
  if (node?.op === 'DequantizeLinear') {
    const [numbers, scale] = [constantNumbers(node.input(0)), constantScalar(node.input(1))];
    const zero = node.input(2) === undefined ? 0 : constantScalar(node.input(2));
    if (numbers === undefined || scale === undefined || zero === undefined) return undefined;
    return numbers.map((number) => (number - zero) * scale);
  }
  const tensor = constantTensor(value);
  return tensor === undefined ? undefined : tensorNumbers(tensor);
}

/** The numbers of a small tensor in memory. */
export function tensorNumbers(tensor: Tensor): readonly number[] | undefined {
  if (tensor.origin.kind !== 'inline' || elementCount(tensor.shape) > largestConstant) return undefined;
  const { bytes } = tensor.origin;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = readers[tensor.dtype];
  if (read === undefined) return undefined;
  return Array.from({ length: elementCount(tensor.shape) }, (_, index) => read(view, index));
}

/** Casts and roundings in a row that are looked through: no exporter writes more, and a hostile graph could. */
export const mostInRow = 8;

/** What a value was before it was rounded: quantized and de-quantized, or cast from one float type to another. */
export function beforeRounding(value: Value): Value {
  let source = value;
  for (let steps = 0; steps < mostInRow; steps += 1) {
    const cast = beforeCasts(source);
    const inner = cast.producer?.op === 'DequantizeLinear' ? cast.producer.input(0)?.producer : undefined;
    const before = inner?.op === 'QuantizeLinear' ? inner.input(0) : undefined;
    if (before === undefined) return cast;
    source = before;
  }
  return source;
}

/** What a value was before it was cast from one float type to another. */
export function beforeCasts(value: Value): Value {
  let source = value;
  for (let steps = 0; steps < mostInRow; steps += 1) {
    const inner = isFloatCast(source.producer) ? source.producer.input(0) : undefined;
    if (inner === undefined) return source;
    source = inner;
  }
  return source;
}

export function isFloatCast(node: Node | undefined): node is Node {
  const inner = node?.op === 'Cast' ? node.input(0) : undefined;
  return inner !== undefined && isFloatValue(inner) && node?.outputs[0] != null && isFloatValue(node.output);
}

function isFloatValue({ type }: Value): boolean {
  return type?.kind === 'tensor' && isFloat(type.dtype);
}

/** The number of a constant with one element, of any rank. */
export function constantScalar(value: Value | undefined): number | undefined {
  const numbers = constantNumbers(value);
  return numbers?.length === 1 ? numbers[0] : undefined;
}

/**
 * How far a constant of a type may be from the number that was meant: exporters round to the type, and authors
 * write 0.797885. Relative; integers are exact.
 */
export function rounding(dtype: Tensor['dtype']): number {
  return roundings[dtype] ?? 0;
}

const roundings: Readonly<Partial<Record<Tensor['dtype'], number>>> = {
  float64: 2 ** -18,
  float32: 2 ** -18,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
};

const readers: Readonly<Partial<Record<Tensor['dtype'], (view: DataView, index: number) => number>>> = {
  float64: (view, index) => view.getFloat64(index * 8, true),
  float32: (view, index) => view.getFloat32(index * 4, true),
  float16: (view, index) => halfToFloat(Uint16Array.of(view.getUint16(index * 2, true)))[0] ?? Number.NaN,
  bfloat16: (view, index) => bfloatToFloat(Uint16Array.of(view.getUint16(index * 2, true)))[0] ?? Number.NaN,
  bool: (view, index) => view.getUint8(index),
  int8: (view, index) => view.getInt8(index),
  uint8: (view, index) => view.getUint8(index),
  int32: (view, index) => view.getInt32(index * 4, true),
  // Parameters beyond 2^53 (INT64_MAX as "to the end" of a Slice) lose their last bits, which none needs.
  int64: (view, index) => Number(view.getBigInt64(index * 8, true)),
};
