import { expect, test } from 'vitest';
import { Graph } from '../../../src/graph/graph.ts';
import { inferCorrectedModel } from '../../../src/graph/infer/infer.ts';
import { createModel } from '../../../src/graph/model.ts';
import { formatType, tensorType, type ValueType } from '../../../src/graph/types.ts';
import { verifyModel } from '../../../src/graph/verify.ts';

/** x [2, 3] → Relu → "inner", declared as told → Relu → "result", declared as told. */
function chain(inner: ValueType, result: ValueType) {
  const graph = new Graph('g');
  const x = graph.addInput('x', tensorType('float32', [2, 3]));
  const first = graph.addNode({ op: 'Relu', inputs: [x], outputs: [{ name: 'inner', type: inner }] });
  const second = graph.addNode({
    op: 'Relu',
    inputs: first.outputs,
    outputs: [{ name: 'result', type: result }],
  });
  graph.setOutputs(second.outputs.filter((output) => output !== null));
  return createModel(graph, 20);
}

const right = tensorType('float32', [2, 3]);

test('the computed shape replaces a wrong one inside the graph, and the model is well formed then', () => {
  const model = chain(tensorType('float32', []), right);
  expect(() => verifyModel(model)).toThrow('VC3102');
  expect(inferCorrectedModel(model).map(({ name }) => name)).toEqual(['inner']);
  expect(formatType(model.graph.value('inner')?.type)).toBe('float32[2,3]');
  verifyModel(model);
});

test('nothing is corrected where declarations hold', () => {
  expect(inferCorrectedModel(chain(right, right))).toEqual([]);
});

test('another element type and the shape of an output are refused', () => {
  expect(() => inferCorrectedModel(chain(tensorType('float16', [2, 3]), right))).toThrow('VC3102');
  expect(() => inferCorrectedModel(chain(right, tensorType('float32', [3, 2])))).toThrow('VC3102');
});
