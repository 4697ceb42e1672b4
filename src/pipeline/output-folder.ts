/** Where an output may stand, and what has to hold before anything is written there. */
import { type FileHandle, lstat, mkdir, open, readdir, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fail } from '../report/diagnostics.ts';
import { formatBytes } from '../report/format.ts';
import { list, systemReason } from '../report/show.ts';
import { isOurs, manifestName, readManifest } from './manifest.ts';

/** Where an output will stand. Nothing has been made yet. */
export interface OutputPlace {
  /** Absolute. */
  readonly path: string;
  /** The folder that it is made in (work-folder.ts). */
  readonly work: string;
  /** Something stands there and will be replaced. */
  readonly replaces: boolean;
}

/** Default: `<checkpoint name>-onnx` beside the current folder. */
export function outputPath(output: string | undefined, checkpointName: string, cwd: string): string {
  return besideFolder(output, `${checkpointName}-onnx`, cwd);
}

/** The output asked for; none: the name beside the current folder. */
export function besideFolder(output: string | undefined, name: string, cwd: string): string {
  return output === undefined ? join(dirname(cwd), name) : resolve(cwd, output);
}

/** Checks that the output of `inputs` (folders, a model file) may be written there. Throws VC5101, VC5102, VC5103 or VC5106. */
export async function chooseOutput(
  path: string,
  inputs: readonly string[],
  force: boolean,
): Promise<OutputPlace> {
  const parent = dirname(path);
  const name = basename(path);
  if (name === '') throw fail('VC5103', { where: path, found: 'the root of the file system' });
  const real = join(await realAncestor(parent), name);
  for (const input of inputs) {
    const source = await realpath(input);
    if (contains(real, source) || contains(source, real)) {
      throw fail('VC5102', { where: path, found: `the input ${source}` });
    }
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
    work: join(parent, `.${name}.vlm-convert`),
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

/**
 * Throws VC5104 when the disk that will hold `path` has less than `needed` bytes for us. `needed` counts what an
 * earlier run has written already.
 */
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
export function contains(outer: string, inner: string): boolean {
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
export async function existing(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined || dirname(path) === path ? path : existing(dirname(path));
}
