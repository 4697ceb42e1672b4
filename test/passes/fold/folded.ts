/** Folds a small model and holds it to what it gave before, on inputs of several sizes. */
import { expect } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Model } from '../../../src/graph/model.ts';
import type { Dim } from '../../../src/graph/types.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { float32Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { deviation } from '../../support/deviation.ts';
import { buildModel, randomNumbers, runModel } from '../../support/run-model.ts';
import { runPasses } from '../run-pass.ts';

export type Make = (b: GraphBuilder, x: Value) => Value | readonly Value[];

export interface Example {
  readonly make: Make;
  /** Of the float32 input x; names become the sizes of `runs`. */
  readonly shape?: readonly Dim[];
  /** Operators that are left, in order. */
  readonly left: readonly string[];
  /** The largest deviation that the order of sums may make. */
  readonly limit?: number;
}

export function build({ make, shape = ['n', 4, 6] }: Pick<Example, 'make' | 'shape'>): Model {
  return buildModel((b) => {
    const made = make(b, b.input('x', tensorType('float32', shape)));
    for (const [index, value] of (Array.isArray(made) ? made : [made]).entries())
      b.output(`y${index}`, value);
  });
}

/** The model after `fold`, which gives the same numbers where symbols are 1, 3 and 5, and folds no further. */
export async function folded(example: Example): Promise<Model> {
  const model = build(example);
  await runPasses(model, 'fold');
  expect([...model.graph.nodes()].map((node) => node.op)).toEqual(example.left);
  for (const size of [1, 3, 5]) {
    const shape = (example.shape ?? ['n', 4, 6]).map((dim) => (typeof dim === 'number' ? dim : size));
    const count = shape.reduce((product, dim) => product * dim, 1);
    const feeds: Record<string, RunTensor> = { x: float32Value(shape, randomNumbers(count, size)) };
    const expected = await runModel(build(example), feeds);
    for (const [name, found] of await runModel(model, feeds)) {
      const reference = expected.get(name);
      if (reference === undefined) throw new Error(`no output ${name}`);
      expect(found.shape).toEqual(reference.shape);
      if (example.limit === undefined) expect(found.data).toEqual(reference.data);
      else expect(deviation(toFloat32(found), toFloat32(reference))).toBeLessThan(example.limit);
    }
  }
  const { record } = await runPasses(model, 'fold');
  expect(record.stats).toEqual({});
  return model;
}

export function bools(
  b: GraphBuilder,
  values: readonly number[],
  shape: readonly number[] = [values.length],
): Value {
  return b.graph.addInitializer(
    b.graph.freshName('truth'),
    inlineTensor('bool', shape, Uint8Array.from(values)),
  );
}

export function int64Scalar(b: GraphBuilder, value: number): Value {
  return b.int64([value], []);
}

/** Element `axis` of the shape of a value, a scalar: as torch exporters write it. */
export function sizeOf(b: GraphBuilder, value: Value, axis: number): Value {
  return b.op('Gather', [b.op('Shape', [value]), int64Scalar(b, axis)], { attributes: { axis: 0 } });
}

/** A vector of scalars and numbers. */
export function shapeOf(b: GraphBuilder, parts: readonly (Value | number)[]): Value {
  const one = b.int64([0]);
  return b.op(
    'Concat',
    parts.map((part) => (typeof part === 'number' ? b.int64([part]) : b.op('Unsqueeze', [part, one]))),
    { attributes: { axis: 0 } },
  );
}
