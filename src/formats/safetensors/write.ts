/**
 * Writes a safetensors file as the official writer lays it out, tensor by tensor in blocks, under a temporary
 * name that is renamed at the end: an interrupted run leaves nothing under the file's name.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { fail, VlmError } from '../../report/diagnostics.ts';
import { systemReason } from '../../report/show.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { encodeHeader, layOut } from './header.ts';

/** Bytes held at once; a row of a derived tensor that is longer is held whole. */
const blockBytes = 8 << 20;

/**
 * Writes `tensors` (any order) to `path`; the bytes depend on names, tensors and metadata alone.
 *
 * @throws VlmError VC1015 where the file cannot be written; errors of reading a tensor pass through
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const entries = layOut(tensors);
  const header = encodeHeader({ metadata, entries });
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(header.byteLength), true);

  const temporary = `${path}.${process.pid}.partial`;
  const file = await output(path, () => open(temporary, 'wx'));
  try {
    await append(file, prefix, path);
    await append(file, header, path);
    for (const { name } of entries) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new RangeError(`${name} was laid out and is not there`);
      for await (const block of blocks(tensor)) await append(file, block, path);
    }
    await output(path, () => file.sync());
    await file.close();
    await output(path, () => rename(temporary, path));
  } catch (cause) {
    await file.close().catch(() => {});
    await rm(temporary, { force: true });
    throw cause;
  }
}

/** The bytes of a tensor in order; blocks of derived tensors are whole rows, so that none is computed twice. */
async function* blocks(tensor: Tensor): AsyncGenerator<Uint8Array> {
  const { origin, byteLength } = tensor;
  const rowBytes = origin.kind === 'derived' ? byteLength / origin.derivation.rows : 1;
  const step = Math.max(1, Math.floor(blockBytes / rowBytes)) * rowBytes;
  for (let begin = 0; begin < byteLength; begin += step) {
    yield await tensor.read(begin, Math.min(begin + step, byteLength));
  }
}

async function append(file: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  await output(path, async () => {
    let written = 0;
    while (written < bytes.byteLength) {
      written += (await file.write(bytes, written, bytes.byteLength - written)).bytesWritten;
    }
  });
}

async function output<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof VlmError) throw cause;
    throw fail('VC1015', { where: path, found: systemReason(cause), cause });
  }
}
