/**
 * Values that go into and come out of a session: dtype, shape and a typed array, row major.
 * float16 is held as bit patterns in a Uint16Array on every version of Node.
 */
import { floatToHalf, halfToFloat } from '../kernels/half.ts';
import { type DType, elementCount } from '../tensor/dtype.ts';

export type RunData =
  | Float32Array
  | Float64Array
  | Uint16Array
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface RunTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: RunData;
}

/** A float32 value; throws a RangeError when `data` does not fill `shape`. */
export function float32Value(shape: readonly number[], data: Float32Array): RunTensor {
  if (data.length !== elementCount(shape)) {
    throw new RangeError(`[${shape}] takes ${elementCount(shape)} elements, ${data.length} given`);
  }
  return { dtype: 'float32', shape, data };
}

/** An int64 value from safe integers. */
export function int64Value(shape: readonly number[], values: readonly number[]): RunTensor {
  if (values.length !== elementCount(shape)) {
    throw new RangeError(`[${shape}] takes ${elementCount(shape)} elements, ${values.length} given`);
  }
  return { dtype: 'int64', shape, data: BigInt64Array.from(values, (value) => BigInt(value)) };
}

/** The numbers of a float32, float16 or float64 value as float32; throws a TypeError for other dtypes. */
export function toFloat32(value: RunTensor): Float32Array {
  const { data, dtype } = value;
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (dtype === 'float16' && data instanceof Uint16Array) return halfToFloat(data);
  throw new TypeError(`${dtype} is not a floating point dtype`);
}

/** Rounds a float32 value to float16 (to nearest, ties to even; beyond 65504 becomes infinity). */
export function toFloat16(value: RunTensor): RunTensor {
  return { dtype: 'float16', shape: value.shape, data: floatToHalf(toFloat32(value)) };
}
