/**
 * Every recorded model gives the recorded outputs after folding, on all recorded inputs, and folds no further. What is
 * inferred of its values then is what onnxruntime computes.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { deviations, recordedRuns } from '../formats/onnx/recorded-runs.ts';
import { feedsOf, fullyInferred, knownShapes } from '../graph/infer/shape-oracle.ts';
import { onnxCases, withModel } from '../graph/onnx-cases.ts';
import { readIo } from '../support/read-io.ts';
import { runPasses } from './run-pass.ts';

const files = onnxCases().flatMap(({ name, folder, models }) =>
  models.map((file) => ({ name: `${name}/${file}`, of: name, folder, file })),
);

describe.each(files)('$name', ({ of, folder, file }) => {
  it('keeps its numbers', async () => {
    const root = await mkdtemp(join(tmpdir(), 'vlm-fold-'));
    try {
      await withModel(join(folder, file), async (model) => {
        await runPasses(model, 'fold');
        const layout = layoutModel(model, { fileName: 'folded', inlineLimit: Number.MAX_SAFE_INTEGER });
        const path = join(root, 'folded.onnx');
        await writeFile(path, await encodeModel(model, layout));
        for (const run of await recordedRuns(folder, file)) expect(await deviations(path, run)).toEqual([]);
        const { record } = await runPasses(model, 'fold');
        expect(record.stats).toEqual({});
        const io = join(folder, 'io.safetensors');
        const feeds = existsSync(io) ? feedsOf(model, await readIo(io), 'in.') : undefined;
        if (feeds !== undefined && !folder.includes('edge'))
          expect(await knownShapes(path, model, feeds)).toBeGreaterThanOrEqual(fullyInferred.has(of) ? 1 : 0);
      });
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
