/**
 * Intermediate values of a model as outputs of its graph. The clone that runs is made in memory and names the weights
 * where they stand, in the model file itself or in its data files, so that nothing is copied.
 */
import { basename, dirname, resolve } from 'node:path';
import { encodeModel } from '../../formats/onnx/encode.ts';
import { type ModelLayout, modelTensors } from '../../formats/onnx/layout.ts';
import { type OpenModel, openModel } from '../../formats/onnx/open.ts';
import type { Graph } from '../../graph/graph.ts';
import type { ModelInMemory } from '../../runtime/session.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** A value inside a graph. */
export interface Tap {
  readonly name: string;
  /** Name and operator of the node that makes it. */
  readonly node: string;
  readonly operator: string;
}

/** Tensors up to this size stay inside, where shape inference looks for shapes. */
const inlineLimit = 1024;

/** The values of the main graph that nodes make, in the order in which they are made; no outputs. */
export function innerValues(graph: Graph): readonly Tap[] {
  const taps: Tap[] = [];
  for (const node of graph.nodes()) {
    for (const value of node.outputs) {
      if (value === null || value.name === '' || value.isOutput) continue;
      const kind = value.type?.kind ?? 'tensor';
      if (kind === 'tensor') taps.push({ name: value.name, node: node.name, operator: node.op });
    }
  }
  return taps;
}

/** The model with more outputs. Throws what `openModel` and `encodeModel` throw. */
export async function tapped(path: string, names: readonly string[]): Promise<ModelInMemory> {
  const opened = await openModel(path);
  try {
    const { graph } = opened.model;
    const values = names.map((name) => graph.value(name)).filter((value) => value !== undefined);
    graph.setOutputs([...graph.outputs, ...values]);
    const bytes = await encodeModel(opened.model, inPlace(opened, basename(path)));
    return { bytes, folder: dirname(resolve(path)) };
  } finally {
    await opened.close();
  }
}

/** Every large weight where it stands. */
function inPlace({ model }: OpenModel, modelFile: string): ModelLayout {
  const placement = new Map<Tensor, ModelLayout['entries'][number]>();
  for (const { name, tensor, movable } of modelTensors(model)) {
    const { origin, byteLength } = tensor;
    if (!movable || origin.kind !== 'source' || byteLength <= inlineLimit || placement.has(tensor)) continue;
    placement.set(tensor, { tensor, name, file: origin.source.name, offset: origin.offset, byteLength });
  }
  return { modelFile, dataFiles: [], linkedFiles: [], entries: [...placement.values()], placement };
}
