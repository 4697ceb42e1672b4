/** Recorded ONNX cases: folders under onnx-import/ with a case.json and one model or several. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { decodeModel } from '../../src/formats/onnx/decode.ts';
import { folderFiles } from '../../src/formats/onnx/external-data.ts';
import type { Model } from '../../src/graph/model.ts';
import { fileSource } from '../../src/tensor/byte-source.ts';
import { goldenFolders } from '../golden-folders.ts';

export interface OnnxCase {
  readonly name: string;
  readonly folder: string;
  readonly models: readonly string[];
}

/** Every case once: what the goldens folder has too is taken from fixtures/. */
export function onnxCases(): OnnxCase[] {
  const found = new Map<string, OnnxCase>();
  for (const root of goldenFolders.map((folder) => join(folder, 'onnx-import'))) {
    if (!existsSync(root)) continue;
    for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      if (basename(file) !== 'case.json') continue;
      const name = dirname(file);
      const folder = join(root, name);
      const models = readdirSync(folder).filter((entry) => entry.endsWith('.onnx'));
      if (!found.has(name)) found.set(name, { name, folder, models });
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Decodes a file; its sources are closed when `use` is done. */
export async function withModel<T>(path: string, use: (model: Model) => T | Promise<T>): Promise<T> {
  const source = await fileSource(path, basename(path));
  const files = folderFiles(dirname(path));
  try {
    return await use(await decodeModel(source, files));
  } finally {
    await source.close();
    await files.close();
  }
}
