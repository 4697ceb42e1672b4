/**
 * Writes models: first all weights, block by block under one byte budget, then the model files, which are small.
 */
import { join } from 'node:path';
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModel, type ModelLayout } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import { sha256 } from './digest.ts';
import { executeWrites } from './execute.ts';
import type { ManifestFile } from './manifest.ts';
import { writeFileSynced } from './output-folder.ts';

export interface ModelToWrite {
  /** It must exist. */
  readonly folder: string;
  readonly model: Model;
  readonly layout: ModelLayout;
}

export interface WriteOptions {
  readonly memoryBytes: number;
  readonly signal: AbortSignal;
  /** Bytes of weights written so far, and in all. */
  readonly onProgress: (done: number, total: number) => void;
}

/**
 * Writes each model and its data files; weights that several models share are computed once. Throws VC5xxx and
 * what the sources of the weights throw.
 */
export async function writeModels(
  models: readonly ModelToWrite[],
  options: WriteOptions,
): Promise<readonly ManifestFile[]> {
  const files = models.flatMap(({ folder, layout }) =>
    layout.dataFiles.map(({ name, byteLength }) => ({
      path: join(folder, name),
      name,
      byteLength,
      entries: layout.entries.filter((entry) => entry.file === name),
    })),
  );
  const entries = files.flatMap((file) => file.entries);
  const total = entries.reduce((sum, entry) => sum + entry.byteLength, 0);
  let done = 0;
  const written = await executeWrites(files, {
    memoryBytes: options.memoryBytes,
    signal: options.signal,
    onProgress: (bytes) => {
      done += bytes;
      options.onProgress(done, total);
    },
  });
  const results: ManifestFile[] = files.map(({ name, byteLength }, index) => {
    const digest = written[index]?.sha256;
    if (digest === undefined) throw new RangeError(`${name} was written without a digest`);
    return { path: name, bytes: byteLength, sha256: digest };
  });
  for (const { folder, model, layout } of models) {
    options.signal.throwIfAborted();
    results.push(await writeModelFile(folder, layout.modelFile, model, layout));
  }
  return results;
}

/** Writes a model file alone; its data files stand beside it. */
export async function writeModelFile(
  folder: string,
  name: string,
  model: Model,
  layout: ModelLayout,
): Promise<ManifestFile> {
  const bytes = await encodeModel(model, layout);
  await writeFileSynced(join(folder, name), bytes);
  return { path: name, bytes: bytes.byteLength, sha256: sha256(bytes) };
}

/** A model under a name of its own, laid out. */
export function toWrite(folder: string, fileName: string, model: Model): ModelToWrite {
  return { folder, model, layout: layoutModel(model, { fileName }) };
}
