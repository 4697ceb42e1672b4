/**
 * The number lists of TensorProto (float_data, int32_data, …) to raw little-endian bytes. A list comes as its wire
 * bytes, one chunk per packed field: fixed-width numbers, or varints.
 *
 * Half floats, bfloat16 and float8 stand as bit patterns, sub-byte types as packed bytes (low bits first), one
 * pattern or byte per int32_data element; complex numbers as two floats.
 */
import { bitsOf, byteLengthOf, type DType } from '../../tensor/dtype.ts';
import type { TensorProto } from './proto.ts';

export type NumberList = 'floatData' | 'doubleData' | 'int32Data' | 'int64Data' | 'uint64Data';

export const numberLists: readonly NumberList[] = [
  'floatData',
  'doubleData',
  'int32Data',
  'int64Data',
  'uint64Data',
];

/** The list that a type's elements stand in. */
export function listFor(dtype: DType): NumberList {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return 'floatData';
    case 'float64':
    case 'complex128':
      return 'doubleData';
    case 'int64':
      return 'int64Data';
    case 'uint32':
    case 'uint64':
      return 'uint64Data';
    default:
      return 'int32Data';
  }
}

/** What is wrong with the data of a tensor. */
export class TypedDataError extends Error {
  readonly found: string;
  readonly expected: string;

  constructor(found: string, expected: string) {
    super(`found ${found}, expected ${expected}`);
    this.found = found;
    this.expected = expected;
  }
}

/** The raw bytes of `dtype[shape]` from its number list. Throws a TypedDataError. */
export function rawFromList(proto: TensorProto, dtype: DType, shape: readonly number[]): Uint8Array {
  const list = listFor(dtype);
  const chunks = proto[list] ?? [];
  const byteLength = byteLengthOf(dtype, shape);
  if (list === 'floatData' || list === 'doubleData') {
    const raw = concat(chunks);
    if (raw.byteLength !== byteLength) {
      throw new TypedDataError(`${raw.byteLength} bytes of numbers`, `${byteLength}`);
    }
    return raw;
  }
  // Sub-byte elements come a byte at a time.
  const width = Math.max(8, bitsOf(dtype));
  const count = byteLength / (width / 8);
  const listed = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  // A number takes a byte at least. Shapes ask for as much memory as they like.
  if (listed < count) throw new TypedDataError(`${listed} bytes of numbers`, `${count} numbers`);
  const raw = new Uint8Array(byteLength);
  const view = new DataView(raw.buffer);
  let at = 0;
  for (const chunk of chunks) {
    forEachVarint(chunk, (low, high) => {
      if (at === count) throw new TypedDataError(`more than ${count} numbers`, `${count}`);
      put(view, at, width, dtype, low, high);
      at += 1;
    });
  }
  if (at !== count) throw new TypedDataError(`${at} numbers`, `${count}`);
  return raw;
}

function put(view: DataView, at: number, width: number, dtype: DType, low: number, high: number): void {
  if (width === 64) {
    view.setUint32(at * 8, low, true);
    view.setUint32(at * 8 + 4, high, true);
    return;
  }
  if (width === 32) {
    if (dtype === 'uint32' && high !== 0) throw new TypedDataError('a number above 2^32 - 1', 'uint32');
    view.setInt32(at * 4, low, true);
    return;
  }
  // Both signs fit: writers store bit patterns signed and unsigned.
  if (low < -(2 ** (width - 1)) || low >= 2 ** width) throw new TypedDataError(`${low}`, dtype);
  if (width === 16) view.setInt16(at * 2, low, true);
  else view.setInt8(at, dtype === 'bool' && low !== 0 ? 1 : low);
}

/** Calls with the low half (signed) and the high half (unsigned) of each varint. */
function forEachVarint(bytes: Uint8Array, visit: (low: number, high: number) => void): void {
  for (let at = 0; at < bytes.byteLength; ) {
    let low = 0;
    let high = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined || shift > 63) throw new TypedDataError('a broken varint', 'packed numbers');
      at += 1;
      const part = byte & 0x7f;
      if (shift < 32) low |= part << shift;
      if (shift === 28) high = part >>> 4;
      if (shift > 28) high |= part << (shift - 32);
      if (byte < 0x80) break;
      shift += 7;
    }
    visit(low, high >>> 0);
  }
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
