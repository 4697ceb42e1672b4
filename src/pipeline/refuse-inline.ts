/** Small weights, which stand in the model file and which no worker reads, are held to the same rule as large ones. */
import { modelTensors } from '../formats/onnx/layout.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type LeafRange, leavesOf } from '../tensor/tiles.ts';
import { refuseNonFiniteBytes } from './engine/non-finite-bytes.ts';
import type { ModelToWrite } from './write-models.ts';

/** Throws VC3901 where a weight behind a tensor of the model file is NaN or infinite. */
export async function refuseNonFiniteInline(models: readonly ModelToWrite[]): Promise<void> {
  const seen = new Set<Tensor>();
  for (const { model, layout } of models) {
    for (const { tensor } of modelTensors(model)) {
      if (layout.placement.has(tensor) || seen.has(tensor)) continue;
      seen.add(tensor);
      for (const leaf of leaves(tensor)) {
        refuseNonFiniteBytes(leaf.tensor, leaf.begin, await leaf.tensor.read(leaf.begin, leaf.end));
      }
    }
  }
}

function leaves(tensor: Tensor): readonly LeafRange[] {
  const { origin } = tensor;
  if (origin.kind === 'inline') return [];
  if (origin.kind === 'source') return [{ tensor, begin: 0, end: tensor.byteLength }];
  return leavesOf(origin.derivation, 0, origin.derivation.rows);
}
