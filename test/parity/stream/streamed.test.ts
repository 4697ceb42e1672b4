/**
 * The check in parts: it gives the numbers of the check in whole components, holds one session at a time, and its
 * curves name the block that a fault is planted in, and no other.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/graph/model.ts';
import type { Node } from '../../../src/graph/node.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { drawSample, type ParityRequest, type Precision, runParity } from '../../../src/parity/index.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { cutBuilds } from '../../../src/parity/stream/builds.ts';
import { drawContinuations } from '../../../src/parity/stream/continuations.ts';
import type { CutOptions } from '../../../src/parity/stream/cuts.ts';
import { int64Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { codeOfDType } from '../../../src/tensor/dtype.ts';
import { inlineTensor, readAll } from '../../../src/tensor/tensor.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { get, runRecipe } from '../../support/run-recipe.ts';
import { blocks, Opened, type StreamedCase, uncut, withStreamedCheck } from '../../support/streamed-check.ts';
import { writeModel } from '../../support/write-models.ts';

const llava = goldenCase('llava/hf-tiny');
const qwen = goldenCase('qwen-vl/tiny-long');

const check = (one: StreamedCase): Promise<ParityReport> => withStreamedCheck(one, runParity);

/** Numbers of each output, by what they are of. */
function numbersOf(report: ParityReport, levels: readonly string[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const { level, outputs, greedy } of report.levels.filter((one) => levels.includes(one.level))) {
    for (const { output, feed, metrics } of outputs) {
      const at = (name: string): string => `${level} ${output} ${feed} ${name}`;
      numbers.set(at('elements'), metrics.elements);
      numbers.set(at('max'), metrics.maxStd);
      numbers.set(at('mean'), metrics.meanStd);
      numbers.set(at('relative'), metrics.relative);
      numbers.set(at('worst cosine'), metrics.worstCosine.value);
      if (metrics.logits === undefined) continue;
      numbers.set(at('kl'), metrics.logits.kl);
      numbers.set(at('top1'), metrics.logits.top1);
      numbers.set(at('perplexity'), metrics.logits.perplexity?.change ?? Number.NaN);
    }
    for (const { prompt, agreed } of greedy) numbers.set(`${level} greedy ${prompt}`, agreed);
  }
  return numbers;
}

/** Keys of numbers that are further apart than sums in another order. */
function apart(found: ReadonlyMap<string, number>, wanted: ReadonlyMap<string, number>): readonly string[] {
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  return [...wanted].flatMap(([key, value]) => {
    const own = found.get(key) ?? Number.NaN;
    return Math.abs(own - value) <= 2e-5 ? [] : [`${key}: ${own}, not ${value}`];
  });
}

/** ‖o - r‖ / ‖r‖ of rows of logits and of features, over prompts; both builds loaded whole and run as users run them. */
async function errorsOfWhole(
  folder: string,
  { recipe, stream, sample, decodeSteps = 0 }: ParityRequest,
): Promise<Readonly<Record<'features' | 'logits', number>>> {
  if (sample === undefined) throw new Error("the sample is the test's own");
  const filesOf = async (name: 'reference' | 'converted'): Promise<Record<string, string>> => {
    const files: Record<string, string> = {};
    for (const [id, builds] of stream.builds)
      files[id] = await writeModel(folder, `${id}-${name}`, builds[name]);
    return files;
  };
  const files = { reference: await filesOf('reference'), converted: await filesOf('converted') };
  const errors = { features: new NormOfError(), logits: new NormOfError() };
  const continuations = drawContinuations(recipe, sample, decodeSteps);
  for (const [index, { ids, spans }] of sample.prompts.entries()) {
    const picture = sample.media[spans[0]?.media ?? 0];
    if (picture === undefined) throw new Error('the prompt has no picture');
    const run = (own: Record<string, string>) =>
      runRecipe({
        recipe,
        files: own,
        pixels: get(picture.feeds, 'pixel_values'),
        inputIds: int64Value([1, ids.length], ids),
        attentionMask: int64Value(
          [1, ids.length],
          ids.map(() => 1),
        ),
        decodeIds: [(continuations[index] ?? []).slice(0, decodeSteps)],
      });
    const [wanted, found] = [await run(files.reference), await run(files.converted)];
    if (index === 0) errors.features.add(wanted.imageFeatures, found.imageFeatures);
    errors.logits.add(wanted.logits, found.logits);
    for (const [step, value] of wanted.decodeLogits.entries()) {
      errors.logits.add(value, found.decodeLogits[step] ?? value);
    }
  }
  return { features: errors.features.relative(), logits: errors.logits.relative() };
}

class NormOfError {
  #errors = 0;
  #all = 0;

  add(wanted: RunTensor, found: RunTensor): void {
    const own = toFloat32(found);
    for (const [index, value] of toFloat32(wanted).entries()) {
      this.#errors += ((own[index] ?? 0) - value) ** 2;
      this.#all += value ** 2;
    }
  }

  relative(): number {
    return Math.sqrt(this.#errors / this.#all);
  }
}

describe('a check in parts', () => {
  it.each([
    [llava, 'int8'],
    [qwen, 'int4'],
  ] as const)(
    'gives the numbers of components that run whole (%#)',
    async (golden, precision) => {
      const folder = await mkdtemp(join(tmpdir(), 'vlm-streamed-'));
      try {
        const [parts, whole] = await withStreamedCheck(
          { golden, options: { precision } },
          async (request) => {
            const all = drawSample(request.recipe, request.image, 3);
            const sample = { ...all, prompts: all.prompts.filter(({ spans }) => spans.length > 0) };
            const stream = { ...request.stream, continuation: 'drawn' } as const;
            const asked = { ...request, stream, sample, decodeSteps: 3 };
            return [await runParity(asked), await errorsOfWhole(folder, asked)];
          },
        );
        const found = (kind: string, feed: string): number | undefined =>
          parts.levels
            .find(({ level }) => level === 'fidelity')
            ?.outputs.find(({ output, feed: own }) => output === kind && own === feed)?.metrics.relative;
        expect(whole.logits).toBeGreaterThan(1e-3);
        expect(Math.abs((found('features', 'local') ?? Number.NaN) - whole.features)).toBeLessThan(2e-6);
        expect(Math.abs((found('logits', 'chain') ?? Number.NaN) - whole.logits)).toBeLessThan(2e-6);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    60_000,
  );

  it.each([
    [llava, 'int8'],
    [qwen, 'int4'],
  ] as const)('gives the same numbers wherever it cuts (%#)', async (golden, precision) => {
    const parts = await check({ golden, options: { precision } });
    const one = await check({ golden, options: { precision }, cut: uncut });
    const levels = ['fidelity'];
    expect(apart(numbersOf(parts, levels), numbersOf(one, levels))).toEqual([]);
    expect(parts.passed).toBe(true);
    expect(parts.curves?.map(({ component, blocks }) => [component, blocks.length > 1])).toEqual([
      ['vision', true],
      ['embed', false],
      ['decoder', true],
    ]);
    expect(one.curves?.map(({ blocks }) => blocks.length)).toEqual([1, 1, 1]);
  });

  it('ends its curves where the component ends', async () => {
    const report = await check({ golden: llava, options: { precision: 'int4' } });
    for (const { component, blocks } of report.curves ?? []) {
      const level = report.levels.find((one) => one.level === 'fidelity');
      const output = level?.outputs.find((one) => one.component === component);
      expect(blocks.at(-1)?.accumulated.relative).toBeCloseTo(output?.metrics.relative ?? Number.NaN, 9);
    }
  });

  it('holds one session at a time, and no more than a block of it', async () => {
    const opened = new Opened();
    let block = 0;
    let component = 0;
    const report = await withStreamedCheck(
      { golden: qwen, options: { precision: 'fp32' }, opened },
      (request) => {
        const { builds } = request.stream;
        const largest = (cut: CutOptions): number =>
          Math.max(
            ...[...builds.values()].flatMap((own) =>
              [...cutBuilds(own, cut).values()].flatMap((all) => all.map(({ weightBytes }) => weightBytes)),
            ),
          );
        block = largest(blocks);
        component = largest(uncut);
        return runParity({ ...request, stream: { ...request.stream, continuation: 'drawn' } });
      },
    );
    expect(report.passed).toBe(true);
    expect(report.levels.find(({ level }) => level === 'fidelity')?.greedy).toEqual([]);
    expect([opened.most, opened.sessions]).toEqual([1, 0]);
    expect(opened.total).toBeGreaterThan(10);
    // Nodes and names besides.
    expect(opened.largest).toBeLessThan(block + 50_000);
    expect(component).toBeGreaterThan(block + 50_000);
  });
});

/** How a fault is planted. */
interface Fault {
  readonly precision: Precision;
  readonly component: string;
  readonly block: string;
  readonly plant: (model: Model) => Promise<void>;
}

/** The nodes of one kind in a module, in order. */
function nodesOf(model: Model, scope: string, op: string): readonly Node[] {
  return [...model.graph.nodes()].filter(
    (node) => node.op === op && node.metadata.get('vlm-convert.scope') === scope,
  );
}

async function changeWeight(
  value: Value | undefined,
  change: (bytes: Uint8Array, shape: readonly number[]) => void,
): Promise<void> {
  const tensor = value?.initializer;
  if (value === undefined || tensor === undefined) throw new Error('there is no such weight');
  const bytes = Uint8Array.from(await readAll(tensor));
  change(bytes, tensor.shape);
  value.graph.setInitializer(value, inlineTensor(tensor.dtype, tensor.shape, bytes));
}

/** Transposes a square float32 weight. */
function transpose(bytes: Uint8Array, shape: readonly number[]): void {
  const [rows = 0, columns = 0] = shape;
  expect(rows).toBe(columns);
  const to = new Float32Array(bytes.buffer);
  const from = to.slice();
  for (let i = 0; i < rows; i += 1) {
    for (let j = 0; j < columns; j += 1) to[j * rows + i] = from[i * columns + j] ?? 0;
  }
}

const squareWeight = (model: Model, scope: string): Value | undefined =>
  nodesOf(model, scope, 'MatMul')
    .map((node) => node.input(1))
    .find((value) => {
      const shape = value?.initializer?.shape;
      return shape !== undefined && shape[0] === shape[1];
    });

/** Values of one module become infinite in float16, before they are scaled back. */
function overflow(model: Model, scope: string): void {
  const { graph } = model;
  const [first] = nodesOf(model, scope, 'Softmax').concat(
    nodesOf(model, scope, 'com.microsoft::MultiHeadAttention'),
  );
  const value = first?.output;
  if (first === undefined || value === undefined) throw new Error('the block has no attention');
  const readers = value.consumers();
  const scale = (name: string, factor: number): Value =>
    graph.addInitializer(
      graph.freshName(name),
      inlineTensor('float32', [], new Uint8Array(Float32Array.of(factor).buffer)),
    );
  const op = (opType: string, inputs: readonly Value[], to?: 'float16' | 'float32'): Value => {
    const before = readers[0];
    const node = graph.addNode(
      { op: opType, inputs, ...(to === undefined ? {} : { attributes: { to: codeOfDType(to) } }) },
      before,
    );
    graph.setType(
      node.output,
      tensorType(to ?? 'float32', value.type?.kind === 'tensor' ? value.type.shape : []),
    );
    return node.output;
  };
  const wide = op('Mul', [op('Cast', [value], 'float32'), scale('large', 1e8)]);
  const back = op('Mul', [op('Cast', [op('Cast', [wide], 'float16')], 'float32'), scale('small', 1e-8)]);
  const narrow = op('Cast', [back], 'float16');
  for (const reader of readers) {
    for (const [index, input] of reader.inputs.entries()) {
      if (input === value) graph.setInput(reader, index, narrow);
    }
  }
}

const faults: readonly (readonly [string, Fault])[] = [
  [
    'a transposed weight of the vision tower',
    {
      precision: 'fp32',
      component: 'vision',
      block: 'block.1',
      plant: (model) => changeWeight(squareWeight(model, 'block.1'), transpose),
    },
  ],
  [
    'a transposed weight of the decoder',
    {
      precision: 'fp32',
      component: 'decoder',
      block: 'layer.0',
      plant: (model) => changeWeight(squareWeight(model, 'layer.0'), transpose),
    },
  ],
  [
    'swapped q and k',
    {
      precision: 'fp32',
      component: 'vision',
      block: 'block.0',
      plant: async (model) => {
        const [attention] = nodesOf(model, 'block.0', 'com.microsoft::MultiHeadAttention');
        const [q, k] = [attention?.input(0), attention?.input(1)];
        if (attention === undefined || q === undefined || k === undefined) throw new Error('no attention');
        model.graph.setInput(attention, 0, k);
        model.graph.setInput(attention, 1, q);
      },
    },
  ],
  [
    'one flipped zero point',
    {
      precision: 'int4',
      component: 'decoder',
      block: 'layer.1',
      plant: async (model) => {
        const [product] = nodesOf(model, 'layer.1', 'com.microsoft::MatMulNBits');
        await changeWeight(product?.input(3), (bytes) => {
          bytes[5] = (bytes[5] ?? 0) ^ 0x80;
        });
      },
    },
  ],
  [
    'an overflow of float16',
    {
      precision: 'fp16',
      component: 'vision',
      block: 'block.0',
      plant: async (model) => overflow(model, 'block.0'),
    },
  ],
];

const soundReports = new Map<Precision, Promise<ParityReport>>();

function sound(precision: Precision): Promise<ParityReport> {
  const report = soundReports.get(precision) ?? check({ golden: qwen, options: { precision } });
  soundReports.set(precision, report);
  return report;
}

describe('the curve', () => {
  it.each(faults)('names the block of %s, and no other', async (_what, fault) => {
    const whole = await sound(fault.precision);
    const broken = await check({
      golden: qwen,
      options: { precision: fault.precision },
      change: async (id, { converted }) => {
        if (id === fault.component) await fault.plant(converted);
      },
    });
    expect([whole.passed, broken.passed]).toEqual([true, false]);
    const larger: string[] = [];
    for (const [index, { component, blocks }] of (broken.curves ?? []).entries()) {
      for (const [at, { name, implementation }] of blocks.entries()) {
        const before = whole.curves?.[index]?.blocks[at]?.implementation;
        const grew = (implementation?.relative ?? 0) > 5 * (before?.relative ?? 0) + 1e-6;
        if (grew || (implementation?.nonFinite ?? 0) > 0) larger.push(`${component} ${name}`);
      }
    }
    expect(larger).toEqual([`${fault.component} ${fault.block}`]);
    // What follows carries it on.
    const curve = broken.curves?.find(({ component }) => component === fault.component);
    const last = curve?.blocks.at(-1)?.accumulated;
    const original = whole.curves?.find(({ component }) => component === fault.component)?.blocks.at(-1);
    expect((last?.relative ?? 0) + (last?.nonFinite ?? 0)).toBeGreaterThan(
      original?.accumulated.relative ?? 0,
    );
  });

  it('says at the level rewrite which block an adapter was merged wrongly into', async () => {
    const monkey = goldenCase('monkey/tiny-896');
    const report = await check({
      golden: monkey,
      options: { precision: 'int4' },
      change: async (id, { rewritten }) => {
        if (id !== 'vision' || rewritten === undefined) return;
        const merged = nodesOf(rewritten, 'block.1', 'MatMul').map((node) => node.input(1));
        const weight = merged.find((value) => value?.initializer?.origin.kind === 'derived');
        await changeWeight(weight, (bytes) => {
          const values = new Float32Array(bytes.buffer);
          for (const [at, value] of values.entries()) values[at] = value * 1.001;
        });
      },
    });
    const [vision] = report.curves ?? [];
    const grew = vision?.blocks.filter(({ rewrite }) => (rewrite?.relative ?? 0) > 1e-5);
    expect(grew?.map(({ name }) => name)).toEqual(['block.1']);
    // At int4 the fault is far below what rounding costs.
    expect(report.gates.filter(({ passed }) => !passed).map(({ level }) => level)).not.toContain('fidelity');
  });
});
