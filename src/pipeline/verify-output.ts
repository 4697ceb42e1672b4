/** Whether the files of an output are those that its manifest lists. */
import { lstat, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail } from '../report/diagnostics.ts';
import { formatBytes } from '../report/format.ts';
import { quote, systemReason } from '../report/show.ts';
import { type ByteSource, fileSource } from '../tensor/byte-source.ts';
import { digestInputs } from './inputs.ts';
import type { ManifestFile } from './manifest.ts';
import { contains } from './output-folder.ts';

/**
 * Reads every file and compares its size and SHA-256. Throws VC5111, naming the first in the manifest's order that is
 * missing, damaged, or not a plain file inside the folder.
 */
export async function verifyFiles(
  folder: string,
  files: readonly ManifestFile[],
  signal: AbortSignal,
): Promise<void> {
  const root = await realpath(folder);
  const sources: ByteSource[] = [];
  try {
    for (const file of files) sources.push(await openListed(root, file));
    const digests = await digestInputs(sources, signal);
    for (const [index, { path, sha256 }] of files.entries()) {
      if (digests[index] === sha256) continue;
      throw fail('VC5111', {
        where: path,
        found: `SHA-256 ${digests[index]}`,
        expected: sha256,
      });
    }
  } finally {
    for (const source of sources) await source.close();
  }
}

async function openListed(root: string, { path, bytes }: ManifestFile): Promise<ByteSource> {
  const full = join(root, path);
  const expected = 'a file inside the output';
  if (!contains(root, full))
    throw fail('VC5111', { where: quote(path), found: 'a path that leads out of it', expected });
  try {
    // A link may lead anywhere, and opening a pipe may never end.
    const found = await lstat(full);
    const inside = contains(root, await realpath(dirname(full)));
    if (!found.isFile() || !inside) {
      throw fail('VC5111', { where: quote(path), found: 'a link, a folder or a device', expected });
    }
    if (found.size !== bytes) {
      throw fail('VC5111', { where: path, found: formatSize(found.size), expected: formatSize(bytes) });
    }
    return await fileSource(full, path);
  } catch (cause) {
    if (
      cause instanceof Error &&
      'code' in cause &&
      typeof cause.code === 'string' &&
      /^E[A-Z]/.test(cause.code)
    ) {
      throw fail('VC5111', { where: quote(path), found: systemReason(cause), cause });
    }
    throw cause;
  }
}

function formatSize(bytes: number): string {
  return bytes < 1024 ? formatBytes(bytes) : `${bytes} bytes (${formatBytes(bytes)})`;
}
