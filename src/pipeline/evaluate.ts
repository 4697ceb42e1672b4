/** Runs small closed models in onnxruntime, for passes that fold constants. */
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModel } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import { openSession } from '../runtime/session.ts';
import { inlineTensor, type Tensor } from '../tensor/tensor.ts';

/**
 * The outputs of a model without inputs, by name. The runtime rewrites nothing, so that every operator is the one of
 * the specification. Throws VC6xxx when the runtime refuses the model.
 */
export async function evaluateModel(model: Model): Promise<ReadonlyMap<string, Tensor>> {
  const layout = layoutModel(model, { fileName: 'constants', inlineLimit: Number.MAX_SAFE_INTEGER });
  const session = await openSession(
    { bytes: await encodeModel(model, layout) },
    { device: 'cpu', optimize: 'disabled', pooled: false },
  );
  try {
    const outputs = await session.run(new Map());
    return new Map(
      [...outputs].map(([name, { dtype, shape, data }]) => {
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        return [name, inlineTensor(dtype, shape, bytes.slice())];
      }),
    );
  } finally {
    await session.release();
  }
}
