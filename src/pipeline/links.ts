/**
 * `--link-weights`: tensors that are stored as they are stay in the weight file of the checkpoint, which gets a second
 * name in the output (a hard link, or a copy that shares its blocks), where model files read it at the checkpoint's
 * own offsets.
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ModelLayout } from '../formats/onnx/layout.ts';
import { type DiagnosticRecord, diagnostic } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import type { ByteSource } from '../tensor/byte-source.ts';
import { writeFailure } from './engine/write-failure.ts';
import { existing, type OutputPlace } from './output-folder.ts';

/** Weight files that can be linked, with their names beside the model files. */
export interface Links {
  readonly names: ReadonlyMap<ByteSource, string>;
  /** VC5110 for those that cannot. */
  readonly warnings: readonly DiagnosticRecord[];
}

/** A file of the output that is a link. */
export interface LinkedFile {
  /** Relative to the output folder. */
  readonly path: string;
  readonly source: ByteSource;
}

export const noLinks: Links = { names: new Map(), warnings: [] };

/** Which of the files can be linked into the output: those on its file system. */
export async function chooseLinks(files: readonly ByteSource[], { path }: OutputPlace): Promise<Links> {
  const { dev } = await stat(await existing(dirname(path)));
  const names = new Map<ByteSource, string>();
  const warnings: DiagnosticRecord[] = [];
  for (const source of files) {
    if (source.file === undefined) continue;
    if ((await stat(source.file.path)).dev === dev) names.set(source, linkName(source));
    else
      warnings.push(
        diagnostic('VC5110', { where: source.name, found: 'another file system: its tensors are copied' }),
      );
  }
  return { names, warnings };
}

/** The name of a link beside the model files. */
export function linkName({ name }: ByteSource): string {
  return `linked_${name.replaceAll('/', '_')}`;
}

/** The links that layouts use, each once. `folder`: where the model files stand, with a slash at its end, or nothing. */
export function linkedFiles(
  { names }: Links,
  layouts: readonly ModelLayout[],
  folder: string,
): readonly LinkedFile[] {
  const used = new Set(layouts.flatMap(({ linkedFiles: linked }) => linked));
  return [...names].flatMap(([source, name]) =>
    used.has(name) ? [{ path: `${folder}${name}`, source }] : [],
  );
}

/** Makes the links. Those that become copies come back as warnings. Throws VC5104 or VC5105. */
export async function makeLinks(
  root: string,
  files: readonly LinkedFile[],
): Promise<readonly DiagnosticRecord[]> {
  const warnings: DiagnosticRecord[] = [];
  for (const { path, source } of files) {
    if (source.file === undefined) throw new TypeError(`${source.name} is no file`);
    // A link to a symbolic link would be one, too.
    const from = await realpath(source.file.path);
    const to = join(root, path);
    try {
      await mkdir(dirname(to), { recursive: true });
      const refused = await linkOrClone(from, to);
      if (refused === undefined) continue;
      await copyFile(from, to, constants.COPYFILE_EXCL);
      const found = `${systemReason(refused)}: the whole file is copied`;
      warnings.push(diagnostic('VC5110', { where: source.name, found }));
    } catch (cause) {
      throw writeFailure(to, cause);
    }
  }
  return warnings;
}

/** Why neither a hard link nor a copy that shares blocks could be made; undefined: one was. */
async function linkOrClone(from: string, to: string): Promise<unknown> {
  try {
    await link(from, to);
    return undefined;
  } catch (cause) {
    try {
      await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
      return undefined;
    } catch {
      return cause;
    }
  }
}
