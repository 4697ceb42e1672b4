/**
 * Element types under their ONNX names (lower case), with their width in bits.
 * Data is always little endian and row major; 4- and 2-bit types are packed low bits first.
 */

/** Bits per element. `string` has no fixed width. */
const bits = {
  float32: 32,
  uint8: 8,
  int8: 8,
  uint16: 16,
  int16: 16,
  int32: 32,
  int64: 64,
  string: undefined,
  bool: 8,
  float16: 16,
  float64: 64,
  uint32: 32,
  uint64: 64,
  complex64: 64,
  complex128: 128,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  uint4: 4,
  int4: 4,
  float4e2m1: 4,
  float8e8m0: 8,
  uint2: 2,
  int2: 2,
  float6e2m3: 6,
  float6e3m2: 6,
} as const;

export type DType = keyof typeof bits;

export const dtypes = Object.keys(bits) as readonly DType[];

/** The type under a code of ONNX's TensorProto.DataType (`to` of Cast); undefined for codes that name none. */
export function dtypeOfCode(code: number): DType | undefined {
  return dtypes[code - 1];
}

/** The code of ONNX's TensorProto.DataType: the table above is in its order. */
export function codeOfDType(dtype: DType): number {
  return dtypes.indexOf(dtype) + 1;
}

/** Width of one element in bits; throws a RangeError for `string`. */
export function bitsOf(dtype: DType): number {
  const width = bits[dtype];
  if (width === undefined) throw new RangeError(`${dtype} has no fixed width`);
  return width;
}

export function isFloat(dtype: DType): boolean {
  return dtype.startsWith('float') || dtype === 'bfloat16';
}

/** Number of elements of a static shape; throws a RangeError where it exceeds 2^53 - 1. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) throw new RangeError(`[${shape}] is not a shape`);
    count *= dim;
    if (!Number.isSafeInteger(count)) {
      // A later zero would make the product 0 again, but no writer means such a shape.
      throw new RangeError(`the element count of [${shape}] is not below 2^53`);
    }
  }
  return count;
}

/** Bytes that a tensor takes, sub-byte types packed; throws a RangeError on overflow. */
export function byteLengthOf(dtype: DType, shape: readonly number[]): number {
  const total = elementCount(shape) * bitsOf(dtype);
  if (!Number.isSafeInteger(total))
    throw new RangeError(`the byte count of ${dtype}[${shape}] is not below 2^53`);
  return Math.ceil(total / 8);
}

/** Coordinates of an element given by its index in row-major order, for people: `[0, 3]`. */
export function placeOf(shape: readonly number[], index: number): string {
  const place: number[] = [];
  let rest = index;
  for (const size of shape.toReversed()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${place.join(', ')}]`;
}
