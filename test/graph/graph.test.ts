import { describe, expect, test } from 'vitest';
import { Graph } from '../../src/graph/graph.ts';
import { createModel } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { problemsOf } from '../../src/graph/verify.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';

const f32 = (...shape: number[]) => tensorType('float32', shape);
const weight = (count: number) => inlineTensor('float32', [count], new Uint8Array(4 * count));

/** x -> Relu a -> Neg b (output); If c reads a in its branches. */
function sample() {
  const graph = new Graph('g');
  const x = graph.addInput('x', f32(2));
  const c = graph.addInput('c', tensorType('bool', []));
  const a = graph.addNode({ op: 'Relu', inputs: [x], outputs: [{ name: 'a' }] });
  const branch = (name: string, op: string) => {
    const body = new Graph(name, graph);
    const node = body.addNode({ op, inputs: [a.output], outputs: [{ name: `${name}_y` }] });
    body.setOutputs([node.output]);
    return body;
  };
  const [yes, no] = [branch('yes', 'Exp'), branch('no', 'Abs')];
  const cond = graph.addNode({
    op: 'If',
    inputs: [c],
    outputs: [{ name: 'picked' }],
    attributes: { then_branch: { kind: 'graph', value: yes }, else_branch: { kind: 'graph', value: no } },
  });
  const b = graph.addNode({ op: 'Neg', inputs: [a.output], outputs: [{ name: 'b' }] });
  graph.setOutputs([b.output, cond.output]);
  return { graph, x, c, a, b, cond, yes, no };
}

/** What a failed edit must not change. */
function snapshot(graph: Graph): unknown {
  const values = [...graph.values()].map(({ name, uses }) => [
    name,
    [...uses].map(({ node, index }) => `${node.name}.${index}`).sort(),
  ]);
  const nodes = [...graph.nodes()].map(({ name, inputs, outputs, attributes }) => [
    name,
    inputs.map((input) => input?.name),
    outputs.map((output) => output?.name),
    [...attributes.keys()],
  ]);
  return { values, nodes, outputs: graph.outputs.map(({ name }) => name) };
}

function refuses(graph: Graph, edit: () => unknown, message: RegExp): void {
  const before = snapshot(graph);
  expect(edit).toThrow(message);
  expect(snapshot(graph)).toEqual(before);
}

const names = (values: Iterable<Value>) => [...values].map(({ name }) => name);
const consumers = (value: Value) =>
  value
    .consumers()
    .map(({ op }) => op)
    .sort();

test('values know who makes and who reads them, in bodies too', () => {
  const { graph, x, a, b } = sample();
  expect(consumers(a.output)).toEqual(['Abs', 'Exp', 'Neg']);
  expect(a.output.producer).toBe(a);
  expect(x.consumers()).toEqual([a]);
  expect(b.output.isOutput).toBe(true);
  expect(problemsOf(createModel(graph, 20))).toEqual([]);
});

describe('replaceAllUses', () => {
  test('reaches reads in bodies', () => {
    const { graph, a, x, yes } = sample();
    graph.replaceAllUses(a.output, x);
    expect(a.output.uses.size).toBe(0);
    expect([...yes.nodes()][0]?.inputs).toEqual([x]);
    expect(consumers(x)).toEqual(['Abs', 'Exp', 'Neg', 'Relu']);
    graph.removeNode(a);
    expect(problemsOf(createModel(graph, 20))).toEqual([]);
  });

  test('keeps the name of a graph output', () => {
    const { graph, a, b } = sample();
    const exp = graph.addNode({ op: 'Exp', inputs: [a.output] });
    const made = exp.output;
    graph.replaceAllUses(b.output, made);
    expect(names(graph.outputs)).toEqual(['b', 'picked']);
    expect(graph.outputs[0]).toBe(made);
    expect(made.name).toBe('b');
    expect(graph.value('b')).toBe(made);
    graph.removeNode(b);
    expect(problemsOf(createModel(graph, 20))).toEqual([]);
  });

  test('refuses an output whose name cannot move, and leaves everything as it was', () => {
    const { graph, a, b, x } = sample();
    graph.addNode({ op: 'Exp', inputs: [b.output], outputs: [{ name: 'later' }] });
    refuses(graph, () => graph.replaceAllUses(b.output, x), /insert an Identity/);
    const other = new Graph('other');
    const stranger = other.addInput('s', undefined);
    refuses(graph, () => graph.replaceAllUses(a.output, stranger), /not visible/);
  });

  test('a value of the graph around cannot become the output of a body', () => {
    const { yes, a } = sample();
    const inner = yes.outputs[0] as Value;
    refuses(yes, () => yes.replaceAllUses(inner, a.output), /insert an Identity/);
    refuses(yes, () => yes.setOutputs([a.output]), /not a value of graph yes/);
  });
});

describe('removal', () => {
  test('a node that is read, in a body even, stays', () => {
    const { graph, a, b } = sample();
    refuses(graph, () => graph.removeNode(a), /is in use/);
    refuses(graph, () => graph.removeNode(b), /graph output/);
  });

  test('a node takes the reads of its bodies with it', () => {
    const { graph, a, b, cond } = sample();
    graph.setOutputs([b.output]);
    graph.removeNode(cond);
    expect(consumers(a.output)).toEqual(['Neg']);
    expect(graph.freshName('yes_y')).toBe('yes_y');
    expect(() => graph.removeNode(cond)).toThrow(/not in g/);
    expect(() => graph.setInput(cond, 0, a.output)).toThrow(/not in g/);
    expect(() => graph.addNode({ op: 'Relu', inputs: [a.output] }, cond)).toThrow(/not in g/);
  });

  test('replacing a body drops the reads of the old one', () => {
    const { graph, a, cond } = sample();
    const body = new Graph('new', graph);
    const node = body.addNode({ op: 'Sqrt', inputs: [a.output], outputs: [{ name: 'new_y' }] });
    body.setOutputs([node.output]);
    graph.setAttribute(cond, 'then_branch', { kind: 'graph', value: body });
    expect(consumers(a.output)).toEqual(['Abs', 'Neg', 'Sqrt']);
    expect(problemsOf(createModel(graph, 20))).toEqual([]);
    const stray = new Graph('stray');
    refuses(
      graph,
      () => graph.setAttribute(cond, 'then_branch', { kind: 'graph', value: stray }),
      /subgraph/,
    );
  });

  test('iteration goes on under removal and insertion', () => {
    const graph = new Graph('g');
    const x = graph.addInput('x', f32(2));
    const chain = [x];
    for (let step = 0; step < 4; step += 1) {
      chain.push(graph.addNode({ op: 'Relu', name: `n${step}`, inputs: [chain.at(-1) ?? x] }).output);
    }
    graph.setOutputs([chain[2] as Value]);
    const seen: string[] = [];
    for (const node of graph.nodes()) {
      seen.push(node.name);
      if (node.name === 'n0') {
        graph.removeNode(chain[4]?.producer ?? node);
        graph.removeNode(chain[3]?.producer ?? node);
        graph.addNode({ op: 'Neg', inputs: [x] });
      }
    }
    expect(seen).toEqual(['n0', 'n1']);
    expect([...graph.nodes()].map(({ op }) => op)).toEqual(['Relu', 'Relu', 'Neg']);
  });

  test('initializers and inputs in use stay; the default of an input goes', () => {
    const graph = new Graph('g');
    const w = graph.addInitializer('w', weight(2));
    const x = graph.addInput('x', f32(2));
    const add = graph.addNode({ op: 'Add', inputs: [x, w] });
    graph.setOutputs([add.output]);
    refuses(graph, () => graph.removeInitializer(w), /in use/);
    refuses(graph, () => graph.removeInput(x), /in use/);
    graph.setInitializer(x, weight(2));
    graph.removeInitializer(x);
    expect(graph.value('x')).toBe(x);
    expect([...graph.initializers()]).toEqual([w]);
  });
});

describe('insertion', () => {
  test('before a node, and moves', () => {
    const { graph, a, b, x } = sample();
    const made = graph.addNode({ op: 'Tanh', inputs: [x] }, a);
    expect([...graph.nodes()].map(({ op }) => op)).toEqual(['Tanh', 'Relu', 'If', 'Neg']);
    graph.moveBefore(b, made);
    expect([...graph.nodes()].map(({ op }) => op)).toEqual(['Neg', 'Tanh', 'Relu', 'If']);
    expect(problemsOf(createModel(graph, 20)).map(({ code }) => code)).toEqual(['VC3002']);
  });

  test('is refused whole: taken and equal names, values that are not visible, bodies of others', () => {
    const { graph, x, yes } = sample();
    const inner = yes.outputs[0] as Value;
    refuses(graph, () => graph.addNode({ op: 'Relu', inputs: [x], outputs: [{ name: 'a' }] }), /taken/);
    refuses(graph, () => graph.addNode({ op: 'Relu', inputs: [inner] }), /not visible/);
    const twice = [{ name: 'n' }, { name: 'n' }];
    refuses(graph, () => graph.addNode({ op: 'Split', inputs: [x], outputs: twice }), /share a name/);
    refuses(
      graph,
      () => graph.addNode({ op: 'Split', inputs: [x], outputs: [{}, { name: '' }] }),
      /empty name/,
    );
    refuses(graph, () => yes.addNode({ op: 'Relu', inputs: [x], outputs: [{ name: 'a' }] }), /taken/);
    const body = { kind: 'graph', value: new Graph('stray') } as const;
    refuses(graph, () => graph.addNode({ op: 'Loop', inputs: [], attributes: { body } }), /subgraph/);
  });

  test('a derived output name makes way for one that is asked for', () => {
    const { graph, x } = sample();
    const node = graph.addNode({ op: 'Split', name: 's', inputs: [x], outputs: [{}, { name: 's_out0' }] });
    expect(node.outputs[1]?.name).toBe('s_out0');
    expect(new Set(node.outputs).size).toBe(2);
  });
});

describe('names', () => {
  test('fresh ones avoid those of the graphs around and of bodies', () => {
    const { graph, yes } = sample();
    expect(graph.freshName('yes_y')).toBe('yes_y_1');
    expect(yes.freshName('a')).toBe('a_1');
    expect(graph.freshName('new')).toBe('new');
  });

  test('renaming keeps the value and frees the old name', () => {
    const { graph, a } = sample();
    graph.renameValue(a.output, 'renamed');
    expect(graph.value('a')).toBe(undefined);
    expect(graph.value('renamed')).toBe(a.output);
    expect(graph.freshName('a')).toBe('a');
    refuses(graph, () => graph.renameValue(a.output, 'x'), /taken/);
    refuses(graph, () => graph.renameValue(a.output, ''), /needs a name/);
  });
});
