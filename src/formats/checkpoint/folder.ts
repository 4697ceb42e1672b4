/**
 * A folder whose files are reached by plain names only. Symbolic links are followed where they stay inside the
 * folder, and inside a Hugging Face cache, where a snapshot is a folder of links into the blobs beside it.
 */
import type { Dirent, Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fail } from '../../report/diagnostics.ts';
import { quote, systemReason } from '../../report/show.ts';

type Entry =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory' }
  /** Neither: a pipe, a device, a dangling link. */
  | { readonly kind: 'unusable'; readonly reason: string }
  /** A link that leads out; `target` as the system resolves it. */
  | { readonly kind: 'outside'; readonly target: string };

export interface Folder {
  /** For messages and default output names. */
  readonly name: string;
  readonly path: string;
  readonly entries: ReadonlyMap<string, Entry>;
}

/** @throws VlmError VC1101 to VC1103 */
export async function openFolder(path: string): Promise<Folder> {
  let root: string;
  let kind: Stats;
  let listing: Dirent[];
  try {
    root = await realpath(path);
    kind = await stat(root);
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw fail(missing ? 'VC1101' : 'VC1103', { where: path, found: systemReason(cause), cause });
  }
  if (!kind.isDirectory()) throw fail('VC1102', { where: path });
  try {
    listing = await readdir(root, { withFileTypes: true });
  } catch (cause) {
    throw fail('VC1103', { where: path, found: systemReason(cause), cause });
  }
  const entries = new Map<string, Entry>();
  // In code unit order: the same on every machine.
  for (const name of listing.map((entry) => entry.name).sort()) {
    entries.set(name, await classify(root, name));
  }
  return { name: folderName(resolve(path)), path: resolve(path), entries };
}

/**
 * The real path of the file of that name, or undefined where the folder has no such entry.
 *
 * @throws VlmError VC1013, VC1104, VC1105 where the entry is no file of the folder
 */
export function fileIn(folder: Folder, name: string): string | undefined {
  const entry = folder.entries.get(name);
  switch (entry?.kind) {
    case undefined:
      return undefined;
    case 'file':
      return entry.path;
    case 'directory':
      throw fail('VC1013', { where: name });
    case 'unusable':
      throw fail('VC1104', { where: name, found: entry.reason });
    case 'outside':
      throw fail('VC1105', { where: name, found: `it leads to ${quote(entry.target)}` });
  }
}

/**
 * The path of the folder of that name in it, or undefined where there is none.
 *
 * @throws VlmError VC1104, VC1105 where the entry leads out or cannot be used
 */
export function folderIn(folder: Folder, name: string): string | undefined {
  const kind = folder.entries.get(name)?.kind;
  if (kind === 'directory') return join(folder.path, name);
  if (kind === 'unusable' || kind === 'outside') fileIn(folder, name);
  return undefined;
}

/** `clip-vit-large-patch14-336` of `openai/clip-vit-large-patch14-336`; undefined where it is no name. */
export function lastPart(path: string): string | undefined {
  const last = path.split(/[\\/]/).findLast((part) => part !== '');
  return last === undefined || last === '.' || last === '..' || last.includes('\0') ? undefined : last;
}

/** Names of the regular files, links that are followed included, sorted. */
export function fileNames(folder: Folder): string[] {
  return [...folder.entries].filter(([, entry]) => entry.kind === 'file').map(([name]) => name);
}

async function classify(root: string, name: string): Promise<Entry> {
  const path = join(root, name);
  try {
    const target = await realpath(path);
    if (!within(root, target) && !isCacheBlob(root, target)) return { kind: 'outside', target };
    const kind = await stat(target);
    if (kind.isFile()) return { kind: 'file', path: target };
    if (kind.isDirectory()) return { kind: 'directory' };
    return { kind: 'unusable', reason: 'it is not a regular file' };
  } catch (cause) {
    return { kind: 'unusable', reason: systemReason(cause) };
  }
}

/** `<repo>/snapshots/<revision>`, and folders in it, may link to `<repo>/blobs/<hash>` of the same repository. */
function isCacheBlob(root: string, target: string): boolean {
  const at = root.lastIndexOf(`${sep}snapshots${sep}`);
  return at !== -1 && within(join(root.slice(0, at), 'blobs'), target);
}

function within(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The repository's name for a cache folder `models--org--name/snapshots/<revision>`, else the folder's own. */
function folderName(path: string): string {
  const parent = dirname(path);
  const repo = basename(dirname(parent));
  if (basename(parent) === 'snapshots' && repo.startsWith('models--')) {
    return repo.slice(repo.lastIndexOf('--') + 2);
  }
  return basename(path);
}
