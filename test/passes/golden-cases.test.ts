/**
 * Pipelines over the recorded cases of every registered family. What keeps the numbers (merging, resizing,
 * folding, fusing) still gives the recorded outputs within 1e-4 of their standard deviation; what changes
 * weights gives those of the plain graph with the values that the passes say the weights have.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../src/architectures/architecture.ts';
import { architectures } from '../../src/architectures/registry.ts';
import { cloneModel } from '../../src/graph/clone.ts';
import { withoutActivationQuantization } from '../../src/parity/index.ts';
import type { PassRecord } from '../../src/pipeline/pass-manager.ts';
import { runPipeline } from '../../src/pipeline/pass-manager.ts';
import { parsePipeline } from '../../src/pipeline/pipeline-text.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import type { Target } from '../../src/targets/target.ts';
import { caseInputs, countedRows } from '../support/case-inputs.ts';
import { deviation } from '../support/deviation.ts';
import { caseOptions, type GoldenCase, goldenCase, goldenCases } from '../support/golden-cases.ts';
import { beyond, goldenDeviations } from '../support/golden-deviations.ts';
import { openCase } from '../support/open-case.ts';
import { readIo } from '../support/read-io.ts';
import { type RunResult, runRecipe } from '../support/run-recipe.ts';
import { writeComponents } from '../support/write-models.ts';
import { floatKernels } from './float-kernels.ts';
import { substitute } from './run-pass.ts';

const plainPasses = 'retarget-resolution,merge-lora,fold,dead-code';

interface Compiled {
  readonly components: BuiltModel['components'];
  /** The graphs after the plain passes, with the values that weights effectively have. */
  readonly plain: BuiltModel['components'];
  readonly records: readonly PassRecord[];
}

async function compile(
  built: BuiltModel,
  first: string,
  second: string,
  targets?: readonly Target[],
): Promise<Compiled> {
  const instrumentation = targets === undefined ? {} : { targets };
  const compiled = [];
  for (const component of built.components) {
    const model = cloneModel(component.model);
    const before = await runPipeline(model, parsePipeline(first), instrumentation);
    const plain = cloneModel(model);
    const after = await runPipeline(model, parsePipeline(second), instrumentation);
    substitute(plain, after.substitutes);
    compiled.push({
      component: { ...component, model: withoutActivationQuantization(model) ?? model },
      plain: { ...component, model: plain },
      records: [...before.records, ...after.records],
    });
  }
  return {
    components: compiled.map(({ component }) => component),
    plain: compiled.map(({ plain }) => plain),
    records: compiled.flatMap(({ records }) => records),
  };
}

interface Runs {
  readonly run: (components: BuiltModel['components']) => Promise<RunResult>;
  /** Against what was recorded. */
  readonly measure: (components: BuiltModel['components']) => ReturnType<typeof goldenDeviations>;
}

async function withCase(golden: GoldenCase, body: (built: BuiltModel, runs: Runs) => Promise<void>) {
  const { source, architecture } = await openCase(golden);
  const folder = await mkdtemp(join(tmpdir(), 'vlm-passes-'));
  try {
    const built = architecture.build(source, caseOptions(golden));
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const inputs = caseInputs(golden, io, built.recipe.splice);
    const { recipe } = built;
    const write = async (components: BuiltModel['components']) =>
      writeComponents(await mkdtemp(join(folder, 'run-')), components);
    await body(built, {
      run: async (components) => runRecipe({ recipe, files: await write(components), ...inputs }),
      measure: async (components) => goldenDeviations({ recipe, files: await write(components), inputs, io }),
    });
  } finally {
    await source.close();
    await rm(folder, { recursive: true });
  }
}

describe.each(goldenCases(architectures.map(({ id }) => id)))('$name', (golden) => {
  it('gives the recorded outputs when merged, resized and fused', async () => {
    await withCase(golden, async (built, { measure }) => {
      const { components, records } = await compile(built, plainPasses, 'fuse-attention,dead-code');
      expect(
        records.flatMap(({ notes }) => notes).filter((note) => /not fused|no attention/.test(note)),
      ).toEqual([]);
      const nodes = components.flatMap(({ model }) => [...model.graph.nodes()]);
      const left = nodes.filter(({ op }) => op === 'Softmax' || op === 'Resize');
      // Nearest neighbours are copies that every provider makes; cubic ones are what the passes compute.
      expect(left.filter((node) => node.string('mode') !== 'nearest').map(({ name }) => name)).toEqual([]);
      const caches = records
        .filter(({ name }) => name === 'fuse-attention')
        .map(({ stats }) => stats.caches ?? 0);
      expect(Math.max(...caches)).toBe(built.recipe.decoder.layers);
      expect(beyond(1e-4, await measure(components))).toEqual([]);
    });
  });
});

/** Merged, and with the adapters as branches; the last case is padded on the left. */
const precisions: readonly (readonly [string, string, string, number])[] = [
  ['monkey/tiny-896', plainPasses, 'fuse-attention,int4,dead-code', 1e-4],
  ['monkey/tiny-896', plainPasses, 'fuse-attention,int8{symmetric=true},dead-code', 1e-4],
  ['monkey/tiny-896', plainPasses, 'fuse-attention,float16,dead-code', 0.03],
  ['monkey/tiny-896', 'retarget-resolution', 'fuse-attention,int4{block=16},dead-code', 1e-4],
  ['monkey/tiny-896', 'retarget-resolution', 'fuse-attention,float16,dead-code', 0.03],
  ['monkey/tiny-896', plainPasses, 'fuse-attention,int8-channel,dead-code', 1e-4],
  ['qwen-vl/batch-left-pad', plainPasses, 'float16', 0.03],
  ['qwen-vl/batch-left-pad', plainPasses, 'fuse-attention,int4,float16', 0.03],
];

describe.each(precisions)('%s through %s, %s', (name, first, second, limit) => {
  it('computes with the weights that it says it has', async () => {
    await withCase(goldenCase(name), async (built, { run }) => {
      const { components, plain } = await compile(built, first, second, [floatKernels]);
      const [found, expected] = [await run(components), await run(plain)];
      const io = await readIo(join(goldenCase(name).folder, 'io.safetensors'));
      const rows = countedRows(caseInputs(goldenCase(name), io), built.recipe.vocabSize);
      expect(deviation(toFloat32(found.imageFeatures), toFloat32(expected.imageFeatures))).toBeLessThan(
        limit,
      );
      expect(deviation(toFloat32(found.logits), toFloat32(expected.logits), rows)).toBeLessThan(limit);
      for (const [step, logits] of found.decodeLogits.entries()) {
        const reference = expected.decodeLogits[step];
        if (reference === undefined) throw new Error(`no step ${step}`);
        expect(deviation(toFloat32(logits), toFloat32(reference))).toBeLessThan(limit);
      }
    });
  });
});
