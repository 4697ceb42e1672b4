/** The files of the output beside the graphs: copies of the checkpoint's, and JSON that the architecture made. */
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { SideFile } from '../architectures/architecture.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { fail } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';

export interface PlannedSideFile {
  /** Name in the output folder. */
  readonly path: string;
  readonly bytes: number;
  /** Its content; a copied file is read when this is called. */
  content(): Promise<Uint8Array>;
}

/** A tokenizer of tens of MiB is the largest that there is; what is larger is no side file. */
const largestSideFile = 256 * 2 ** 20;

/** Sizes of all side files. Throws VC1104 when a file of the checkpoint cannot be read. */
export function planSideFiles(
  checkpoint: Checkpoint,
  files: readonly SideFile[],
): Promise<readonly PlannedSideFile[]> {
  return Promise.all(
    files.map(async (file) => {
      if (file.name !== basename(file.name)) throw new RangeError(`${file.name} is no plain file name`);
      if (file.kind === 'json') {
        const bytes = new TextEncoder().encode(`${JSON.stringify(file.value, null, 2)}\n`);
        return { path: file.name, bytes: bytes.byteLength, content: async () => bytes };
      }
      // `files` holds only what stands in the folder or in its hub cache.
      if (!checkpoint.files.includes(file.from))
        throw new RangeError(`${file.from} is not in the checkpoint`);
      const path = join(checkpoint.partFolders?.get(file.from) ?? checkpoint.path, file.from);
      const { size } = await attempt(file.from, () => stat(path));
      if (size > largestSideFile) {
        throw fail('VC1104', {
          where: file.from,
          found: `${size} bytes`,
          expected: `at most ${largestSideFile} bytes`,
        });
      }
      return { path: file.name, bytes: size, content: () => attempt(file.from, () => readFile(path)) };
    }),
  );
}

async function attempt<T>(where: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (cause) {
    throw fail('VC1104', { where, found: systemReason(cause), cause });
  }
}
