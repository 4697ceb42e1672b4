/**
 * Where bytes come from: a local file today, an HTTP range source of a hub later, a buffer in tests.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fail } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';

export interface ByteSource {
  /** Stable name for messages, plans and digests: a path relative to the checkpoint, not an absolute one. */
  readonly name: string;
  readonly size: number;
  /** Set where the bytes are those of an open file, for readers that go to it on their own. */
  readonly file?: OpenedFile;
  /** Bytes [begin, end), inside [0, size]. Throws VC1106 where they cannot be read or the source got shorter. */
  read(begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface OpenedFile {
  /** Valid in all threads of the process until the source is closed. */
  readonly descriptor: number;
  /** Absolute. */
  readonly path: string;
  /** When it was last written to, as it was opened. */
  readonly mtimeNs: bigint;
}

/** A source over bytes in memory. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (begin, end) => {
      checkRange(name, begin, end, bytes.byteLength);
      return bytes.subarray(begin, end);
    },
    close: async () => {},
  };
}

/** A source over a regular file, opened once and read by positioned reads. */
export async function fileSource(path: string, name: string): Promise<ByteSource> {
  const handle = await open(path, 'r');
  try {
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw new Error(`${name} is not a regular file`);
    return new FileSource(
      name,
      Number(stat.size),
      { descriptor: handle.fd, path: resolve(path), mtimeNs: stat.mtimeNs },
      handle,
    );
  } catch (cause) {
    await handle.close();
    throw cause;
  }
}

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly file: OpenedFile;
  readonly #handle: FileHandle;

  constructor(name: string, size: number, file: OpenedFile, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.file = file;
    this.#handle = handle;
  }

  async read(begin: number, end: number): Promise<Uint8Array> {
    checkRange(this.name, begin, end, this.size);
    const buffer = new Uint8Array(end - begin);
    let filled = 0;
    while (filled < buffer.byteLength) {
      const bytesRead = await this.#readOnce(buffer, filled, begin + filled);
      if (bytesRead === 0)
        throw fail('VC1106', { where: this.name, found: `it ends before byte ${end} now` });
      filled += bytesRead;
    }
    await this.#checkUnchanged();
    return buffer;
  }

  /** Bytes of two versions of a file would make weights that nobody trained. */
  async #checkUnchanged(): Promise<void> {
    const { mtimeNs } = await this.#handle.stat({ bigint: true });
    if (mtimeNs !== this.file.mtimeNs) {
      throw fail('VC1106', { where: this.name, found: 'it was written to since it was opened' });
    }
  }

  async #readOnce(target: Uint8Array, filled: number, position: number): Promise<number> {
    try {
      const left = target.byteLength - filled;
      return (await this.#handle.read(target, filled, left, position)).bytesRead;
    } catch (cause) {
      throw fail('VC1106', { where: this.name, found: systemReason(cause), cause });
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function checkRange(name: string, begin: number, end: number, size: number): void {
  if (
    !(Number.isSafeInteger(begin) && Number.isSafeInteger(end) && 0 <= begin && begin <= end && end <= size)
  ) {
    throw new RangeError(`bytes ${begin}..${end} are outside ${name} of ${size} bytes`);
  }
}
