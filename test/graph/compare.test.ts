import { describe, expect, it } from 'vitest';
import { float } from '../../src/graph/attribute.ts';
import { compareModels } from '../../src/graph/compare.ts';
import { Graph } from '../../src/graph/graph.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';

/** y = LeakyRelu(x + w); an If with one branch; a function; a sparse initializer; things to carry. */
function sample(): Model {
  const graph = new Graph('g');
  const x = graph.addInput('x', tensorType('float32', ['n', 3]));
  const w = graph.addInitializer('w', inlineTensor('uint8', [3], Uint8Array.of(1, 2, 3)));
  graph.addSparseInitializer('s', {
    values: inlineTensor('uint8', [1], Uint8Array.of(7)),
    indices: inlineTensor('int64', [1], new Uint8Array(8)),
    shape: [4],
  });
  const add = graph.addNode({ op: 'Add', name: 'add', inputs: [x, w], metadata: [['k', 'v']] });
  const branch = new Graph('b', graph);
  const inner = branch.addNode({ op: 'Neg', inputs: [add.output], outputs: [{ name: 'inner' }] });
  branch.setOutputs([inner.output]);
  const node = graph.addNode({
    op: 'LeakyRelu',
    name: 'act',
    inputs: [add.output],
    attributes: { alpha: float(0.5), body: { kind: 'graph', value: branch }, axes: [1, 2] },
  });
  graph.setOutputs([node.output]);
  graph.carry = { rest: Object.defineProperty({ a: 1 }, '$unknowns', { value: [Uint8Array.of(9)] }) };
  const model = createModel(graph, 17);
  const body = new Graph('f');
  body.setOutputs([body.addNode({ op: 'Relu', inputs: [body.addInput('p', undefined)] }).output]);
  model.functions.push({
    name: 'f',
    domain: 'd',
    overload: '',
    opsetImports: new Map([['', 17]]),
    attributes: ['a'],
    attributeDefaults: new Map([['k', float(1)]]),
    body,
  });
  return model;
}

const nodeNamed = (model: Model, name: string) => {
  const node = [...model.graph.nodes()].find((candidate) => candidate.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
};

const valueNamed = (graph: Graph, name: string) => {
  const value = graph.value(name);
  if (value === undefined) throw new Error(`no value ${name}`);
  return value;
};

const changes: Record<string, (model: Model) => void> = {
  'the producer': (m) => {
    m.producerName = 'x';
  },
  'an import': (m) => void m.opsetImports.set('', 18),
  'model metadata': (m) => void m.metadata.set('a', 'b'),
  'an input type': (m) => m.graph.setType(valueNamed(m.graph, 'x'), tensorType('float32', ['m', 3])),
  'a value name': (m) => m.graph.renameValue(valueNamed(m.graph, 'x'), 'z'),
  'one byte of a tensor': (m) =>
    m.graph.setInitializer(valueNamed(m.graph, 'w'), inlineTensor('uint8', [3], Uint8Array.of(1, 2, 4))),
  'a tensor type': (m) =>
    m.graph.setInitializer(valueNamed(m.graph, 'w'), inlineTensor('int8', [3], Uint8Array.of(1, 2, 3))),
  'a sparse tensor': (m) =>
    void m.graph.sparseInitializers.set('s', {
      values: inlineTensor('uint8', [1], Uint8Array.of(8)),
      indices: inlineTensor('int64', [1], new Uint8Array(8)),
      shape: [4],
    }),
  'an attribute': (m) => m.graph.setAttribute(nodeNamed(m, 'act'), 'alpha', float(0.25)),
  'an attribute list': (m) => m.graph.setAttribute(nodeNamed(m, 'act'), 'axes', [1, 3]),
  'an attribute more': (m) => m.graph.setAttribute(nodeNamed(m, 'act'), 'more', 1),
  'node metadata': (m) => void nodeNamed(m, 'add').metadata.set('k', 'w'),
  'the order of inputs': (m) => {
    const add = nodeNamed(m, 'add');
    m.graph.setInput(add, 0, valueNamed(m.graph, 'w'));
    m.graph.setInput(add, 1, valueNamed(m.graph, 'x'));
  },
  'a node more': (m) => void m.graph.addNode({ op: 'Relu', inputs: [valueNamed(m.graph, 'x')] }),
  'a subgraph': (m) => {
    const body = nodeNamed(m, 'act').attributes.get('body');
    if (body?.kind === 'graph') body.value.docString = 'changed';
  },
  'an unknown field': (m) => {
    m.graph.carry = { rest: Object.defineProperty({ a: 1 }, '$unknowns', { value: [Uint8Array.of(8)] }) };
  },
  'a function body': (m) => {
    for (const local of m.functions) local.body.name = 'h';
  },
};

describe('compareModels', () => {
  it('finds equal models equal', async () => {
    expect(await compareModels(sample(), sample())).toBeUndefined();
  });

  it.each(Object.keys(changes))('finds a difference in %s', async (name) => {
    const changed = sample();
    changes[name]?.(changed);
    expect(await compareModels(sample(), changed)).toBeTypeOf('string');
    expect(await compareModels(changed, sample())).toBeTypeOf('string');
  });
});
