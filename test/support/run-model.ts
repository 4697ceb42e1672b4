/** Runs small models in memory and gives passes something to work on. */
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { type Device, openSession } from '../../src/runtime/session.ts';
import { float32Value, type RunTensor } from '../../src/runtime/values.ts';
import { memorySource } from '../../src/tensor/byte-source.ts';
import { elementCount } from '../../src/tensor/dtype.ts';
import { sourceTensor, type Tensor } from '../../src/tensor/tensor.ts';

/** A model with one graph, opset 20, as the architectures build them. */
export function buildModel(body: (b: GraphBuilder) => void): Model {
  const builder = new GraphBuilder('test', inferNode);
  body(builder);
  return createModel(builder.graph, 20);
}

/** Runs a model with all its weights inside; feeds by input name. */
export async function runModel(
  model: Model,
  feeds: Readonly<Record<string, RunTensor>>,
  device: Device = 'cpu',
): Promise<ReadonlyMap<string, RunTensor>> {
  const layout = layoutModel(model, { fileName: 'test', inlineLimit: Number.MAX_SAFE_INTEGER });
  const session = await openSession({ bytes: await encodeModel(model, layout) }, { device });
  try {
    return await session.run(new Map(Object.entries(feeds)));
  } finally {
    await session.release();
  }
}

/** Normally distributed numbers, the same for the same seed. */
export function randomNumbers(count: number, seed: number, scale = 1): Float32Array {
  let state = seed * 2654435761 + 1;
  const uniform = (): number => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => scale * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** A weight as it lies in a checkpoint: float32, read from a source. */
export function randomWeight(name: string, shape: readonly number[], seed: number, scale = 0.2): Tensor {
  const bytes = new Uint8Array(randomNumbers(elementCount(shape), seed, scale).buffer);
  return sourceTensor({ dtype: 'float32', shape }, memorySource(name, bytes), 0, name);
}

export function randomInput(shape: readonly number[], seed: number, scale = 1): RunTensor {
  return float32Value(shape, randomNumbers(elementCount(shape), seed, scale));
}
