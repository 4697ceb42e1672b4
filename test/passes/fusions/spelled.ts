/** Small graphs over one activation, spelled by hand, and their fused form in onnxruntime. */
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Model } from '../../../src/graph/model.ts';
import { type Dim, tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { floatToHalf } from '../../../src/kernels/half.ts';
import type { PassRecord } from '../../../src/pipeline/pass-manager.ts';
import { codeOfDType, type DType } from '../../../src/tensor/dtype.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { buildModel, randomInput, randomNumbers } from '../../support/run-model.ts';
import { difference, runPasses } from '../run-pass.ts';

export type Make = (b: GraphBuilder, x: Value) => Value;

/** y = make(x), x float32 of this shape. */
export function modelOf(make: Make, shape: readonly Dim[] = ['batch', 5, 8]): Model {
  const model = buildModel((b) => b.output('y', make(b, b.input('x', tensorType('float32', shape)))));
  for (const { domain } of model.graph.nodes()) if (domain !== '') model.opsetImports.set(domain, 1);
  return model;
}

export interface Fused {
  readonly model: Model;
  readonly record: PassRecord;
  readonly ops: readonly string[];
  /** From the graph as it was, in standard deviations. */
  readonly error: number;
}

/** Runs passes over a graph and both graphs over inputs with a mean of their own. */
export async function fuse(pass: string, make: Make, shape: readonly number[] = [2, 5, 8]): Promise<Fused> {
  const model = modelOf(make, ['batch', ...shape.slice(1)]);
  const { record } = await runPasses(model, pass);
  const x = randomInput(shape, 3, 1.5);
  const feeds = { x: { ...x, data: Float32Array.from(x.data as Float32Array, (value) => value + 0.4) } };
  return {
    model,
    record,
    ops: [...model.graph.nodes()].map((node) => node.op),
    error: await difference(model, modelOf(make, ['batch', ...shape.slice(1)]), feeds),
  };
}

export const binary =
  (op: string) =>
  (b: GraphBuilder, left: Value, right: Value): Value =>
    b.op(op, [left, right]);
export const [add, sub, mul, div, pow] = ['Add', 'Sub', 'Mul', 'Div', 'Pow'].map(binary) as [
  ReturnType<typeof binary>,
  ReturnType<typeof binary>,
  ReturnType<typeof binary>,
  ReturnType<typeof binary>,
  ReturnType<typeof binary>,
];

export function mean(b: GraphBuilder, x: Value, axes: readonly number[] = [-1]): Value {
  return b.op('ReduceMean', [x, b.int64(axes)], { attributes: { keepdims: 1 } });
}

/** Numbers that differ from each other and from one. */
export function vector(b: GraphBuilder, seed: number, shape: readonly number[] = [8]): Value {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return b.float32(
    randomNumbers(count, seed, 0.5).map((value) => value + 1),
    shape,
  );
}

export function cast(b: GraphBuilder, x: Value, to: DType): Value {
  return b.op('Cast', [x], { attributes: { to: codeOfDType(to) } });
}

/** A float16 constant. */
export function half(b: GraphBuilder, values: readonly number[], shape: readonly number[] = []): Value {
  const bytes = new Uint8Array(floatToHalf(Float32Array.from(values)).buffer);
  return b.graph.addInitializer(b.graph.freshName('half'), inlineTensor('float16', shape, bytes));
}

/** x, rounded to uint8 and back. */
export function rounded(b: GraphBuilder, x: Value, step = 0.03): Value {
  const zero = b.graph.addInitializer(
    b.graph.freshName('zero'),
    inlineTensor('uint8', [], Uint8Array.of(128)),
  );
  const inputs = [b.scalar(step), zero];
  return b.op('DequantizeLinear', [b.op('QuantizeLinear', [x, ...inputs]), ...inputs]);
}
