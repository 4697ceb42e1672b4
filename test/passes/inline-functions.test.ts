/** Calls of model-local functions become operators, and compute what the runtime computes when it runs the calls. */
import { describe, expect, it } from 'vitest';
import { type Attribute, float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import { cloneModel } from '../../src/graph/clone.ts';
import { Graph } from '../../src/graph/graph.ts';
import type { Model, ModelFunction } from '../../src/graph/model.ts';
import type { NodeSpec } from '../../src/graph/node-spec.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { verifyModel } from '../../src/graph/verify.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, runModel } from '../support/run-model.ts';
import { runPasses } from './run-pass.ts';

const feeds = { x: randomInput([2, 3], 1) };

/** A function of domain `f` over named inputs; `body` gives the outputs. */
function local(
  name: string,
  inputs: readonly string[],
  body: (graph: Graph, values: readonly Value[]) => readonly Value[],
  more: Partial<ModelFunction> = {},
): ModelFunction {
  const graph = new Graph(name);
  graph.setOutputs(
    body(
      graph,
      inputs.map((each) => graph.addInput(each, undefined)),
    ),
  );
  return {
    name,
    domain: 'f',
    overload: '',
    opsetImports: new Map([
      ['', 20],
      ['f', 1],
    ]),
    attributes: [],
    attributeDefaults: new Map(),
    body: graph,
    ...more,
  };
}

const op = (
  graph: Graph,
  opType: string,
  inputs: readonly (Value | null)[],
  more: Partial<NodeSpec> = {},
): Value => graph.addNode({ op: opType, inputs, ...more }).output;

function build(
  functions: readonly ModelFunction[],
  body: (b: GraphBuilder, x: Value) => readonly Value[],
): Model {
  const model = buildModel((b) => {
    const made = body(b, b.input('x', tensorType('float32', ['n', 3])));
    for (const [index, value] of made.entries()) b.output(`y${index}`, value);
  });
  model.opsetImports.set('f', 1);
  model.functions.push(...functions);
  verifyModel(model);
  return model;
}

const call = (
  b: GraphBuilder,
  name: string,
  inputs: readonly (Value | null)[],
  more: Partial<NodeSpec> = {},
): Value => b.graph.addNode({ op: name, domain: 'f', inputs, ...more }).output;

const ops = (model: Model): string[] => [...model.graph.nodes()].map((node) => node.op);

/** Inlines, and holds the result to what the model gave before. */
async function inlined(model: Model): Promise<Model> {
  const before = cloneModel(model);
  await runPasses(model, 'inline-functions');
  expect(await runModel(model, feeds)).toEqual(await runModel(before, feeds));
  return model;
}

const reference = (ref: string, of: 'int' | 'float' | 'graph'): Attribute => ({ kind: 'ref', ref, of });

const leaky = local(
  'Leaky',
  ['a'],
  (g, [a]) => [op(g, 'LeakyRelu', [a ?? null], { attributes: { alpha: reference('alpha', 'float') } })],
  { attributes: ['alpha'] },
);

const truth = (b: GraphBuilder, value: boolean): Value =>
  b.weight(`is_${value}`, inlineTensor('bool', [], Uint8Array.of(value ? 1 : 0)));

/** `If` over two branches that read `value` and a value of their own that has the same name in both. */
function choice(graph: Graph, condition: Value, value: Value): Value {
  const branch = (name: string, second: string): Attribute => {
    const body = new Graph(name, graph);
    const inner = op(body, 'Exp', [value], { outputs: [{ name: 'inner' }] });
    body.setOutputs([op(body, second, [inner], { outputs: [{ name: `${name}_out` }] })]);
    return { kind: 'graph', value: body };
  };
  return op(graph, 'If', [condition], {
    attributes: { then_branch: branch('then', 'Neg'), else_branch: branch('else', 'Sqrt') },
  });
}

describe('inline-functions', () => {
  it('puts the attributes of the call in the place of references', async () => {
    const model = build([leaky], (b, x) => [
      call(b, 'Leaky', [call(b, 'Leaky', [x], { attributes: { alpha: float(0.5) } })], {
        attributes: { alpha: float(3) },
      }),
    ]);
    await inlined(model);
    expect(ops(model)).toEqual(['LeakyRelu', 'LeakyRelu']);
    expect(model.functions).toEqual([]);
    expect([...model.opsetImports.keys()]).toEqual(['']);
  });

  it('takes defaults, and leaves out what has none', async () => {
    const attributeDefaults = new Map([['alpha', float(0.25)]]);
    const withDefault = { ...leaky, name: 'Quarter', attributes: [], attributeDefaults };
    const model = build([withDefault], (b, x) => [call(b, 'Quarter', [x])]);
    const [node] = (await inlined(model)).graph.nodes();
    expect(node?.float('alpha')).toBe(0.25);
  });

  it('tells overloads apart, and functions from operators of the same name', async () => {
    const body =
      (opType: string) =>
      (g: Graph, [a]: readonly Value[]) => [op(g, opType, [a ?? null])];
    const functions = [
      local('Relu', ['a'], body('Neg')),
      local('Relu', ['a'], body('Abs'), { overload: 'other' }),
    ];
    const model = build(functions, (b, x) => [
      call(b, 'Relu', [x]),
      call(b, 'Relu', [x], { overload: 'other' }),
      b.op('Relu', [x]),
    ]);
    // onnxruntime 1.30 does not tell overloads of one name apart: the numbers are those of the operators.
    await runPasses(model, 'inline-functions');
    expect(ops(model)).toEqual(['Neg', 'Abs', 'Relu']);
  });

  it('follows calls in functions, and keeps names of values apart', async () => {
    const twice = local('Twice', ['a'], (g, [a]) => {
      const inner = op(g, 'Leaky', [a ?? null], {
        domain: 'f',
        attributes: { alpha: float(0.5) },
        outputs: [{ name: 't' }],
      });
      return [op(g, 'Add', [inner, a ?? null], { outputs: [{ name: 'sum' }] })];
    });
    const model = build([leaky, twice], (b, x) => [call(b, 'Twice', [call(b, 'Twice', [x])])]);
    await inlined(model);
    expect(ops(model)).toEqual(['LeakyRelu', 'Add', 'LeakyRelu', 'Add']);
    await expect(printModel(model)).toMatchFileSnapshot('golden/inline-functions.txt');
    expect([...model.graph.nodes()].map((node) => node.metadata.get('vlm-convert.from'))).toEqual([
      'Twice',
      'Twice',
      'Twice_1',
      'Twice_1',
    ]);
  });

  it('leaves inputs out that the call leaves out', async () => {
    const clip = local('Bound', ['a', 'low', 'high'], (g, [a, low, high]) => [
      op(g, 'Clip', [a ?? null, low ?? null, high ?? null]),
    ]);
    const model = build([clip], (b, x) => [
      call(b, 'Bound', [x, null, b.scalar(0.25)]),
      call(b, 'Bound', [x]),
    ]);
    await inlined(model);
    expect([...model.graph.nodes()].map((node) => node.inputs.map((each) => each !== null))).toEqual([
      [true, false, true],
      [true, false, false],
    ]);
  });

  it('gives outputs of the graph that are inputs, or the same value twice', async () => {
    const echo = local('Echo', ['a'], (g, [a]) => {
      const made = op(g, 'Neg', [a ?? null]);
      return [made, a ?? made, made];
    });
    const model = build([echo], (b, x) => {
      const node = b.graph.addNode({ op: 'Echo', domain: 'f', inputs: [x], outputs: 3 });
      return node.outputs.flatMap((value) => value ?? []);
    });
    // The runtime refuses such functions: it is held to what the body says.
    await runPasses(model, 'inline-functions');
    expect(ops(model).sort()).toEqual(['Identity', 'Identity', 'Neg']);
    const found = await runModel(model, feeds);
    const negative = (feeds.x.data as Float32Array).map((value) => -value);
    expect(['y0', 'y1', 'y2'].map((name) => found.get(name)?.data)).toEqual([
      negative,
      feeds.x.data,
      negative,
    ]);
  });

  it('reaches into bodies, from bodies and from the calls in them', async () => {
    const choose = local('Choose', ['c', 'a'], (g, [c, a]) =>
      c === undefined || a === undefined ? [] : [choice(g, c, a)],
    );
    const model = build([choose, leaky], (b, x) => {
      const body = (name: string, alpha: number): Attribute => {
        const graph = new Graph(name, b.graph);
        const inner = graph.addNode({
          op: 'Leaky',
          domain: 'f',
          inputs: [x],
          attributes: { alpha: float(alpha) },
          outputs: [{ name: `${name}_out` }],
        });
        graph.setOutputs([inner.output]);
        return { kind: 'graph', value: graph };
      };
      const outer = b.op('If', [truth(b, true)], {
        attributes: { then_branch: body('a', 2), else_branch: body('b', 3) },
      });
      // The names inside the function's body are taken out here, and it is called twice.
      const inner = b.graph.addNode({ op: 'Abs', inputs: [outer], outputs: [{ name: 'inner' }] }).output;
      return [call(b, 'Choose', [truth(b, true), inner]), call(b, 'Choose', [truth(b, false), inner])];
    });
    await inlined(model);
    expect(ops(model)).toEqual(['If', 'Abs', 'If', 'If']);
    expect(model.functions).toEqual([]);
  });

  it('follows calls in the bodies of functions', async () => {
    const maybe = local('Maybe', ['c', 'a'], (g, [c, a]) => {
      const branch = (name: string, alpha: number): Attribute => {
        const body = new Graph(name, g);
        const attributes = { alpha: float(alpha) };
        body.setOutputs([op(body, 'Leaky', [a ?? null], { domain: 'f', attributes, outputs: [{ name }] })]);
        return { kind: 'graph', value: body };
      };
      const attributes = { then_branch: branch('yes', 2), else_branch: branch('no', 3) };
      return [op(g, 'If', [c ?? null], { attributes })];
    });
    const model = build([maybe, leaky], (b, x) => [call(b, 'Maybe', [truth(b, false), x])]);
    await inlined(model);
    expect(model.functions).toEqual([]);
    expect(printModel(model)).not.toContain('f::');
  });

  it('hands over graphs that read what is around the call', async () => {
    const run = local(
      'Run',
      ['c'],
      (g, [c]) => [
        op(g, 'If', [c ?? null], {
          attributes: { then_branch: reference('body', 'graph'), else_branch: reference('body', 'graph') },
        }),
      ],
      { attributes: ['body'] },
    );
    const model = build([run], (b, x) => {
      const body = new Graph('body', b.graph);
      body.setOutputs([op(body, 'Neg', [x], { outputs: [{ name: 'negative' }] })]);
      return [call(b, 'Run', [truth(b, true)], { attributes: { body: { kind: 'graph', value: body } } })];
    });
    // The runtime does not take such calls: it is held to what the body says.
    await runPasses(model, 'inline-functions');
    const found = await runModel(model, feeds);
    expect(found.get('y0')?.data).toEqual((feeds.x.data as Float32Array).map((value) => -value));
  });

  it('keeps calls whose bodies would make the model too large, and inlines the others', async () => {
    const levels = Array.from({ length: 40 }, (_, level) =>
      local(`Level${level}`, ['a'], (g, [a]) => {
        const next = { domain: 'f' };
        const name = level === 39 ? 'Double' : `Level${level + 1}`;
        return [op(g, name, [op(g, name, [a ?? null], next)], next)];
      }),
    );
    const double = local('Double', ['a'], (g, [a]) => [op(g, 'Add', [a ?? null, a ?? null])]);
    const model = build([...levels, double], (b, x) => [call(b, 'Level0', [x]), call(b, 'Level36', [x])]);
    const { record } = await runPasses(model, 'inline-functions');
    expect(record.notes).toEqual([expect.stringMatching(/^the call Level0 of f::Level0 stays: .* nodes/)]);
    expect(ops(model)).toEqual(['f::Level0', ...Array.from({ length: 16 }, () => 'Add')]);
    expect(model.functions.length).toBe(41);
  });

  it('keeps calls of bodies that mean something else in the operator set of the model', async () => {
    const old = (opType: string, more: Partial<NodeSpec> = {}): ModelFunction =>
      local(`Old${opType}`, ['a'], (g, [a]) => [op(g, opType, [a ?? null], more)], {
        opsetImports: new Map([['', 12]]),
      });
    const model = build([old('Softmax'), old('Reciprocal'), old('Acos')], (b, x) => [
      call(b, 'OldSoftmax', [x]),
      call(b, 'OldReciprocal', [x]),
      call(b, 'OldAcos', [x]),
    ]);
    const { record } = await runPasses(model, 'inline-functions');
    expect(record.notes).toEqual([
      'the call OldSoftmax of f::OldSoftmax stays: Softmax of operator set 12 is not that of 20',
      'the call OldReciprocal of f::OldReciprocal stays: Reciprocal of operator set 12 is not that of 20',
    ]);
    expect(ops(model)).toEqual(['f::OldSoftmax', 'f::OldReciprocal', 'Acos']);
    expect(model.functions.length).toBe(2);
  });

  it('imports what only functions imported', async () => {
    const gelu = local('G', ['a'], (g, [a]) => [op(g, 'Gelu', [a ?? null], { domain: 'com.microsoft' })], {
      opsetImports: new Map([['com.microsoft', 1]]),
    });
    const model = build([gelu], (b, x) => [call(b, 'G', [x])]);
    await inlined(model);
    expect([...model.opsetImports]).toEqual([
      ['', 20],
      ['com.microsoft', 1],
    ]);
  });

  it('refuses a call that leaves out what an operator in the body needs', async () => {
    const sum = local('Plus', ['a', 'b'], (g, [a, b]) => [op(g, 'Add', [a ?? null, b ?? null])]);
    const model = build([sum], (b, x) => [call(b, 'Plus', [x])]);
    await expect(runPasses(model, 'inline-functions')).rejects.toMatchObject({ code: 'VC3004' });
  });

  it('does not let names grow with the depth of calls', async () => {
    const depth = 3000;
    const levels = Array.from({ length: depth }, (_, level) =>
      local(`Level${level}`, ['a'], (g, [a]) => [
        level === depth - 1
          ? op(g, 'Neg', [a ?? null])
          : op(g, `Level${level + 1}`, [a ?? null], { domain: 'f' }),
      ]),
    );
    const model = build(levels, (b, x) => [call(b, 'Level0', [x])]);
    await runPasses(model, 'inline-functions');
    expect(ops(model)).toEqual(['Neg']);
    expect(Math.max(...[...model.graph.nodes()].map(({ name }) => name.length))).toBeLessThan(400);
  });
});
