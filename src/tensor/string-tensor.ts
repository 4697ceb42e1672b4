/**
 * String tensors. Strings have no fixed width, so their bytes are ours: for each element, in row-major order, its
 * byte length as uint32 little endian, then the bytes (which need not be UTF-8). No file holds this form.
 */
import { elementCount } from './dtype.ts';
import type { Tensor } from './tensor.ts';

/** A string tensor in memory; throws a RangeError unless there is one string per element. */
export function stringTensor(shape: readonly number[], strings: readonly Uint8Array[]): Tensor {
  if (elementCount(shape) !== strings.length) {
    throw new RangeError(`string[${shape}] takes ${elementCount(shape)} strings, ${strings.length} given`);
  }
  const bytes = new Uint8Array(strings.reduce((sum, text) => sum + 4 + text.byteLength, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const text of strings) {
    view.setUint32(at, text.byteLength, true);
    bytes.set(text, at + 4);
    at += 4 + text.byteLength;
  }
  return {
    dtype: 'string',
    shape,
    byteLength: bytes.byteLength,
    origin: { kind: 'inline', bytes },
    read: async (begin, end) => {
      if (!(0 <= begin && begin <= end && end <= bytes.byteLength)) {
        throw new RangeError(`bytes ${begin}..${end} are outside a tensor of ${bytes.byteLength} bytes`);
      }
      return bytes.subarray(begin, end);
    },
  };
}

/** The elements from all bytes of a string tensor. */
export function unpackStrings(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const end = at + 4 + view.getUint32(at, true);
    strings.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return strings;
}
