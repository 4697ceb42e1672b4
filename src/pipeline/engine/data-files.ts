/** The data files of a plan, open while they are written. */
import { closeSync, constants, fsync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Extent, gapsOf } from './extents.ts';
import { writeFailure } from './write-failure.ts';
import type { WritePlan } from './write-plan.ts';

export interface DataFile {
  /** Relative, as in the plan. */
  readonly path: string;
  readonly byteLength: number;
  readonly descriptor: number;
  /** What no tensor covers: zeros. */
  readonly gaps: readonly Extent[];
}

/** New files must not exist; files of an earlier run are taken as they are, and made where they are missing. */
const openFlags = {
  new: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  // Windows has no O_NOFOLLOW.
  earlier: constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0),
} as const;

/** Makes the files of their final size, zeros. Throws VC5104 or VC5105. */
export function openDataFiles(
  plan: WritePlan,
  root: string,
  kind: keyof typeof openFlags,
): readonly DataFile[] {
  const opened: DataFile[] = [];
  try {
    for (const [index, { path, bytes }] of plan.files.entries()) {
      const covered = plan.tensors.filter(({ file }) => file === index);
      const gaps = gapsOf(
        path,
        bytes,
        covered.map((tensor) => [tensor.offset, tensor.offset + tensor.bytes]),
      );
      opened.push({
        path,
        byteLength: bytes,
        descriptor: openDataFile(join(root, path), bytes, kind, gaps),
        gaps,
      });
    }
  } catch (error) {
    closeDataFiles(opened);
    throw error;
  }
  return opened;
}

function openDataFile(
  path: string,
  byteLength: number,
  kind: keyof typeof openFlags,
  gaps: readonly Extent[],
): number {
  let descriptor: number | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    descriptor = openSync(path, openFlags[kind]);
    ftruncateSync(descriptor, byteLength);
    // No checksum covers them.
    if (kind === 'earlier') for (const gap of gaps) writeZeros(descriptor, gap);
    return descriptor;
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw writeFailure(path, cause);
  }
}

function writeZeros(descriptor: number, [begin, end]: Extent): void {
  const zeros = new Uint8Array(Math.min(end - begin, 1 << 20));
  for (let at = begin; at < end; )
    at += writeSync(descriptor, zeros, 0, Math.min(zeros.byteLength, end - at), at);
}

const sync = promisify(fsync);

/** Puts everything on the disk. Throws VC5104 or VC5105. */
export async function syncDataFiles(files: readonly DataFile[]): Promise<void> {
  await Promise.all(
    files.map(async ({ path, descriptor }) => {
      try {
        await sync(descriptor);
      } catch (cause) {
        throw writeFailure(path, cause);
      }
    }),
  );
}

export function closeDataFiles(files: readonly DataFile[]): void {
  for (const { descriptor } of files) closeSync(descriptor);
}
