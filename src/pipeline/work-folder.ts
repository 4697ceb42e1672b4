/**
 * The folder that an output is made in: a hidden sibling, whose `output` is renamed at the end, so that the output's
 * name holds either what was there before or a whole new output.
 *
 *   .<name>.vlm-convert/lock        its owner, while one works in it
 *                      /plan.json   what is written, unit by unit
 *                      /constants   constants that units read
 *                      /journal     finished units, for --resume
 *                      /output      becomes the output
 *                      /scratch     graphs for the check
 *                      /earlier     what stood under the name, until the new output has it
 */
import { lstat, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fail, VlmError } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import { takeLock } from './lock.ts';
import { contains, type OutputPlace } from './output-folder.ts';

export interface WorkFolder {
  /** The new output's folder until it is sealed. */
  readonly output: string;
  /** For files that are gone in the end. Empty. */
  readonly scratch: string;
  readonly plan: string;
  readonly constants: string;
  readonly journal: string;
  /** Removes what an earlier run left. */
  clear(): Promise<void>;
  /** Removes what an earlier run left in the output but these files, relative with forward slashes. */
  retain(files: ReadonlySet<string>): Promise<void>;
  /** Gives the output its name, and what it replaces the way of all files. Throws VC5103. */
  seal(): Promise<void>;
  /** Ends the work; unless it is kept, everything that was made is removed. Safe at any time, also after `seal`. */
  leave(outcome: 'keep' | 'remove'): Promise<void>;
}

/** Makes the folder, or takes over that of an earlier run. Throws VC5103, and VC5107 while another works in it. */
export async function openWorkFolder({ path, work }: OutputPlace): Promise<WorkFolder> {
  const parent = dirname(path);
  const output = join(work, 'output');
  const scratch = join(work, 'scratch');
  const earlier = join(work, 'earlier');
  const lock = join(work, 'lock');
  let madeParent: string | undefined;
  let unlock: () => Promise<void>;
  try {
    madeParent = await makeFolders(parent);
    await makeFolder(work);
    unlock = await takeLock(lock);
    await restore(earlier, path);
    await rm(scratch, { recursive: true, force: true });
    await makeFolder(output);
    await mkdir(scratch);
  } catch (cause) {
    await removeEmpty(parent, madeParent);
    if (cause instanceof VlmError) throw cause;
    throw fail('VC5103', { where: path, found: systemReason(cause), cause });
  }
  let sealed = false;
  return {
    output,
    scratch,
    plan: join(work, 'plan.json'),
    constants: join(work, 'constants'),
    journal: join(work, 'journal'),
    clear: async () => {
      for (const name of ['journal', 'plan.json', 'constants', 'output']) {
        await rm(join(work, name), { recursive: true, force: true });
      }
      await mkdir(output);
    },
    retain: async (files) => {
      for (const entry of await readdir(output, { recursive: true, withFileTypes: true })) {
        const found = join(entry.parentPath, entry.name);
        const name = relative(output, found).split(sep).join('/');
        if (!entry.isDirectory() && !(entry.isFile() && files.has(name))) await rm(found);
      }
    },
    seal: async () => {
      try {
        await syncFolders(output);
        const replaces = await exists(path);
        if (replaces) await rename(path, earlier);
        try {
          await rename(output, path);
        } catch (cause) {
          if (replaces) await rename(earlier, path);
          throw cause;
        }
        await syncFolder(parent);
      } catch (cause) {
        throw fail('VC5103', { where: path, found: systemReason(cause), cause });
      }
      sealed = true;
    },
    leave: async (outcome) => {
      if (outcome === 'keep' && !sealed) {
        await rm(scratch, { recursive: true, force: true });
        await unlock();
        return;
      }
      // The lock goes last: nobody takes over a folder that is being removed.
      for (const name of await readdir(work)) {
        if (name !== 'lock') await rm(join(work, name), { recursive: true, force: true });
      }
      await unlock();
      await rmdir(work).catch(() => {});
      if (!sealed) await removeEmpty(parent, madeParent);
    },
  };
}

/** Takes a folder that is there, but no link to one: what it leads to is not ours. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (cause) {
    if (!(await lstat(path).catch(() => undefined))?.isDirectory()) throw cause;
  }
}

/** Bytes that the files of an earlier run take on the disk. */
export async function bytesStanding({ work }: OutputPlace): Promise<number> {
  const entries = await readdir(join(work, 'output'), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  let bytes = 0;
  for (const entry of entries) {
    // Files have holes where nothing was written yet; blocks are of 512 bytes.
    if (!entry.isFile()) continue;
    const { blocks, nlink } = await stat(join(entry.parentPath, entry.name));
    // A link takes no room, and is made again.
    if (nlink === 1) bytes += blocks * 512;
  }
  return bytes;
}

/** What a killed run moved aside has its name again, unless the new output took it. */
async function restore(earlier: string, path: string): Promise<void> {
  if (!(await exists(earlier))) return;
  if (await exists(path)) await rm(earlier, { recursive: true });
  else await rename(earlier, path);
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return false;
      throw cause;
    },
  );
}

async function syncFolders(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncFolders(join(path, entry.name));
  }
  await syncFolder(path);
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes a folder and its missing ancestors; returns the topmost that it made. Node's recursive mkdir never ends
 * where a folder exists in which nothing can be made (/proc), and names the wrong reason on a read-only disk.
 */
async function makeFolders(path: string): Promise<string | undefined> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) return undefined;
  const above = dirname(path) === path ? undefined : await makeFolders(dirname(path));
  try {
    await mkdir(path);
  } catch (cause) {
    await removeEmpty(dirname(path), above);
    throw cause;
  }
  return above ?? path;
}

/** Removes the folders from `path` up to `top` that are empty; stops at the first that is not. */
async function removeEmpty(path: string, top: string | undefined): Promise<void> {
  if (top === undefined) return;
  for (let folder = path; contains(top, folder); folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
  }
}
