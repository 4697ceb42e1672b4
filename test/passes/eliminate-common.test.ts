/** Equal nodes and constants are one where that is right, and stay two where it is not. */
import { expect, it } from 'vitest';
import { float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import { Graph } from '../../src/graph/graph.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { printModel } from '../../src/graph/print.ts';
import type { Value } from '../../src/graph/value.ts';
import { metadataKeys } from '../../src/rewrite/rewriter.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { randomWeight } from '../support/run-model.ts';
import { build, type Example, folded } from './fold/folded.ts';
import { runPasses } from './run-pass.ts';

const leaky = (b: GraphBuilder, x: Value, alpha: number) =>
  b.op('LeakyRelu', [x], { attributes: { alpha: float(alpha) } });

const cases: Readonly<Record<string, Example>> = {
  'equal chains': {
    make: (b, x) => b.op('Add', [b.op('Exp', [b.op('Neg', [x])]), b.op('Exp', [b.op('Neg', [x])])]),
    left: ['Neg', 'Exp', 'Add'],
  },
  'attributes that differ': {
    make: (b, x) => b.op('Add', [leaky(b, x, 0.1), leaky(b, x, 0.2)]),
    left: ['LeakyRelu', 'LeakyRelu', 'Add'],
  },
  'attributes that agree': {
    make: (b, x) => b.op('Add', [leaky(b, x, 0.1), leaky(b, x, 0.1)]),
    left: ['LeakyRelu', 'Add'],
  },
  'inputs in another order': {
    make: (b, x) => b.op('Add', [b.op('Sub', [x, b.scalar(2)]), b.op('Sub', [b.scalar(2), x])]),
    left: ['Sub', 'Sub', 'Add'],
  },
  'an output keeps its name': {
    make: (b, x) => {
      const [first, second] = [b.op('Neg', [x]), b.op('Neg', [x])];
      return [first, second, b.op('Exp', [second])];
    },
    left: ['Neg', 'Neg', 'Exp'],
  },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});

it('keeps what is random, and what another precision asks for', async () => {
  const model = build({
    make: (b, x) => {
      const noise = b.op('RandomNormalLike', [x]);
      const other = b.op('RandomNormalLike', [x]);
      const kept = { metadata: [[metadataKeys.precision, 'float32'] as const] };
      return [b.op('Sub', [noise, other]), b.op('Sub', [b.op('Exp', [x]), b.op('Exp', [x], kept)])];
    },
  });
  await runPasses(model, 'fold');
  expect([...model.graph.nodes()].map(({ op }) => op).sort()).toEqual([
    'Exp',
    'Exp',
    'RandomNormalLike',
    'RandomNormalLike',
    'Sub',
    'Sub',
  ]);
});

it('lets a body read what the graph around it has, and not the other way round', async () => {
  const model = build({
    make: (b, x) => {
      const branch = (name: string, op: string): Graph => {
        const graph = new Graph(name, b.graph);
        const inner = graph.addNode({ op: 'Exp', inputs: [x], outputs: [{ name: `${name}_exp` }] });
        const other = graph.addNode({ op: 'Sin', inputs: [x], outputs: [{ name: `${name}_sin` }] });
        const result = graph.addNode({
          op,
          inputs: [inner.output, other.output],
          outputs: [{ name: `${name}_out` }],
        });
        for (const node of [inner, other, result]) inferNode(graph, node);
        graph.setOutputs([result.output]);
        return graph;
      };
      const outer = b.op('Exp', [x]);
      const condition = b.op('Greater', [
        b.op('ReduceMax', [outer], { attributes: { keepdims: 0 } }),
        b.scalar(1),
      ]);
      const chosen = b.op('If', [condition], {
        attributes: {
          then_branch: { kind: 'graph', value: branch('then', 'Add') },
          else_branch: { kind: 'graph', value: branch('else', 'Sub') },
        },
      });
      return b.op('Mul', [chosen, b.op('Sin', [x])]);
    },
  });
  await runPasses(model, 'fold');
  const text = printModel(model);
  expect(text.match(/= Exp/g)).toHaveLength(1);
  expect(text.match(/= Sin/g)).toHaveLength(3);
});

it('joins small constants and what is derived alike, and leaves weights their names', async () => {
  const table = randomWeight('table', [6, 6], 1);
  const ones = inlineTensor('float32', [6], new Uint8Array(new Float32Array(6).fill(2).buffer));
  const transposed = (b: GraphBuilder) =>
    b.op('Transpose', [b.weight('table', table)], { attributes: { perm: [1, 0] } });
  const model = await folded({
    make: (b, x) => {
      const scale = (name: string) => b.graph.addInitializer(name, ones);
      const left = b.op('Mul', [b.op('MatMul', [x, transposed(b)]), scale('norm1.weight')]);
      const right = b.op('Mul', [b.op('MatMul', [b.op('Neg', [x]), transposed(b)]), scale('norm2.weight')]);
      const two = (name: string) =>
        b.graph.addInitializer(name, inlineTensor('int64', [1], new Uint8Array(8)));
      return [b.op('Unsqueeze', [left, two('a')]), b.op('Unsqueeze', [right, two('b')])];
    },
    left: ['MatMul', 'Mul', 'Neg', 'MatMul', 'Mul', 'Unsqueeze', 'Unsqueeze'],
  });
  expect([...model.graph.initializers()].map(({ name }) => name).sort()).toEqual([
    'a',
    'norm1.weight',
    'norm2.weight',
    'table',
  ]);
});
