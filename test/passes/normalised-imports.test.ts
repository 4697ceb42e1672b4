/** Recorded ONNX files with functions inlined and operators in their newest form give the recorded numbers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inferCorrectedModel } from '../../src/graph/infer/infer.ts';
import { deviations, recordedRuns } from '../formats/onnx/recorded-runs.ts';
import { writeModel } from '../formats/onnx/write-model.ts';
import { onnxCases, withModel } from '../graph/onnx-cases.ts';
import { runPasses } from './run-pass.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-normalised-'));
});
afterAll(() => rm(folder, { recursive: true }));

const files = onnxCases().flatMap((entry) => entry.models.map((file) => ({ ...entry, file })));

describe('inline-functions and upgrade-opset', () => {
  it.each(files)('keep what $name/$file computes', async (entry) => {
    await withModel(join(entry.folder, entry.file), async (model) => {
      inferCorrectedModel(model);
      const before = model.opsetImports.get('') ?? 20;
      const { record } = await runPasses(model, 'inline-functions,upgrade-opset');
      expect(record.notes).toEqual([]);
      expect(model.functions).toEqual([]);
      expect(model.opsetImports.get('') ?? 20).toBe(Math.max(before, 20));
      const { path } = await writeModel(join(folder, entry.name, entry.file), model, { fileName: 'model' });
      for (const run of await recordedRuns(entry.folder, entry.file)) {
        expect(await deviations(path, run), run.prefix).toEqual([]);
      }
    });
  });
});
