/**
 * Writes models: first all weights, as units on workers (engine/), then the model files, which are small.
 */
import { join } from 'node:path';
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModel, type ModelLayout } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import { sha256 } from './digest.ts';
import { type ExecuteOptions, executePlan } from './engine/execute.ts';
import { type PlannedWrites, planWrites } from './engine/plan-writes.ts';
import type { ManifestFile } from './manifest.ts';
import { writeFileSynced } from './output-folder.ts';

export interface ModelToWrite {
  /** Relative to the folder that is written, with forward slashes; empty: that folder itself. */
  readonly folder: string;
  readonly model: Model;
  readonly layout: ModelLayout;
}

/** What the user says about how weights are written. */
export type WriteLimits = Pick<ExecuteOptions, 'memoryBytes' | 'jobs' | 'nonFinite'>;

/** Plans the data files of all models; weights that several share are computed once. */
export function planModels(models: readonly Omit<ModelToWrite, 'model'>[]): Promise<PlannedWrites> {
  return planWrites(
    models.flatMap(({ folder, layout }) =>
      layout.dataFiles.map(({ name, byteLength }) => ({
        path: within(folder, name),
        byteLength,
        entries: layout.entries.filter((entry) => entry.file === name),
      })),
    ),
  );
}

/** Writes each model and its data files. Throws as `executePlan`, and VC2050 and VC2051 for model files. */
export async function writeModels(
  models: readonly ModelToWrite[],
  planned: PlannedWrites,
  options: ExecuteOptions,
): Promise<readonly ManifestFile[]> {
  const written = await executePlan(planned, options);
  const results = written.map(
    ({ path, byteLength, sha256: digest = '' }): ManifestFile => ({
      path,
      bytes: byteLength,
      sha256: digest,
    }),
  );
  for (const { folder, model, layout } of models) {
    options.signal?.throwIfAborted();
    const nonFinite = options.nonFinite === 'keep' ? 'keep' : 'unquantized';
    const file = await writeModelFile(join(options.root, folder), layout.modelFile, model, layout, nonFinite);
    results.push({ ...file, path: within(folder, file.path) });
  }
  return results;
}

function within(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** Writes a model file alone; its data files stand beside it. */
export async function writeModelFile(
  folder: string,
  name: string,
  model: Model,
  layout: ModelLayout,
  nonFinite: 'keep' | 'unquantized' = 'unquantized',
): Promise<ManifestFile> {
  const bytes = await encodeModel(model, layout, nonFinite);
  await writeFileSynced(join(folder, name), bytes);
  return { path: name, bytes: bytes.byteLength, sha256: sha256(bytes) };
}

/** A model under a name of its own, laid out. */
export function toWrite(folder: string, fileName: string, model: Model): ModelToWrite {
  return { folder, model, layout: layoutModel(model, { fileName }) };
}
