/**
 * Writes small models into a folder, as ONNX with external data, for a runtime to load. Tensor by tensor in
 * memory, without the pipeline's executor, so that a test of graphs tests graphs.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Component } from '../../src/architectures/architecture.ts';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import type { Model } from '../../src/graph/model.ts';
import { readAll } from '../../src/tensor/tensor.ts';

/** Component id → path of its ONNX file. */
export type ComponentFiles = Readonly<Record<string, string>>;

export async function writeComponents(
  folder: string,
  components: readonly Component[],
): Promise<ComponentFiles> {
  const files: Record<string, string> = {};
  for (const { id, fileName, model } of components) files[id] = await writeModel(folder, fileName, model);
  return files;
}

/** Returns the path of the model file. */
export async function writeModel(folder: string, fileName: string, model: Model): Promise<string> {
  const layout = layoutModel(model, { fileName });
  for (const { name, byteLength } of layout.dataFiles) {
    const bytes = new Uint8Array(byteLength);
    for (const { tensor, file, offset } of layout.entries) {
      if (file === name) bytes.set(await readAll(tensor), offset);
    }
    await writeFile(join(folder, name), bytes);
  }
  const path = join(folder, layout.modelFile);
  await writeFile(path, await encodeModel(model, layout));
  return path;
}
