/** A model with a bit of everything, for the printer and for copies. */
import { float } from '../../src/graph/attribute.ts';
import { Graph } from '../../src/graph/graph.ts';
import { inferModel } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { memorySource } from '../../src/tensor/byte-source.ts';
import { derivedTensor, inlineTensor, sourceTensor } from '../../src/tensor/tensor.ts';

export function sampleModel(): Model {
  const graph = new Graph('main graph');
  graph.docString = 'a sample';
  graph.metadata.set('origin', 'test');
  const x = graph.addInput('x', tensorType('float32', ['batch', 4]));
  const flag = graph.addInput('flag', tensorType('bool', []));
  const file = memorySource('model.safetensors', new Uint8Array(64));
  const stored = sourceTensor({ dtype: 'bfloat16', shape: [4, 4] }, file, 0, 'layer.weight');
  const turned = derivedTensor({
    op: 'transpose2d',
    params: {},
    inputs: [stored],
    outputs: [{ dtype: 'bfloat16', shape: [4, 4] }],
    rows: 4,
    needs: () => [],
    compute: () => {},
  });
  const weight = graph.addInitializer('layer.weight', turned);
  const shape = graph.addInitializer(
    'shape',
    inlineTensor('int64', [3], new Uint8Array(BigInt64Array.of(0n, 2n, -1n).buffer)),
  );
  const values = inlineTensor('float32', [1], new Uint8Array(4));
  const indices = inlineTensor('int64', [1], new Uint8Array(8));
  const sparse = graph.addSparseInitializer('sparse', { values, indices, shape: [4] });
  const scope = [['vlm-convert.scope', 'block.0/mlp']] as const;
  const cast = graph.addNode({ op: 'Cast', inputs: [weight], attributes: { to: 1 }, name: 'cast' });
  const product = graph.addNode({ op: 'MatMul', inputs: [x, cast.output], name: 'product', metadata: scope });
  const sum = graph.addNode({ op: 'Add', inputs: [product.output, sparse], name: 'sum', metadata: scope });
  const branch = (name: string, op: string, attributes = {}) => {
    const body = new Graph(name, graph);
    const made = body.addNode({ op, inputs: [sum.output], attributes, outputs: [{ name: `${name} out` }] });
    body.setOutputs([made.output]);
    return { kind: 'graph', value: body } as const;
  };
  const picked = graph.addNode({
    op: 'If',
    inputs: [flag],
    attributes: {
      then_branch: branch('yes', 'Elu', { alpha: float(0.5) }),
      else_branch: branch('no', 'Relu'),
    },
    name: 'pick',
  });
  const odd = graph.addNode({
    op: 'Odd',
    domain: 'my.domain',
    inputs: [picked.output, null],
    outputs: [{ name: 'odd' }, null],
    attributes: {
      mode: 'a"b',
      many: Array.from({ length: 12 }, (_, index) => index),
      weights: { kind: 'floats', value: [1] },
    },
  });
  const y = graph.addNode({ op: 'Reshape', inputs: [picked.output, shape], outputs: [{ name: 'y' }] });
  graph.setOutputs([y.output, odd.output]);
  const model = createModel(graph, 20);
  model.opsetImports.set('my.domain', 2);
  model.metadata.set('key', 'value');
  inferModel(model);
  return model;
}
