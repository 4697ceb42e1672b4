import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lowestIrVersion } from '../../../src/formats/onnx/ir-version.ts';
import { openModel } from '../../../src/formats/onnx/open.ts';
import { compareModels } from '../../../src/graph/compare.ts';
import { onnxCases } from '../../graph/onnx-cases.ts';
import { deviations, recordedRuns } from './recorded-runs.ts';
import { writeModel } from './write-model.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-round-trip-'));
});
afterAll(() => rm(folder, { recursive: true }));

const files = onnxCases().flatMap((entry) => entry.models.map((file) => ({ ...entry, file })));

describe('decode and encode', () => {
  it('has cases to run', () => {
    expect(files.length).toBeGreaterThan(25);
  });

  it.each(files)('keeps $name/$file as it is, and what it computes', async (entry) => {
    const original = await openModel(join(entry.folder, entry.file));
    // Small limits: data in the model file, in one data file and in the next.
    const options = { fileName: 'model', inlineLimit: 64, alignment: 64, maxFileBytes: 100_000 };
    const { path } = await writeModel(join(folder, entry.name, entry.file), original.model, options);
    const again = await openModel(path);
    try {
      expect(again.model.irVersion).toBe(Math.max(original.model.irVersion, lowestIrVersion(original.model)));
      original.model.irVersion = again.model.irVersion;
      expect(await compareModels(original.model, again.model)).toBeUndefined();
    } finally {
      await original.close();
      await again.close();
    }
    for (const run of await recordedRuns(entry.folder, entry.file)) {
      expect(await deviations(path, run), run.prefix).toEqual([]);
    }
  });
});
