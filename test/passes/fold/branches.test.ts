import { expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import type { Value } from '../../../src/graph/value.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { bools, type Example, folded } from './folded.ts';

/** A body of one operator over an outer value and a constant of its own, which the two branches name alike. */
function body(b: GraphBuilder, name: string, op: string, x: Value): Graph {
  const graph = new Graph(name, b.graph);
  const bytes = new Uint8Array(Float32Array.of(3).buffer);
  const three = graph.addInitializer('three', inlineTensor('float32', [], bytes));
  const inner = graph.addNode({ op, inputs: [x, three], outputs: [{ name: 'inner' }] });
  inferNode(graph, inner);
  const result = graph.addNode({ op: 'Neg', inputs: [inner.output], outputs: [{ name: `${name}_result` }] });
  inferNode(graph, result);
  graph.setOutputs([result.output]);
  return graph;
}

function choose(b: GraphBuilder, condition: Value, x: Value): Value {
  return b.op('If', [condition], {
    attributes: {
      then_branch: { kind: 'graph', value: body(b, 'then', 'Mul', x) },
      else_branch: { kind: 'graph', value: body(b, 'else', 'Add', x) },
    },
  });
}

const cases: Readonly<Record<string, Example>> = {
  'takes the branch of a constant': {
    make: (b, x) => choose(b, bools(b, [1], []), x),
    left: ['Mul', 'Neg'],
  },
  'takes the other one, next to the first': {
    make: (b, x) => choose(b, bools(b, [0], [1]), choose(b, bools(b, [1], []), x)),
    left: ['Mul', 'Neg', 'Add', 'Neg'],
  },
  'takes the branch that sizes decide': {
    make: (b, x) => {
      const rank = b.op('Size', [b.op('Shape', [x])]);
      return choose(b, b.op('Equal', [rank, b.int64([3], [])]), x);
    },
    left: ['Mul', 'Neg'],
  },
  'leaves one that data decide': {
    make: (b, x) =>
      choose(b, b.op('Greater', [b.op('ReduceMax', [x], { attributes: { keepdims: 0 } }), b.scalar(1)]), x),
    left: ['ReduceMax', 'Greater', 'If'],
  },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  const model = await folded(each);
  // Names of the two bodies were the same.
  const names = [...model.graph.values()].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
