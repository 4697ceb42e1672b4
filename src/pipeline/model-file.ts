/**
 * One ONNX model as a file of its own, with its data files beside it. Everything is written in a hidden folder there;
 * data files take names that nothing has, and the model file, which alone says which data is its, comes last by one
 * rename. So under its name stands what was there before or all of the new model, whenever the work stops.
 */
import { lstat, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { layoutModel, type ModelLayout, modelTensors } from '../formats/onnx/layout.ts';
import { openModel } from '../formats/onnx/open.ts';
import type { Model } from '../graph/model.ts';
import { fail, VlmError } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import { sourceFiles } from './inputs.ts';
import type { ManifestFile } from './manifest.ts';
import { checkRoom } from './output-folder.ts';
import { openWorkFolder } from './work-folder.ts';
import { planModels, type WriteLimits, writeModels } from './write-models.ts';

export interface ModelFileOptions {
  /** The file that the model was read from, which stays. */
  readonly input: string;
  /** Replaces a file that stands there. */
  readonly force: boolean;
  readonly write: WriteLimits;
  readonly signal: AbortSignal;
}

/**
 * Throws VC5101 where a file stands there already, VC5102 where it is the input, VC5103 to VC5107 for what cannot be
 * written, VC2050 and VC3901 for the model. `path`: absolute.
 */
export async function writeModelTo(
  path: string,
  model: Model,
  { input, force, write, signal }: ModelFileOptions,
): Promise<readonly ManifestFile[]> {
  const folder = dirname(path);
  const extension = extname(path);
  if (extension.toLowerCase() !== '.onnx') {
    throw fail('VC5103', { where: path, found: 'no name of a model', expected: 'a name that ends in .onnx' });
  }
  const replaces = await checkPlace(path, input, force);
  const name = basename(path, extension);
  const earlier = replaces ? await dataFilesOf(path, name) : [];
  const standing = await readdir(folder).catch(() => []);
  const layout = layoutModel(model, { fileName: freeName(name, standing) });
  const work = await openWorkFolder({ path, work: join(folder, `.${basename(path)}.vlm-convert`), replaces });
  try {
    await checkRoom(path, bytesOf(layout));
    const models = [{ folder: '', model, layout }];
    const files = await writeModels(models, await planModels(models), {
      ...write,
      root: work.scratch,
      constantsPath: work.constants,
      durable: true,
      signal,
    });
    signal.throwIfAborted();
    for (const { name: data } of layout.dataFiles) await move(join(work.scratch, data), join(folder, data));
    await move(join(work.scratch, layout.modelFile), path);
    const read = new Set(sourceFiles([...modelTensors(model)].map(({ tensor }) => tensor)).map(pathOf));
    for (const file of earlier) if (!read.has(file)) await rm(file, { force: true });
    return files.map((file) => (file.path === layout.modelFile ? { ...file, path: basename(path) } : file));
  } finally {
    await work.leave('remove');
  }
}

/** Whether something will be replaced. */
async function checkPlace(path: string, input: string, force: boolean): Promise<boolean> {
  const standing = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw fail('VC5103', { where: path, found: systemReason(cause), cause });
  });
  if (standing === undefined) return false;
  if (!standing.isFile() && !standing.isSymbolicLink()) {
    throw fail('VC5103', { where: path, found: standing.isDirectory() ? 'a folder' : 'no regular file' });
  }
  const real = await realpath(path).catch(() => path);
  if (real === (await realpath(input))) throw fail('VC5102', { where: path, found: 'the input itself' });
  if (!force) throw fail('VC5101', { where: path, hint: 'name another file, or replace it with --force' });
  return true;
}

/** The data files of a model that is replaced, as far as they have names that we give. */
async function dataFilesOf(path: string, name: string): Promise<readonly string[]> {
  try {
    const { model, close } = await openModel(path);
    const sources = sourceFiles([...modelTensors(model)].map(({ tensor }) => tensor));
    await close();
    return sources.map(pathOf).filter((file) => isDataOf(name, basename(file)));
  } catch (error) {
    // What stands there is no model.
    if (error instanceof VlmError) return [];
    throw error;
  }
}

function pathOf({ file, name }: ReturnType<typeof sourceFiles>[number]): string {
  return file?.path ?? name;
}

/** The name itself, or with a number, such that no data file has it. */
function freeName(name: string, standing: readonly string[]): string {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name}_${number}`;
    if (!standing.some((file) => file.startsWith(`${candidate}.onnx_data`))) return candidate;
  }
}

function isDataOf(name: string, file: string): boolean {
  return file.startsWith(name) && /^(_\d+)?\.onnx_data(_\d+)?$/.test(file.slice(name.length));
}

function bytesOf({ dataFiles }: ModelLayout): number {
  return dataFiles.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    throw fail('VC5105', { where: basename(to), found: systemReason(cause), cause });
  }
}
