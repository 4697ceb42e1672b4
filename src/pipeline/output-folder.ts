/**
 * The output folder. Everything is written into a hidden sibling and renamed at the end, so that the output's
 * name holds either what was there before or a whole new output:
 *
 *   <parent>/.<name>.vlm-convert-<pid>/   staging: output/ (renamed at the end), scratch/ (reference graphs)
 *   <parent>/.<name>.vlm-convert-<pid>/earlier   what stood under the name, until the new output has it
 */
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
} from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fail } from '../report/diagnostics.ts';
import { formatBytes } from '../report/format.ts';
import { list, systemReason } from '../report/show.ts';
import { isOurs, manifestName, readManifest } from './manifest.ts';

/** Where an output will stand. Nothing has been made yet. */
export interface OutputPlace {
  /** Absolute. */
  readonly path: string;
  readonly staging: string;
  /** Something stands there and will be replaced. */
  readonly replaces: boolean;
}

export interface Staging {
  /** The new output's folder until it is sealed. */
  readonly output: string;
  /** For files that are gone in the end. */
  readonly scratch: string;
  /** Gives the output its name, and what it replaces the way of all files. */
  seal(): Promise<void>;
  /** Removes everything that was made; safe to call at any time, also after `seal`. */
  discard(): Promise<void>;
}

/** Default: `<checkpoint name>-onnx` beside the current folder. */
export function outputPath(output: string | undefined, checkpointName: string, cwd: string): string {
  return output === undefined ? join(dirname(cwd), `${checkpointName}-onnx`) : resolve(cwd, output);
}

/** Checks that the output may be written there. Throws VC5101, VC5102, VC5103 or VC5106. */
export async function chooseOutput(path: string, checkpoint: string, force: boolean): Promise<OutputPlace> {
  const parent = dirname(path);
  const name = basename(path);
  if (name === '') throw fail('VC5103', { where: path, found: 'the root of the file system' });
  const real = join(await realAncestor(parent), name);
  const source = await realpath(checkpoint);
  if (contains(real, source) || contains(source, real)) {
    throw fail('VC5102', { where: path, found: `the checkpoint ${source}` });
  }
  const standing = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw fail('VC5103', { where: path, found: systemReason(cause), cause });
  });
  if (standing !== undefined) {
    if (!standing.isDirectory() && !standing.isFile() && !standing.isSymbolicLink()) {
      throw fail('VC5103', { where: path, found: 'a device, a pipe or a socket' });
    }
    if (contains(real, await realpath(process.cwd()))) {
      throw fail('VC5102', { where: path, found: 'the current folder lies in it' });
    }
    if (!force) await checkOurs(path, standing.isDirectory());
  }
  return {
    path,
    staging: join(parent, `.${name}.vlm-convert-${process.pid}`),
    replaces: standing !== undefined,
  };
}

/** Only an earlier output of ours, with nothing of the user's in it, is replaced without being told to. */
async function checkOurs(path: string, directory: boolean): Promise<void> {
  if (!directory || !(await isOurs(path))) throw fail('VC5101', { where: path });
  const manifest = await readManifest(path);
  const known = new Set([manifestName, ...manifest.files.map((file) => file.path)]);
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const foreign = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !known.has(file))
    .sort();
  if (foreign.length > 0) throw fail('VC5106', { where: path, found: list(foreign) });
}

/** Makes the staging folder. Throws VC5103. */
export async function stage(place: OutputPlace): Promise<Staging> {
  const parent = dirname(place.path);
  const output = join(place.staging, 'output');
  const scratch = join(place.staging, 'scratch');
  const earlier = join(place.staging, 'earlier');
  let madeParent: string | undefined;
  try {
    madeParent = await makeFolders(parent);
    await rm(place.staging, { recursive: true, force: true });
    await mkdir(place.staging);
    await mkdir(output);
    await mkdir(scratch);
  } catch (cause) {
    throw fail('VC5103', { where: place.path, found: systemReason(cause), cause });
  }
  let sealed = false;
  return {
    output,
    scratch,
    seal: async () => {
      try {
        await syncFolder(output);
        if (place.replaces) await rename(place.path, earlier);
        try {
          await rename(output, place.path);
        } catch (cause) {
          if (place.replaces) await rename(earlier, place.path);
          throw cause;
        }
        await syncFolder(parent);
      } catch (cause) {
        throw fail('VC5103', { where: place.path, found: systemReason(cause), cause });
      }
      sealed = true;
      await rm(place.staging, { recursive: true, force: true });
    },
    discard: async () => {
      await rm(place.staging, { recursive: true, force: true });
      if (!sealed) await removeEmpty(parent, madeParent);
    },
  };
}

/** Throws VC5104 when the disk that will hold `path` has less than `needed` bytes for us. */
export async function checkRoom(path: string, needed: number): Promise<void> {
  const disk = await statfs(await existing(dirname(path)));
  const free = disk.bavail * disk.bsize;
  // File systems without blocks do not tell.
  if (disk.blocks > 0 && free < needed) {
    throw fail('VC5104', {
      where: path,
      found: `${formatBytes(free)} free`,
      expected: `${formatBytes(needed)}, the files for the check included`,
    });
  }
}

/** Writes a small file and puts it on the disk. Throws VC5105. */
export async function writeFileSynced(path: string, bytes: Uint8Array): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    await mkdir(dirname(path), { recursive: true });
    handle = await open(path, 'wx');
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (cause) {
    throw fail('VC5105', { where: basename(path), found: systemReason(cause), cause });
  } finally {
    await handle?.close();
  }
}

/** True when `inner` is `outer` or lies in it. Both absolute and real. */
function contains(outer: string, inner: string): boolean {
  const path = relative(outer, inner);
  return path === '' || !(path === '..' || path.startsWith(`..${sep}`));
}

/** The real path of a folder that may not exist yet: that of its nearest ancestor that does, with the rest. */
async function realAncestor(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' || dirname(path) === path) {
      throw fail('VC5103', { where: path, found: systemReason(cause), cause });
    }
    return join(await realAncestor(dirname(path)), basename(path));
  }
}

/** The nearest ancestor that exists, or the folder itself. */
async function existing(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined || dirname(path) === path ? path : existing(dirname(path));
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
