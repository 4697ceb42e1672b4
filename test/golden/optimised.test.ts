/**
 * Recorded ONNX files through the default pipeline: what it finds is what the source model calls, and the result gives
 * the recorded outputs. float32 graphs are held to 1e-4 of an output's standard deviation; graphs that round
 * inside, to what they gave before.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inferCorrectedModel } from '../../src/graph/infer/infer.ts';
import { verifyModel } from '../../src/graph/verify.ts';
import { census, meanings } from '../../src/passes/census.ts';
import { optimizePasses } from '../../src/pipeline/optimize-passes.ts';
import { runPipeline } from '../../src/pipeline/pass-manager.ts';
import { parsePipeline } from '../../src/pipeline/pipeline-text.ts';
import { deviations, type RecordedRun, recordedRuns, runOn } from '../formats/onnx/recorded-runs.ts';
import { writeModel } from '../formats/onnx/write-model.ts';
import { onnxCases, withModel } from '../graph/onnx-cases.ts';
import { deviation } from '../support/deviation.ts';

interface CaseJson {
  readonly expected?: Readonly<Record<string, number>>;
}

/** Rounded or quantized inside: what the runtime gives of the recorded file is the measure. */
const coarse = /fp16|^ort-(qdq|dynamic-int8|matmul4bits)/;

const files = onnxCases().flatMap(({ name, folder, models }) =>
  models.map((model) => ({ name, folder, model, label: `${name}/${model}` })),
);

describe.each(files)('$label', ({ name, folder, model: file }) => {
  const { expected } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as CaseJson;

  it('means what its source calls, and gives the recorded outputs', async () => {
    const root = await mkdtemp(join(tmpdir(), 'vlm-optimised-'));
    try {
      const { path, counts } = await withModel(join(folder, file), async (model) => {
        inferCorrectedModel(model);
        verifyModel(model);
        await runPipeline(model, parsePipeline(optimizePasses));
        const { path } = await writeModel(root, model, { fileName: 'out' });
        return { path, counts: census(model) };
      });
      for (const run of await recordedRuns(folder, file, true)) {
        if (coarse.test(name)) await expectNearlyAsBefore(path, join(folder, file), run);
        else if (expected === undefined) expect(await deviations(path, run)).toEqual([]);
        else await expectOutputs(path, run, () => 1e-4);
      }
      const missed = meanings.flatMap((meaning) => {
        const [wanted, found] = [expected?.[meaning], counts.get(meaning)?.found];
        return wanted === undefined || wanted === found ? [] : [`${meaning}: ${found} of ${wanted}`];
      });
      expect(missed).toEqual([]);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});

/** Rounding inside is the graph's own: it may come out otherwise, not worse. */
async function expectNearlyAsBefore(path: string, original: string, run: RecordedRun): Promise<void> {
  const before = await runOn(original, run);
  await expectOutputs(path, run, (port, expected) => {
    return 1e-4 + 1.5 * deviation(numbers(before.get(port)?.data), expected);
  });
}

async function expectOutputs(
  path: string,
  run: RecordedRun,
  limit: (port: string, expected: Float32Array) => number,
): Promise<void> {
  const outputs = await runOn(path, run);
  for (const [port, { value }] of run.outputs) {
    const output = outputs.get(port);
    const expected = numbers(value.data);
    expect(output?.shape, `${run.prefix}${port}`).toEqual(value.shape);
    const error = deviation(numbers(output?.data), expected);
    expect(error, `${run.prefix}${port}`).toBeLessThan(limit(port, expected));
  }
}

function numbers(values: ArrayLike<unknown> | undefined): Float32Array {
  return Float32Array.from(values ?? [], Number);
}
