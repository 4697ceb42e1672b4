import { expect, test } from 'vitest';
import { Graph } from '../../src/graph/graph.ts';
import { createModel } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { sampleModel } from './sample-model.ts';

test('a model as text', () => {
  expect(printModel(sampleModel())).toMatchInlineSnapshot(`
    "model ai.onnx 20, my.domain 2
    graph "main graph" {
      in  x: float32[batch,4]
      in  flag: bool[]
      out y: float32[batch,2,2]
      out odd: ?
      weight layer.weight: bfloat16[4,4] = transpose2d(model.safetensors:layer.weight)
      weight shape: int64[3] = [0, 2, -1]
      sparse sparse: float32[4]
      cast_out0: float32[4,4] = Cast(layer.weight) {to=1}
      # block.0/mlp
      product_out0: float32[batch,4] = MatMul(x, cast_out0)
      sum_out0: float32[batch,4] = Add(product_out0, sparse)
      # -
      pick_out0: float32[batch,4] = If(flag)
        then_branch yes {
          out "yes out": float32[batch,4]
          "yes out": float32[batch,4] = Elu(sum_out0) {alpha=0.5f}
        }
        else_branch no {
          out "no out": float32[batch,4]
          "no out": float32[batch,4] = Relu(sum_out0)
        }
      odd: ?, - = my.domain::Odd(pick_out0, -) {mode="a\\"b", many=[0, 1, 2, 3, 4, 5, 6, 7, … 12], weights=[1f]}
      y: float32[batch,2,2] = Reshape(pick_out0, shape)
    }
    "
  `);
});

test('a few floats by value, with the digits that they need', () => {
  const graph = new Graph('g');
  const add = (values: readonly number[]): string => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    const { name } = graph.addInitializer(
      graph.freshName('w'),
      inlineTensor('float32', [values.length], bytes),
    );
    return (
      new RegExp(`weight ${name}: float32\\[\\d\\] = (.*)`).exec(printModel(createModel(graph, 20)))?.[1] ??
      ''
    );
  };
  expect(add([1e-5, 0.1, -0, 1 / 3])).toBe('[0.00001f, 0.1f, -0f, 0.33333334f]');
  expect(add([Number.NaN, Number.NEGATIVE_INFINITY])).toBe('[NaNf, -Infinityf]');
  expect(add([1, 2, 3, 4, 5])).toBe('inline');
});
