/** Writes an encoded model and its data files into a folder, for tests only (all bytes in memory). */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import { type LayoutOptions, layoutModel, type ModelLayout } from '../../../src/formats/onnx/layout.ts';
import type { Model } from '../../../src/graph/model.ts';
import { readAll } from '../../../src/tensor/tensor.ts';

export async function writeModel(
  folder: string,
  model: Model,
  options: LayoutOptions,
): Promise<{ path: string; layout: ModelLayout }> {
  await mkdir(folder, { recursive: true });
  const layout = layoutModel(model, options);
  const path = join(folder, layout.modelFile);
  await writeFile(path, await encodeModel(model, layout));
  for (const file of layout.dataFiles) {
    const handle = await open(join(folder, file.name), 'w');
    await handle.truncate(file.byteLength);
    for (const entry of layout.entries) {
      if (entry.file !== file.name) continue;
      await handle.write(await readAll(entry.tensor), 0, entry.byteLength, entry.offset);
    }
    await handle.close();
  }
  return { path, layout };
}
