/** The weight files of a checkpoint or a model: what tells that they are the same as before. */
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import type { ByteSource } from '../tensor/byte-source.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { followFiles } from './engine/digests.ts';
import type { JournalInput } from './engine/journal.ts';

/** Hashing is bound by the disk or, cached, by a core per file. */
const hashThreads = 4;

export function inputFiles(checkpoint: Checkpoint): readonly ByteSource[] {
  return sourceFiles([...checkpoint.tensors.values()].map(({ tensor }) => tensor));
}

/** The files that tensors lie in or are computed from, by name. */
export function sourceFiles(tensors: readonly Tensor[]): readonly ByteSource[] {
  const sources = new Map<string, ByteSource>();
  const seen = new Set<Tensor>();
  const visit = (tensor: Tensor): void => {
    if (seen.has(tensor)) return;
    seen.add(tensor);
    const { origin } = tensor;
    if (origin.kind === 'source' && origin.source.file !== undefined) {
      sources.set(origin.source.name, origin.source);
    } else if (origin.kind === 'derived') origin.derivation.inputs.forEach(visit);
  };
  tensors.forEach(visit);
  return [...sources.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `digests`: sha256 of each, in the same order, where they were made. */
export function journalInputs(
  files: readonly ByteSource[],
  digests: readonly string[] | undefined,
): readonly JournalInput[] {
  return files.map(({ name, size, file }, index) => {
    const digest = digests?.[index];
    return {
      name,
      size,
      mtimeNs: String(file?.mtimeNs ?? 0),
      ...(digest === undefined ? {} : { sha256: digest }),
    };
  });
}

/** sha256 of all bytes of the files, several at a time. Throws VC1106. */
export async function digestInputs(
  files: readonly ByteSource[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const opened = files.map(({ name, size, file }) => {
    if (file === undefined) throw new TypeError(`${name} is no open file`);
    return { path: name, descriptor: file.descriptor, byteLength: size };
  });
  const digests = await followFiles(opened, Math.min(hashThreads, files.length), 'VC1106');
  try {
    for (const [index, { size }] of files.entries()) digests.wrote(index, [0, size]);
    return await Promise.race([digests.finish(), rejected(signal)]);
  } finally {
    await digests.close();
  }
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    if (signal.aborted) reject(signal.reason as Error);
  });
}
