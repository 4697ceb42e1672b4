/**
 * A source of bytes that are computed when somebody first reads them: small tables that take a pass over a large
 * tensor, such as the norms of its rows. A write plan takes them over as constants.
 */
import type { ByteSource } from './byte-source.ts';

/** @param name among all sources: that of the tensor it belongs to, say */
export function computedSource(name: string, size: number, compute: () => Promise<Uint8Array>): ByteSource {
  let made: Promise<Uint8Array> | undefined;
  return {
    name,
    size,
    read: async (begin, end) => {
      made ??= compute();
      const bytes = await made;
      if (bytes.byteLength !== size) {
        throw new RangeError(`${name} has ${bytes.byteLength} bytes, ${size} were announced`);
      }
      return bytes.subarray(begin, end);
    },
    close: async () => {},
  };
}
