/**
 * Conversion of element types, bytes in, bytes out.
 *
 * To floats: to nearest, ties to even; overflow to infinity unless `clampToFinite`. Integers of 64 bits beyond
 * 2^53 are rounded to float64 on the way. To integers: to nearest, ties to even, saturating; NaN becomes 0.
 * To bool: 1 where the value is not 0 (NaN included).
 */
import { bytesOf, viewAs } from './bytes.ts';
import {
  bfloatToFloat,
  clampToHalfRange,
  floatToBfloat,
  floatToHalf,
  halfToFloat,
  roundToOdd,
} from './half.ts';

export const convertible = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
] as const;

export type Convertible = (typeof convertible)[number];

export function isConvertible(name: string): name is Convertible {
  return (convertible as readonly string[]).includes(name);
}

type Floats = Float32Array | Float64Array;

/** float32 where that holds every value of the type, else float64. */
const readers: Record<Convertible, (bytes: Uint8Array) => Floats> = {
  float32: (bytes) => viewAs(Float32Array, bytes),
  float64: (bytes) => viewAs(Float64Array, bytes),
  float16: (bytes) => halfToFloat(viewAs(Uint16Array, bytes)),
  bfloat16: (bytes) => bfloatToFloat(viewAs(Uint16Array, bytes)),
  int8: (bytes) => new Float32Array(viewAs(Int8Array, bytes)),
  uint8: (bytes) => new Float32Array(bytes),
  int16: (bytes) => new Float32Array(viewAs(Int16Array, bytes)),
  uint16: (bytes) => new Float32Array(viewAs(Uint16Array, bytes)),
  int32: (bytes) => new Float64Array(viewAs(Int32Array, bytes)),
  uint32: (bytes) => new Float64Array(viewAs(Uint32Array, bytes)),
  int64: (bytes) => Float64Array.from(viewAs(BigInt64Array, bytes), Number),
  uint64: (bytes) => Float64Array.from(viewAs(BigUint64Array, bytes), Number),
  bool: (bytes) => Float32Array.from(bytes, (byte) => (byte === 0 ? 0 : 1)),
};

const once = (values: Floats): Float32Array => (values instanceof Float32Array ? values : roundToOdd(values));

/** An integer in [low, high]; both are exact in float64. */
function saturate(value: number, low: number, high: number): number {
  if (!(value > low)) return Number.isNaN(value) ? 0 : low;
  if (value >= high) return high;
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

function saturateBig(value: number, low: bigint, high: bigint): bigint {
  if (!(value > Number(low))) return Number.isNaN(value) ? 0n : low;
  // Number(high) is one above it: 2^63 or 2^64.
  if (value >= Number(high)) return high;
  return BigInt(saturate(value, -(2 ** 64), 2 ** 65));
}

const writers: Record<Convertible, (values: Floats) => ArrayBufferView> = {
  float32: (values) => (values instanceof Float32Array ? values : new Float32Array(values)),
  float64: (values) => (values instanceof Float64Array ? values : new Float64Array(values)),
  float16: (values) => floatToHalf(once(values)),
  bfloat16: (values) => floatToBfloat(once(values)),
  int8: (values) => Int8Array.from(values, (value) => saturate(value, -128, 127)),
  uint8: (values) => Uint8Array.from(values, (value) => saturate(value, 0, 255)),
  int16: (values) => Int16Array.from(values, (value) => saturate(value, -32768, 32767)),
  uint16: (values) => Uint16Array.from(values, (value) => saturate(value, 0, 65535)),
  int32: (values) => Int32Array.from(values, (value) => saturate(value, -(2 ** 31), 2 ** 31 - 1)),
  uint32: (values) => Uint32Array.from(values, (value) => saturate(value, 0, 2 ** 32 - 1)),
  int64: (values) =>
    BigInt64Array.from(Array.from(values, (value) => saturateBig(value, -(2n ** 63n), 2n ** 63n - 1n))),
  uint64: (values) =>
    BigUint64Array.from(Array.from(values, (value) => saturateBig(value, 0n, 2n ** 64n - 1n))),
  bool: (values) => Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)),
};

/** The values of `bytes`, as numbers: float32 where that is exact for the type, else float64. */
export function toNumbers(bytes: Uint8Array, from: Convertible): Float32Array | Float64Array {
  return readers[from](bytes);
}

/**
 * `bytes` of type `from` as type `to`. With `clampToFinite` (for `to` float16) constants are first brought into
 * float16's range: see `clampToHalfRange`. The result may share memory with `bytes` where nothing changes.
 */
export function convert(
  bytes: Uint8Array,
  from: Convertible,
  to: Convertible,
  clampToFinite = false,
): Uint8Array {
  if (from === to) return bytes;
  const values = readers[from](bytes);
  if (!clampToFinite) return bytesOf(writers[to](values));
  // A copy: float32 input is a view of the caller's bytes.
  const clamped = values instanceof Float32Array ? values.slice() : roundToOdd(values);
  clampToHalfRange(clamped);
  return bytesOf(writers[to](clamped));
}
