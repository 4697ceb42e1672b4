/**
 * Everything that a model is read from: its checkpoint, adapters, and the folders of parts that stand elsewhere. What
 * comes out is one checkpoint, whose tensors may be computed from those of several folders.
 *
 * Folders that the user names are read, and what stands in or beside them under a name that they give; a path in a
 * config is never followed.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { JoinedCheckpoint, ModelPart } from '../architectures/architecture.ts';
import { recognise } from '../architectures/registry.ts';
import {
  type AppliedAdapter,
  applyAdapters,
  type WeightedAdapter,
} from '../formats/checkpoint/adapters/apply.ts';
import { type Adapter, isAdapterFolder, openAdapter } from '../formats/checkpoint/adapters/open-adapter.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { folderIn, lastPart, openFolder } from '../formats/checkpoint/folder.ts';
import { openCheckpoint } from '../formats/checkpoint/open.ts';
import { requireWeights } from '../formats/checkpoint/weights.ts';
import { fail } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { type Reporter, runStage } from '../report/progress.ts';
import { quote } from '../report/show.ts';
import type { ResolvedOptions, SourceOptionKey } from './options.ts';

export type SourceOptions = Pick<ResolvedOptions, 'checkpoint' | SourceOptionKey>;

/** What is converted, as one checkpoint; closing it closes all that was opened. */
export interface Source extends Checkpoint {
  readonly adapters: readonly AppliedAdapter[];
  /** Every folder that is read. */
  readonly folders: readonly string[];
}

/** `openSource` as the stage `open` of a run, which says what was found. */
export function openStage(reporter: Reporter, options: SourceOptions): Promise<Source> {
  return runStage(
    reporter,
    'open',
    () => openSource(options),
    ({ name, tensors }) => `${name}, ${plural(tensors.size, 'tensor')}`,
  );
}

/**
 * @throws VlmError VC1xxx for folders and their files, VC13xx for adapters, VC4002 for options that fit nothing
 */
export async function openSource(options: SourceOptions): Promise<Source> {
  const opened: { close(): Promise<void> }[] = [];
  const folders: string[] = [];
  const keep = <T extends { readonly path: string; close(): Promise<void> }>(one: T): T => {
    opened.push(one);
    folders.push(one.path);
    return one;
  };
  const labels = new Set<string>();
  const close = async () => {
    await Promise.all(opened.map((one) => one.close()));
  };
  try {
    const folder = await openFolder(options.checkpoint);
    const adapters: WeightedAdapter[] = [];
    let main: Checkpoint;
    if (isAdapterFolder(folder)) {
      const own = keep(await openAdapter(options.checkpoint, labelOf(folder.name, labels)));
      const base = keep(await openCheckpoint(await findBase(own, options.base), { mayLackWeights: true }));
      main = { ...base, name: folder.name, ...(own.model === undefined ? {} : { config: own.model }) };
      adapters.push({ adapter: own, share: 1 });
    } else {
      if (options.base !== undefined) {
        const expected = 'the folder of an adapter as the checkpoint';
        throw fail('VC4002', { where: '--base', found: options.base, expected });
      }
      main = keep(await openCheckpoint(options.checkpoint, { mayLackWeights: true }));
    }
    for (const { path, share } of options.adapter) {
      adapters.push({ adapter: keep(await openAdapter(path, labelOf(basename(path), labels))), share });
    }
    const openPart = async (part: ModelPart): Promise<Checkpoint> => {
      const named = part.option === undefined ? undefined : options[part.option];
      const path = named ?? (await findPart(part, [...new Set([options.checkpoint, main.path])]));
      return keep(await openCheckpoint(path, { label: labelOf(basename(path), labels) }));
    };
    const { checkpoint, adapters: applied } = await joinParts(main, adapters, options, openPart);
    return { ...checkpoint, adapters: applied, folders, close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** A name for a folder's files that no other folder has. */
export function labelOf(name: string, taken: Set<string>): string {
  let label = name;
  for (let count = 2; taken.has(label); count++) label = `${name}-${count}`;
  taken.add(label);
  return label;
}

async function findBase(adapter: Adapter, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const { baseModel } = adapter.config;
  const candidate = baseModel === undefined ? undefined : lastPart(baseModel);
  const path = candidate === undefined ? undefined : join(dirname(adapter.path), candidate);
  if (path !== undefined && (await isFolder(path))) return path;
  throw fail('VC1313', {
    where: adapter.configFile,
    found:
      baseModel === undefined ? 'no base_model_name_or_path' : `base_model_name_or_path ${quote(baseModel)}`,
    ...(path === undefined ? {} : { expected: `a folder ${path}` }),
  });
}

/** The main checkpoint with its parts and adapters, these over what the family says. */
async function joinParts(
  main: Checkpoint,
  adapters: readonly WeightedAdapter[],
  options: SourceOptions,
  open: (part: ModelPart) => Promise<Checkpoint>,
): Promise<ReturnType<typeof applyAdapters>> {
  const parts = recognise(main.config, new Set(main.tensors.keys()))?.parts;
  const asked = parts?.find(main) ?? [];
  if (options.visionTower !== undefined && !asked.some(({ option }) => option === 'visionTower')) {
    const expected = 'a checkpoint whose vision tower stands in a folder of its own';
    throw fail('VC4002', { where: '--vision-tower', found: options.visionTower, expected });
  }
  if (parts === undefined || asked.length === 0) {
    requireWeights(await openFolder(main.path));
    return applyAdapters(main, adapters);
  }
  const opened = new Map<string, Checkpoint>();
  const join = async (whole: Checkpoint): Promise<JoinedCheckpoint> => {
    for (const part of asked) opened.set(part.id, await open(part));
    return parts.join(whole, opened);
  };
  if (parts.adapted === 'whole') {
    const joined = await join(main);
    const { checkpoint, adapters: applied } = applyAdapters(joined, adapters);
    return { checkpoint, adapters: [...(joined.adapters ?? []), ...applied] };
  }
  const { checkpoint, adapters: applied } = applyAdapters(main, adapters);
  const joined = await join(checkpoint);
  return { checkpoint: joined, adapters: [...(joined.adapters ?? []), ...applied] };
}

/** In one of the folders, or, where its publisher may keep it there, beside one. */
async function findPart(
  { name, where, beside, option }: ModelPart,
  folders: readonly string[],
): Promise<string> {
  const last = lastPart(name);
  const candidates: string[] = [];
  for (const path of folders) {
    if (last === undefined) break;
    const folder = await openFolder(path);
    const inside = folderIn(folder, last);
    if (inside !== undefined) return inside;
    candidates.push(join(folder.path, last));
    if (beside !== true) continue;
    const sibling = join(dirname(folder.path), last);
    if (await isFolder(sibling)) return sibling;
    candidates.push(sibling);
  }
  const what = `${quote(name)} into ${candidates.length > 1 ? 'one of these folders' : 'that folder'}`;
  throw fail('VC1315', {
    where,
    found: quote(name),
    ...(candidates.length === 0 ? {} : { expected: candidates.join(' or ') }),
    hint: `download ${what}${option === undefined ? '' : ', or name another: --vision-tower <folder>'}`,
  });
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
