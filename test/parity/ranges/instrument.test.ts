/** Ranges that an instrumented model gives are those of the values themselves, read out whole; and what is looked at. */
import { beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { cloneModel } from '../../../src/graph/clone.ts';
import type { Model } from '../../../src/graph/model.ts';
import { Random } from '../../../src/parity/inputs/random.ts';
import { drawSample } from '../../../src/parity/inputs/sample.ts';
import { chooseRanges, measurable } from '../../../src/parity/ranges/choose.ts';
import { instrument, readRanges } from '../../../src/parity/ranges/instrument.ts';
import { locateNonFinite } from '../../../src/parity/ranges/locate.ts';
import { decoderCalls, decoderSchedule, pictureCalls } from '../../../src/parity/stream/calls.ts';
import { compile } from '../../../src/pipeline/compile.ts';
import { resolveOptions } from '../../../src/pipeline/options.ts';
import { build } from '../../../src/pipeline/plan.ts';
import { float32Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { inlineTensor, readAll } from '../../../src/tensor/tensor.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { openInMemory } from './in-memory.ts';

type Feeds = ReadonlyMap<string, RunTensor>;

interface Runnable {
  readonly plain: Model;
  readonly converted: Model;
  readonly feeds: Feeds;
}

/** The tower and the decoder of a small LLaVA in fp16, in memory, with inputs. */
const runnable = new Map<string, Runnable>();

beforeAll(async () => {
  const golden = goldenCase('llava/hf-tiny');
  const checkpoint = await openCheckpoint(golden.checkpoint);
  try {
    const resolved = resolveOptions({ checkpoint: golden.checkpoint, precision: 'fp16' });
    const built = build(checkpoint, resolved);
    const { recipe, image } = built;
    const { media: pictures, prompts } = drawSample(recipe, image, 3);
    const random = new Random(5);
    const draw = (rows: number): RunTensor => {
      const data = Float32Array.from({ length: rows * recipe.hiddenSize }, () => 2 * random.unit() - 1);
      return float32Value([1, rows, recipe.hiddenSize], data);
    };
    const [vision] = pictureCalls(pictures);
    const [decoder] = decoderCalls({
      recipe,
      prompts: prompts.slice(0, 1),
      calls: decoderSchedule(1, 0),
      embeds: [draw(prompts[0]?.ids.length ?? 0)],
      features: [draw(image?.tokens ?? 0)],
    });
    for (const { component, plain, model } of await compile(built, resolved)) {
      for (const one of [plain, model]) await holdWeights(one);
      const feeds = { vision, decoder }[component.id]?.feeds;
      if (feeds !== undefined) runnable.set(component.id, { plain, converted: model, feeds });
    }
  } finally {
    await checkpoint.close();
  }
});

/** Reads all weights, so that the checkpoint can be closed. */
async function holdWeights({ graph }: Model): Promise<void> {
  for (const value of [...graph.initializers()]) {
    const { dtype, shape } = value.initializer;
    graph.setInitializer(value, inlineTensor(dtype, shape, await readAll(value.initializer)));
  }
}

async function run(model: Model, feeds: Feeds): Promise<Feeds> {
  const session = await openInMemory(model);
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** Values, read out whole. */
function tap(model: Model, names: readonly string[], feeds: Feeds): Promise<Feeds> {
  const copy = cloneModel(model);
  copy.graph.setOutputs(names.flatMap((name) => copy.graph.value(name) ?? []));
  return run(copy, feeds);
}

const find = (component: string): Runnable => {
  const found = runnable.get(component);
  if (found === undefined) throw new Error(`no ${component}`);
  return found;
};

describe.each(['vision', 'decoder'])('the ranges inside of %s', (component) => {
  it.each(['plain', 'converted'] as const)('are those of the values of the %s graph', async (which) => {
    const { [which]: model, feeds } = find(component);
    const names = measurable(model.graph);
    expect(names.length).toBeGreaterThan(30);
    const instrumented = instrument(model, names, []);
    const readings = readRanges(instrumented, await run(instrumented.model, feeds));
    const whole = await tap(model, names, feeds);
    for (const name of names) {
      const [value, reading] = [whole.get(name), readings.get(name)];
      if (value === undefined || reading === undefined) throw new Error(`${name} was not read`);
      const elements = toFloat32(value);
      const max = elements.reduce((most, element) => Math.max(most, Math.abs(element)), 0);
      // The runtime computes float16 in float32 here, and rounds what is read out.
      const tolerance = which === 'converted' ? 2 ** -8 * max : 1e-5 * max;
      expect(Math.abs(reading.max - max), name).toBeLessThanOrEqual(tolerance);
      expect(reading.shape, name).toEqual(value.shape);
      const there = Math.abs(elements[reading.index] ?? Number.NaN);
      expect(Math.abs(there - max), name).toBeLessThanOrEqual(tolerance);
      expect(reading.suspect, name).toBe(false);
    }
  });

  it('leave the outputs that are kept as they are', async () => {
    const { plain, feeds } = find(component);
    const [name = ''] = plain.graph.outputs.map((value) => value.name);
    const { model } = instrument(plain, measurable(plain.graph), [name]);
    const outputs = await run(model, feeds);
    const [found, wanted] = [outputs, await run(plain, feeds)].map((all) => {
      const value = all.get(name);
      return value === undefined ? [] : [...toFloat32(value)];
    });
    expect(wanted?.length).toBeGreaterThan(0);
    const off = (wanted ?? []).map((value, at) => Math.abs(value - (found?.[at] ?? Number.NaN)));
    expect(Math.max(...off)).toBeLessThan(1e-4);
  });
});

describe('what is looked at', () => {
  it('are results in float16, each with the plain value of the same elements', () => {
    const { plain, converted } = find('decoder');
    const { isHalf, counted } = chooseRanges(plain, converted);
    expect(isHalf).toBe(true);
    const dtypes = [...counted.keys()].map((name) => {
      const type = converted.graph.value(name)?.type;
      return type?.kind === 'tensor' ? type.dtype : undefined;
    });
    expect(new Set(dtypes)).toEqual(new Set(['float16']));
    const alone = [...counted].filter(([, source]) => source === undefined).map(([name]) => name);
    // What a fused operator gives has no name in the plain graph, and what the graph is given is not made in it.
    const makers = alone.map((name) => converted.graph.value(name)?.producer);
    const given = makers.filter((node) => node?.op === 'Cast').map((node) => node?.input(0)?.name);
    expect(given).toEqual(['inputs_embeds']);
    const fused = makers.filter((node) => node?.op !== 'Cast').map((node) => node?.op);
    expect(new Set(fused)).toEqual(
      new Set([
        'SimplifiedLayerNormalization',
        ...['MultiHeadAttention', 'QuickGelu', 'RotaryEmbedding'].map((op) => `com.microsoft::${op}`),
      ]),
    );
    expect(counted.get('logits.float16')).toBe('logits');
  });

  it('leaves out masks and what is added to them, and lists what attention keeps to itself', () => {
    const { plain, converted } = find('decoder');
    const { inside } = chooseRanges(plain, converted);
    const operators = [...inside].map((name) => plain.graph.value(name)?.producer?.op);
    expect(new Set(operators)).toEqual(new Set(['MatMul', 'Mul']));
    const masked = [...plain.graph.nodes()].filter(
      ({ op, output }) => op === 'Add' && output.consumers().some((reader) => reader.op === 'Softmax'),
    );
    expect(masked.length).toBeGreaterThan(0);
    const names = new Set(measurable(plain.graph));
    for (const { output, inputs } of masked) {
      expect(names.has(output.name)).toBe(false);
      expect(inputs.filter((input) => names.has(input?.name ?? '')).length).toBe(1);
    }
  });
});

describe('the first value that is not finite', () => {
  /** Puts a number among the weights of a product; its own name is given. */
  function plant(model: Model, number: number): string {
    const { graph } = model;
    const node = [...graph.nodes()].filter(({ op }) => op === 'MatMul').at(6);
    const value = node?.inputs.find((input) => input?.initializer !== undefined);
    const { initializer: tensor } = value ?? {};
    if (node === undefined || value == null || tensor?.origin.kind !== 'inline')
      throw new Error('no product');
    const bytes = Uint8Array.from(tensor.origin.bytes);
    new DataView(bytes.buffer).setFloat32(4 * 7, number, true);
    graph.setInitializer(value, inlineTensor(tensor.dtype, tensor.shape, bytes));
    return node.name;
  }

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'is found where a weight is %f',
    async (bad) => {
      const { plain, feeds } = find('vision');
      const model = cloneModel(plain);
      const node = plant(model, bad);
      const found = await locateNonFinite(model, feeds, openInMemory);
      expect(found?.node).toBe(node);
      expect(found?.operator).toBe('MatMul');
      const [value] = (await tap(model, [found?.value ?? ''], feeds)).values();
      const elements = value === undefined ? [] : [...toFloat32(value)];
      const isBad = (element: number): boolean => !Number.isFinite(element);
      expect(found?.index).toBe(elements.findIndex(isBad));
      expect(found?.count).toBe(elements.filter(isBad).length);
      // One column of all rows.
      expect(found?.index).toBe(7);
      expect(found?.elements).toBe(elements.length);
    },
  );

  it('is none where a sum alone leaves the range', async () => {
    const { plain, feeds } = find('vision');
    const model = cloneModel(plain);
    plant(model, 1e38);
    const screen = instrument(model, measurable(model.graph), []);
    const suspects = [...readRanges(screen, await run(screen.model, feeds)).values()].filter(
      ({ suspect }) => suspect,
    );
    expect(suspects.length).toBeGreaterThan(0);
    const found = await locateNonFinite(model, feeds, openInMemory);
    // The norm behind it squares.
    expect(found?.operator).not.toBe('MatMul');
    expect(await locateNonFinite(plain, feeds, openInMemory)).toBeUndefined();
  });

  it('is the one that float16 does not hold, though the CPU carries it on', async () => {
    const { converted, feeds } = find('vision');
    const model = cloneModel(converted);
    const node = [...model.graph.nodes()].filter(({ op }) => op === 'MatMul').at(3);
    const weight = node?.inputs.find((input) => input?.initializer !== undefined);
    const tensor = weight?.initializer;
    if (node === undefined || weight == null || tensor?.origin.kind !== 'inline')
      throw new Error('no product');
    const halves = new Uint16Array(Uint8Array.from(tensor.origin.bytes).buffer);
    // 2^15 times as large, as far as the exponent goes: activations of 2 and more leave the range.
    const large = halves.map((bits) => (bits & 0x8000) | Math.min((bits & 0x7fff) + (15 << 10), 0x7bff));
    model.graph.setInitializer(weight, inlineTensor('float16', tensor.shape, new Uint8Array(large.buffer)));
    const found = await locateNonFinite(model, feeds, openInMemory);
    expect(found?.node).toBe(node.name);
  });
});
