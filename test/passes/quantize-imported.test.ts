/**
 * int4, int8 and int8-channel on what imported graphs hold and architectures never build: Gemm in its forms, float16,
 * weights behind other nodes, bodies of control flow. Compared with the same graph over the values that the pass says
 * the weights have.
 */
import { describe, expect, it } from 'vitest';
import { float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import { Graph } from '../../src/graph/graph.ts';
import { inferModel } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { floatToHalf } from '../../src/kernels/half.ts';
import { withoutActivationQuantization } from '../../src/parity/index.ts';
import { allNodes } from '../../src/rewrite/driver.ts';
import { int64Value, type RunTensor } from '../../src/runtime/values.ts';
import { memorySource } from '../../src/tensor/byte-source.ts';
import { cast } from '../../src/tensor/derived/cast.ts';
import { elementCount } from '../../src/tensor/dtype.ts';
import { sourceTensor, type Tensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, randomNumbers, randomWeight } from '../support/run-model.ts';
import { floatKernels } from './float-kernels.ts';
import { countOps, difference, type Feeds, runPasses, substitute } from './run-pass.ts';

const matMulNBits = 'com.microsoft::MatMulNBits';
const gatherBlockQuantized = 'com.microsoft::GatherBlockQuantized';
const passes = ['int4', 'int4{symmetric=true}', 'int8', 'int8-channel'];
/** 70 columns: a cut block and, for 4 bits, half a byte of zero points. */
const k = 70;
const feeds: Feeds = { x: randomInput([5, k], 1) };

function halfWeight(name: string, shape: readonly number[], seed: number): Tensor {
  const halves = floatToHalf(randomNumbers(elementCount(shape), seed, 0.2));
  return sourceTensor(
    { dtype: 'float16', shape },
    memorySource(name, new Uint8Array(halves.buffer)),
    0,
    name,
  );
}

type Make = (b: GraphBuilder, x: Value) => Value;
const build = (make: Make): Model =>
  buildModel((b) => b.output('y', make(b, b.input('x', tensorType('float32', [5, k])))));
const w = (b: GraphBuilder, shape: readonly number[], seed = 2) =>
  b.weight('w', randomWeight('w', shape, seed));
const gemm = (b: GraphBuilder, inputs: readonly (Value | null)[], attributes = {}): Value =>
  b.op('Gemm', inputs, { attributes });

/** The model with float activations: onnxruntime rounds them where int8-channel lets it. */
const exact = (model: Model): Model => withoutActivationQuantization(model) ?? model;

/** Quantizes a model made by `make`, and holds it to the plain one with the weights that it says it has. */
async function holds(make: () => Model, text: string, x: Feeds = feeds, limit = 1e-5): Promise<Model> {
  const model = make();
  const { substitutes } = await runPasses(model, text, { targets: [floatKernels] });
  expect(substitutes.size).toBeGreaterThan(0);
  const plain = make();
  for (const [name, tensor] of substitutes) {
    const dtype = plain.graph.value(name)?.initializer?.dtype ?? 'float32';
    substitute(plain, new Map([[name, cast(tensor, dtype)]]));
  }
  expect(await difference(exact(model), plain, x)).toBeLessThan(limit);
  expect(await difference(plain, make(), x)).toBeGreaterThan(text.startsWith('int4') ? 1e-2 : 1e-4);
  return model;
}

const gemms: readonly (readonly [string, Make, readonly string[]])[] = [
  ['[K, N]', (b, x) => gemm(b, [x, w(b, [k, 24])]), []],
  ['[N, K]', (b, x) => gemm(b, [x, w(b, [24, k])], { transB: 1 }), []],
  [
    'a bias',
    (b, x) => gemm(b, [x, w(b, [24, k]), b.weight('bias', randomWeight('bias', [24], 3))], { transB: 1 }),
    [],
  ],
  [
    'a column that is added',
    (b, x) => gemm(b, [x, w(b, [k, 24]), b.weight('c', randomWeight('c', [5, 1], 3))]),
    ['Add'],
  ],
  ['a sum that is computed', (b, x) => gemm(b, [x, w(b, [k, k]), b.op('Neg', [x])]), ['Neg', 'Add']],
];

describe.each(gemms)('Gemm with %s', (_name, make, others) => {
  it.each(passes)('%s', async (text) => {
    const model = await holds(() => build(make), text);
    const ops = [...model.graph.nodes()].map(({ op }) => op);
    if (text === 'int8-channel') {
      expect(ops.filter((op) => op !== 'Neg')).toEqual(['Transpose', 'DequantizeLinear', 'Gemm']);
      expect([...model.graph.nodes()].find(({ op }) => op === 'Gemm')?.int('transB')).toBe(0);
    } else {
      expect(ops.filter((op) => op !== matMulNBits)).toEqual(others);
    }
  });
});

const refused: readonly (readonly [string, Make, string])[] = [
  ['alpha', (b, x) => gemm(b, [x, w(b, [k, 24])], { alpha: float(0.5) }), 'the product is multiplied by 0.5'],
  [
    'beta',
    (b, x) => gemm(b, [x, w(b, [k, 5]), b.float32([1])], { beta: float(2) }),
    'what is added is multiplied by 2',
  ],
  ['transA', (b, x) => gemm(b, [x, w(b, [5, 24])], { transA: 1 }), 'the left side is transposed'],
];

it.each(refused)('Gemm with %s stays, and says so', async (_name, make, reason) => {
  const { record } = await runPasses(build(make), 'int4');
  expect(record.coverage.find(({ weight }) => weight === 'w')).toMatchObject({ format: 'float32', reason });
});

it.each([passes[0] ?? '', 'int8-channel'])(
  '%s keeps the factors of a Gemm where they do not matter',
  async (text) => {
    const make: Make = (b, x) => gemm(b, [x, w(b, [k, 24])], { alpha: float(0.5) });
    const model = build(make);
    const { record } = await runPasses(model, text);
    expect(record.changed).toBe(text === 'int8-channel');
    if (record.changed) await holds(() => build(make), text);
  },
);

const views: readonly (readonly [string, Make])[] = [
  ['Transpose', (b, x) => b.op('MatMul', [x, b.op('Transpose', [w(b, [24, k])])])],
  ['Identity', (b, x) => b.op('MatMul', [x, b.op('Identity', [w(b, [k, 24])])])],
  [
    'Cast of float16',
    (b, x) => {
      const half = b.weight('w', halfWeight('w', [k, 24], 4));
      return b.op('MatMul', [x, b.op('Cast', [half], { attributes: { to: 1 } })]);
    },
  ],
  [
    'Cast and Transpose',
    (b, x) => {
      const half = b.op('Cast', [b.weight('w', halfWeight('w', [24, k], 4))], { attributes: { to: 1 } });
      return b.op('MatMul', [x, b.op('Transpose', [half], { attributes: { perm: [1, 0] } })]);
    },
  ],
  [
    'Constant',
    (b, x) => {
      const value = { kind: 'tensor', value: randomWeight('w', [k, 24], 5) } as const;
      return b.op('MatMul', [x, b.op('Constant', [], { attributes: { value } })]);
    },
  ],
];

it.each(views)('a weight behind %s is quantized', async (_name, make) => {
  for (const text of passes) {
    const model = build(make);
    await runPasses(model, `fold,${text},dead-code`, { targets: [floatKernels] });
    const ops = new Set([...model.graph.nodes()].map(({ op }) => op));
    const left = text === 'int8-channel' ? ['Transpose', 'DequantizeLinear', 'MatMul'] : [matMulNBits];
    expect([...ops]).toEqual(left);
    const error = await difference(model, build(make), feeds);
    expect(error).toBeGreaterThan(text.startsWith('int4') ? 1e-2 : 1e-4);
    expect(error).toBeLessThan(text.startsWith('int4') ? 0.5 : 0.05);
  }
});

it('a table that is the output projection too is quantized for both', async () => {
  const tied = (): Model =>
    buildModel((b) => {
      const table = b.weight('table', randomWeight('table', [40, 64], 17));
      const rows = b.op('Gather', [table, b.input('ids', tensorType('int64', ['n']))]);
      b.output('y', b.op('MatMul', [b.op('Tanh', [rows]), b.op('Transpose', [table])]));
    });
  const ids = { ids: int64Value([4], [0, 39, 7, 7]) };
  const model = tied();
  await runPasses(model, 'fold,int4,dead-code');
  expect([...model.graph.nodes()].map(({ op }) => op)).toEqual([gatherBlockQuantized, 'Tanh', matMulNBits]);
  const error = await difference(model, tied(), ids);
  expect(error).toBeGreaterThan(1e-2);
  expect(error).toBeLessThan(0.5);
});

describe('float16 graphs', () => {
  const linear = (): Model =>
    buildModel((b) => {
      const x = b.input('x', tensorType('float16', [5, k]));
      const y = b.op('MatMul', [x, b.weight('w', halfWeight('w', [k, 24], 6))]);
      b.output('y', b.op('Add', [y, b.weight('bias', halfWeight('bias', [24], 7))]));
    });
  const halfX: RunTensor = { dtype: 'float16', shape: [5, k], data: floatToHalf(randomNumbers(5 * k, 8)) };

  it.each(passes)('%s computes in float16, with float16 scales', async (text) => {
    const halves = { ...floatKernels, support: { ...floatKernels.support } };
    const support = floatKernels.support[matMulNBits];
    if (support === undefined) throw new Error('no support');
    halves.support[matMulNBits] = { ...support, activations: ['float16'] };
    const model = linear();
    const { record, substitutes } = await runPasses(model, text, { targets: [halves] });
    expect(record.changed).toBe(true);
    const plain = linear();
    for (const [name, tensor] of substitutes) substitute(plain, new Map([[name, cast(tensor, 'float16')]]));
    expect(await difference(exact(model), plain, { x: halfX })).toBeLessThan(5e-3);
    expect(await difference(model, linear(), { x: halfX })).toBeGreaterThan(
      text.startsWith('int4') ? 1e-2 : 1e-4,
    );
    const scales = model.graph.value('w.scales');
    expect(scales?.initializer?.dtype).toBe(text === 'int8-channel' ? 'float32' : 'float16');
  });

  it('ask for no accuracy level: with float16 the CPU provider computes wrongly at that of its fast kernel', async () => {
    const model = linear();
    await runPasses(model, 'int8');
    const node = [...model.graph.nodes()].find(({ op }) => op === matMulNBits);
    expect(node?.int('bits')).toBe(8);
    expect(node?.attributes.has('accuracy_level')).toBe(false);
  });

  it('a table gives float16 rows', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const ids = b.input('ids', tensorType('int64', ['n']));
        b.output('y', b.op('Gather', [b.weight('table', halfWeight('table', [30, 64], 9)), ids]));
      });
    const ids = { ids: int64Value([3], [0, 29, 7]) };
    for (const text of ['int4', 'int8{symmetric=true}']) {
      const model = make();
      const { substitutes } = await runPasses(model, text);
      expect(countOps(model, gatherBlockQuantized)).toBe(1);
      const plain = make();
      for (const [name, tensor] of substitutes) substitute(plain, new Map([[name, cast(tensor, 'float16')]]));
      expect(await difference(model, plain, ids)).toBeLessThan(1e-3);
    }
  });

  it('of bfloat16 stay, as no target computes in it', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('bfloat16', [5, k]));
      b.output('y', b.op('MatMul', [x, b.weight('w', cast(randomWeight('w', [k, 24], 6), 'bfloat16'))]));
    });
    const { record } = await runPasses(model, 'int4');
    expect(record.coverage).toMatchObject([{ format: 'bfloat16', reason: 'stored as bfloat16' }]);
  });
});

/** An If over the weight `outer`, and a weight of each branch under one name. */
function branches(): Model {
  const graph = new Graph('main');
  const x = graph.addInput('x', tensorType('float32', [5, k]));
  const flag = graph.addInput('flag', tensorType('bool', []));
  const outer = graph.addInitializer('outer', randomWeight('outer', [k, k], 10));
  const branch = (name: string, seed: number) => {
    const body = new Graph(name, graph);
    const own = body.addInitializer('own', randomWeight('own', [k, 24], seed));
    const first = body.addNode({ op: 'MatMul', inputs: [x, outer], outputs: [{ name: 'first' }] });
    const second = body.addNode({ op: 'MatMul', inputs: [first.output, own], outputs: [{ name: 'second' }] });
    body.setOutputs([second.output]);
    return { kind: 'graph', value: body } as const;
  };
  const attributes = { then_branch: branch('yes', 11), else_branch: branch('no', 12) };
  const y = graph.addNode({ op: 'If', inputs: [flag], attributes, outputs: [{ name: 'y' }] });
  graph.setOutputs([y.output]);
  const model = createModel(graph, 20);
  inferModel(model);
  return model;
}

describe('bodies of control flow', () => {
  const flag = (on: number): Feeds => ({
    ...feeds,
    flag: { dtype: 'bool', shape: [], data: Uint8Array.of(on) },
  });

  it.each(passes)(
    '%s: a weight stays where it was, and one that branches share is stored once',
    async (text) => {
      const model = branches();
      const { record } = await runPasses(model, text, { targets: [floatKernels] });
      expect([...allNodes(model.graph)].filter(({ op }) => op === 'MatMul').length).toBe(
        text === 'int8-channel' ? 4 : 0,
      );
      expect(
        [...model.graph.initializers()].map(({ name }) => name).filter((name) => name.endsWith('.values')),
      ).toEqual(['outer.values']);
      expect(record.coverage.map(({ weight }) => weight).sort()).toEqual(['outer', 'own', 'own (2)']);
      for (const on of [0, 1]) {
        const error = await difference(model, branches(), flag(on));
        expect(error).toBeGreaterThan(1e-4);
        expect(error).toBeLessThan(text.startsWith('int4') ? 0.6 : 0.05);
      }
      // The branches still differ: each has its own weight.
      const [first] = (await outputs(model, flag(1))) ?? [];
      const [second] = (await outputs(model, flag(0))) ?? [];
      expect(first).not.toEqual(second);
    },
  );
});

async function outputs(model: Model, x: Feeds): Promise<unknown[]> {
  const { runModel } = await import('../support/run-model.ts');
  return [...(await runModel(model, x)).values()].map(({ data }) => [...(data as Float32Array)]);
}

describe('int8-channel', () => {
  const mixed = (): Model =>
    buildModel((b) => {
      const x = b.input('x', tensorType('float32', ['n', 3, 9, 8]));
      const kernel = b.weight('conv.weight', randomWeight('conv.weight', [6, 3, 2, 3], 13));
      const features = b.op('Conv', [x, kernel, b.weight('conv.bias', randomWeight('conv.bias', [6], 14))]);
      const matrix = b.weight('fc.weight', randomWeight('fc.weight', [6, 10], 15));
      b.output('y', b.op('MatMul', [b.op('Sigmoid', [features]), matrix]));
      b.output('z', b.op('MatMul', [b.op('Tanh', [features]), matrix]));
    });
  const picture = { x: randomInput([2, 3, 9, 8], 16) };

  it('stores convolutions and matrices with a scale per channel, those that are shared once', async () => {
    const model = await holds(mixed, 'int8-channel', picture);
    expect(countOps(model, 'DequantizeLinear')).toBe(2);
    expect(countOps(model, 'Transpose')).toBe(1);
    expect([...model.opsetImports.keys()]).toEqual(['']);
    await expect(printModel(model)).toMatchFileSnapshot('golden/int8-channel.txt');
  });

  it('accounts for every weight', async () => {
    const { record } = await runPasses(mixed(), 'int8-channel');
    expect(record.stats).toEqual({ matmul: 2, conv: 1, kept: 1 });
    expect(record.coverage).toEqual([
      {
        weight: 'conv.weight',
        use: 'Conv',
        bytesBefore: 432,
        bytesAfter: 108 + 24,
        format: 'int8 per channel',
      },
      {
        weight: 'fc.weight',
        use: 'MatMul',
        bytesBefore: 240,
        bytesAfter: 60 + 40,
        format: 'int8 per channel',
      },
      {
        weight: 'conv.bias',
        use: 'Conv',
        bytesBefore: 24,
        bytesAfter: 24,
        format: 'float32',
        reason: 'a vector or a number',
      },
    ]);
  });

  it('needs an operator set with an axis', async () => {
    const model = mixed();
    model.opsetImports.set('', 12);
    const { record } = await runPasses(model, 'int8-channel');
    expect(record.changed).toBe(false);
    expect(record.coverage[0]?.reason).toBe('operator set 12: a scale per channel needs 13');
  });
});

it('keeps an initializer that callers may replace', async () => {
  const model = build((b, x) => b.op('MatMul', [x, w(b, [k, 24])]));
  const value = model.graph.value('w');
  const tensor = value?.initializer;
  if (value === undefined || tensor === undefined) throw new Error('no weight');
  const input = model.graph.addInput('w2', tensorType('float32', [k, 24]));
  model.graph.setInitializer(input, tensor);
  model.graph.replaceAllUses(value, input);
  model.graph.removeInitializer(value);
  for (const text of passes) {
    const { record } = await runPasses(model, text);
    expect(record.coverage).toMatchObject([
      {
        weight: 'w2',
        use: 'MatMul',
        format: 'float32',
        reason: 'also an input of the graph, which callers may set',
      },
    ]);
  }
});
