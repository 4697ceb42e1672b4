/** TensorProto.DataType numbers and our names for them. */
import type { DType } from '../../tensor/dtype.ts';

/** By number; 0 is UNDEFINED. */
const byNumber: readonly (DType | undefined)[] = [
  undefined,
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
  'float8e8m0',
  'uint2',
  'int2',
  'float6e2m3',
  'float6e3m2',
];

const numbers = new Map(byNumber.map((dtype, number) => [dtype, number]));

/** Undefined for 0 (UNDEFINED) and for numbers that ONNX 1.23 does not define. */
export function dtypeOf(number: number): DType | undefined {
  return byNumber[number];
}

export function numberOf(dtype: DType): number {
  const number = numbers.get(dtype);
  if (number === undefined) throw new RangeError(`ONNX has no number for ${dtype}`);
  return number;
}
