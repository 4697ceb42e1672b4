/** Builds a small graph and runs it in onnxruntime, all weights in the model file. */
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Device, openSession } from '../../src/runtime/session.ts';
import type { RunTensor } from '../../src/runtime/values.ts';

/**
 * Runs what `body` builds over the inputs; the values it returns come back under the same keys. The first axis
 * of every input is symbolic where `batched`.
 */
export async function runGraph<K extends string>(
  inputs: Readonly<Record<string, RunTensor>>,
  body: (b: GraphBuilder, inputs: Readonly<Record<string, Value>>) => Readonly<Record<K, Value>>,
  options: { readonly batched?: boolean; readonly device?: Device } = {},
): Promise<Readonly<Record<K, RunTensor>>> {
  const b = new GraphBuilder('test', inferNode);
  const values: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of Object.entries(inputs)) {
    const dims = options.batched === true ? ['batch_size', ...shape.slice(1)] : shape;
    values[name] = b.input(name, tensorType(dtype, dims));
  }
  const made = Object.entries(body(b, values)) as [K, Value][];
  for (const [name, value] of made) b.output(name, value);
  const model = createModel(b.graph, 20);
  const bytes = await encodeModel(
    model,
    layoutModel(model, { fileName: 'test', inlineLimit: Number.MAX_SAFE_INTEGER }),
  );
  const session = await openSession({ bytes }, { device: options.device ?? 'cpu' });
  try {
    const outputs = await session.run(new Map(Object.entries(inputs)));
    return Object.fromEntries(
      made.map(([name]) => {
        const value = outputs.get(name);
        if (value === undefined) throw new Error(`no output ${name}`);
        return [name, value];
      }),
    ) as Record<K, RunTensor>;
  } finally {
    await session.release();
  }
}

/** Repeatable numbers in [-1, 1), by a linear congruence. */
export function noise(count: number, seed = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
