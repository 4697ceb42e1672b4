/** Models compared as a user compares them: with themselves, with a planted fault, in folders, on given inputs. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { openModel } from '../../src/formats/onnx/open.ts';
import type { Model } from '../../src/graph/model.ts';
import { type CompareOptions, type CompareResult, compare, quantize } from '../../src/index.ts';
import { readInputs } from '../../src/pipeline/read-inputs.ts';
import { openSession } from '../../src/runtime/session.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { inlineTensor, readAll } from '../../src/tensor/tensor.ts';

const fixtures = join(import.meta.dirname, '../../fixtures/onnx-import');
const fixture = (name: string): string => join(fixtures, name, 'model.onnx');

let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-compare-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A fixture changed, in a folder of its own. */
async function changed(name: string, change: (model: Model) => void | Promise<void>): Promise<string> {
  count += 1;
  const target = join(folder, `${count}`);
  await mkdir(target);
  const { model, close } = await openModel(fixture(name));
  await change(model);
  const layout = layoutModel(model, { fileName: 'model', inlineLimit: 2 ** 30 });
  const path = join(target, layout.modelFile);
  await writeFile(path, await encodeModel(model, layout));
  await close();
  return path;
}

/** Scales the elements of a float32 weight. */
async function scale(model: Model, name: string, factor: number): Promise<void> {
  const value = model.graph.value(name);
  if (value?.initializer === undefined) throw new Error(`no weight ${name}`);
  const bytes = Uint8Array.from(await readAll(value.initializer));
  const data = new Float32Array(bytes.buffer).map((element) => element * factor);
  model.graph.setInitializer(
    value,
    inlineTensor('float32', value.initializer.shape, new Uint8Array(data.buffer)),
  );
}

function only({ models }: CompareResult): CompareResult['models'][number] {
  const [model] = models;
  if (model === undefined || models.length > 1) throw new Error(`${models.length} models`);
  return model;
}

const failure = (options: CompareOptions) =>
  compare(options).then(
    () => undefined,
    (error: { record?: unknown }) => error.record,
  );

describe('a model and itself', () => {
  it.each([
    'bert-ts14-eager-mask',
    'gpt2-ts14-eager',
    'resnet-ts14-batch',
    'ort-matmul4bits-llama',
    'ort-dynamic-int8-vit',
  ])('are equal, inside too: %s', async (name) => {
    const path = fixture(name);
    const result = await compare({ first: path, second: path, taps: true, gate: { relative: 0, max: 0 } });
    expect(result.passed).toBe(true);
    const { outputs, taps, inputs, gates, placement } = only(result);
    expect(gates.length).toBeGreaterThanOrEqual(3);
    for (const { metrics } of outputs) {
      expect(metrics?.maxAbs.value).toBe(0);
      // Something came out that could have differed.
      expect(metrics?.std).toBeGreaterThan(0);
    }
    expect(inputs.every(({ from }) => from === 'drawn')).toBe(true);
    expect(taps?.compared).toBeGreaterThan(20);
    expect(taps).toMatchObject({ worst: [], skipped: [] });
    expect(taps?.first).toBeUndefined();
    expect(placement.map(({ build, proven, fellBack }) => [build, proven, fellBack])).toEqual([
      ['reference', true, []],
      ['converted', true, []],
    ]);
  });
});

describe('a planted fault', () => {
  const name = 'bert-ts14-eager-mask';
  const weight = 'm.encoder.layer.1.attention.self.value.bias';

  it('is measured as a run of both by hand gives it, and named at the first node that it reaches', async () => {
    const broken = await changed(name, (model) => scale(model, weight, 1.5));
    const result = await compare({
      first: fixture(name),
      second: broken,
      inputs: join(fixtures, name, 'io.safetensors'),
      taps: true,
      gate: { relative: 1e-4 },
    });
    expect(result.passed).toBe(false);
    expect(result.failure).toMatchObject({
      code: 'VC6203',
      where: expect.stringContaining('last_hidden_state'),
    });
    const { outputs, taps, inputs } = only(result);
    expect(inputs.every(({ from }) => from === 'given')).toBe(true);
    // An oracle of its own: both models run here, the norm of the difference over the norm.
    const given = await readInputs(join(fixtures, name, 'io.safetensors'));
    const feeds = new Map([...given].filter(([key]) => inputs.some((input) => input.name === key)));
    const run = async (path: string) => {
      const session = await openSession(path, { device: 'cpu' });
      const values = await session.run(feeds);
      await session.release();
      return [
        ...toFloat32(
          values.get('last_hidden_state') ?? { dtype: 'float32', shape: [], data: new Float32Array() },
        ),
      ];
    };
    const [first, second] = [await run(fixture(name)), await run(broken)];
    const norm = (values: readonly number[]) =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    const relative = norm(first.map((value, index) => value - (second[index] ?? 0))) / norm(first);
    expect(relative).toBeGreaterThan(1e-3);
    expect(outputs.find((output) => output.name === 'last_hidden_state')?.metrics?.relative).toBeCloseTo(
      relative,
      9,
    );
    // The bias is added by one node, and nothing before it differs.
    expect(taps?.first?.nodes.map(({ operator }) => operator)).toEqual(['Add', 'Add']);
    expect(taps?.first?.name).toMatch(/layer\.1\/attention\/self\/value\/Add/);
    expect(taps?.worst[0]?.metrics?.relative).toBeGreaterThanOrEqual(taps?.first?.metrics?.relative ?? 1);
  });

  it('passes a gate that allows it, and fails one below', async () => {
    const broken = await changed(name, (model) => scale(model, weight, 1.01));
    const first = fixture(name);
    const { models } = await compare({ first, second: broken });
    const relative = models[0]?.outputs.find((one) => one.name === 'pooler_output')?.metrics?.relative ?? 0;
    expect(relative).toBeGreaterThan(0);
    const passes = async (limit: number) =>
      (await compare({ first, second: broken, gate: { 'pooler_output.relative': limit } })).passed;
    expect(await passes(relative * 1.001)).toBe(true);
    expect(await passes(relative * 0.999)).toBe(false);
  });
});

describe('what does not pair', () => {
  it('is refused: outputs, inputs, shapes', async () => {
    const name = 'bert-ts14-eager-mask';
    const first = fixture(name);
    const fewer = await changed(name, ({ graph }) => graph.setOutputs(graph.outputs.slice(0, 1)));
    expect(await failure({ first, second: fewer })).toMatchObject({
      code: 'VC6107',
      where: expect.stringContaining('outputs'),
      found: 'only the first has "pooler_output"',
    });
    expect(await failure({ first, second: fixture('resnet-ts14-batch') })).toMatchObject({
      code: 'VC6107',
      where: expect.stringContaining('inputs'),
    });
  });

  it('is refused: files of folders without a partner, files and folders, nothing at all', async () => {
    const one = join(folder, 'one');
    const two = join(folder, 'two');
    await cp(fixture('resnet-ts14-batch'), join(one, 'onnx/a.onnx'));
    await cp(fixture('resnet-ts14-batch'), join(two, 'a.onnx'));
    // Ours keep their graphs in a folder of theirs.
    expect((await compare({ first: one, second: two })).models.map((model) => model.name)).toEqual(['a']);
    await cp(fixture('resnet-ts14-batch'), join(two, 'b.onnx'));
    expect(await failure({ first: one, second: two })).toMatchObject({
      code: 'VC6107',
      found: 'only one of them has "b.onnx"',
    });
    expect(await failure({ first: one, second: join(two, 'a.onnx') })).toMatchObject({ code: 'VC4013' });
    expect(await failure({ first: join(folder, 'none'), second: two })).toMatchObject({ code: 'VC4013' });
    expect(await failure({ first: fixtures, second: two })).toMatchObject({ code: 'VC4013' });
  });
});

describe('inputs', () => {
  const first = fixture('ort-matmul4bits-llama');

  it('may be given sizes', async () => {
    const { models } = await compare({ first, second: first, dim: { seq: 3, past: 9, batch: 2 } });
    expect(Object.fromEntries(models[0]?.inputs.map(({ name, shape }) => [name, shape]) ?? [])).toMatchObject(
      {
        input_ids: [2, 3],
        'past_key_values.0.key': [2, 2, 9, 8],
      },
    );
  });

  it('are refused when none is an input of the model', async () => {
    const inputs = join(fixtures, 'resnet-ts14-batch/io.safetensors');
    expect(await failure({ first, second: first, inputs })).toMatchObject({ code: 'VC6109' });
  });
});

it('compares what quantize made with what it was made from', async () => {
  const first = fixture('bert-ts14-eager-mask');
  const errors: number[] = [];
  for (const precision of ['fp16', 'int8', 'int4'] as const) {
    const output = join(folder, precision);
    await quantize({ model: first, output, precision });
    const { models } = await compare({ first, second: join(output, 'model.onnx') });
    errors.push(models[0]?.outputs[0]?.metrics?.relative ?? Number.NaN);
  }
  const [fp16 = 1, int8 = 1, int4 = 1] = errors;
  // What each precision costs, two orders apart: float16 rounds to 2^-11, int8 to 1/255, int4 to 1/15 of a range.
  expect(fp16).toBeLessThan(2e-3);
  expect(int8).toBeGreaterThan(fp16);
  expect(int8).toBeLessThan(0.05);
  expect(int4).toBeGreaterThan(2 * int8);
  expect(int4).toBeLessThan(0.5);
});
