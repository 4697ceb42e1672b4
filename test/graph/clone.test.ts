import { expect, test } from 'vitest';
import { cloneModel } from '../../src/graph/clone.ts';
import type { Graph } from '../../src/graph/graph.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { problemsOf } from '../../src/graph/verify.ts';
import { sampleModel } from './sample-model.ts';

/** Everything of a model that must not be shared with its copy. */
function objects(model: Model): Set<object> {
  const found = new Set<object>([model, model.opsetImports, model.metadata, model.functions]);
  const visit = (graph: Graph): void => {
    found.add(graph).add(graph.metadata).add(graph.sparseInitializers);
    for (const value of graph.values()) found.add(value).add(value.uses).add(value.metadata);
    for (const node of graph.nodes()) {
      found.add(node).add(node.inputs).add(node.attributes).add(node.metadata);
      for (const [, body] of node.subgraphs()) visit(body);
    }
  };
  visit(model.graph);
  return found;
}

test('a copy reads the same and shares nothing but tensors', () => {
  const model = sampleModel();
  const copy = cloneModel(model);
  expect(printModel(copy)).toBe(printModel(model));
  expect(problemsOf(copy)).toEqual([]);
  const shared = [...objects(copy)].filter((object) => objects(model).has(object));
  expect(shared).toEqual([]);
  expect(copy.graph.value('layer.weight')?.initializer).toBe(model.graph.value('layer.weight')?.initializer);
  expect(copy.graph.docString).toBe('a sample');
  expect([...copy.graph.metadata]).toEqual([['origin', 'test']]);
});

test('edits of a copy do not reach the original', () => {
  const model = sampleModel();
  const before = printModel(model);
  const copy = cloneModel(model);
  const sum = [...copy.graph.nodes()].find((node) => node.name === 'sum');
  const product = sum?.input(0);
  if (sum === undefined || product === undefined) throw new Error('the sample changed');
  copy.graph.replaceAllUses(sum.output, product);
  copy.graph.removeNode(sum);
  copy.metadata.clear();
  expect(printModel(copy)).not.toBe(before);
  expect(printModel(model)).toBe(before);
  expect(problemsOf(model)).toEqual([]);
  expect(problemsOf(copy)).toEqual([]);
});

test('what formats carry, and inputs with defaults, come along', () => {
  const model = sampleModel();
  const carried = { rest: 1 };
  const x = model.graph.inputs[0];
  const node = [...model.graph.nodes()][0];
  const weight = model.graph.value('shape');
  if (x === undefined || node === undefined || weight?.initializer === undefined)
    throw new Error('the sample changed');
  x.carry = carried;
  node.carry = carried;
  model.graph.carry = carried;
  const count = model.graph.addInput('count', weight.type);
  const declared = { ...count.type, shape: ['n'] } as typeof count.type;
  model.graph.setInitializer(count, weight.initializer);
  model.graph.setType(count, declared);
  const copy = cloneModel(model);
  expect(copy.graph.inputs[0]?.carry).toBe(carried);
  expect([...copy.graph.nodes()][0]?.carry).toBe(carried);
  expect(copy.graph.carry).toBe(carried);
  expect(copy.graph.value('count')?.isInput).toBe(true);
  expect(copy.graph.value('count')?.initializer).toBe(weight.initializer);
  expect(copy.graph.value('count')?.type).toEqual(declared);
});
