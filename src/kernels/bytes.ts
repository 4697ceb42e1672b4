/**
 * Typed views over bytes. All data is little endian and row major, as on every host that Node runs on.
 */

interface ViewConstructor<V> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): V;
}

/** A typed view of `bytes`; copies them first where their offset is not a multiple of the element size. */
export function viewAs<V>(view: ViewConstructor<V>, bytes: Uint8Array): V {
  const size = view.BYTES_PER_ELEMENT;
  if (bytes.byteLength % size !== 0) {
    throw new RangeError(`${bytes.byteLength} bytes do not hold whole elements of ${size} bytes`);
  }
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new view(aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

/** The bytes under a typed array, without a copy. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
