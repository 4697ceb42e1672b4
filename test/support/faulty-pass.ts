/** Passes that are wrong in one place, made of sound ones. */
import type { Model } from '../../src/graph/model.ts';
import type { Node } from '../../src/graph/node.ts';
import type { Value } from '../../src/graph/value.ts';
import type { PipelineStep } from '../../src/pipeline/pipeline-text.ts';
import { readAll, type Tensor } from '../../src/tensor/tensor.ts';

/** The first step of this name does something besides. */
export function faulty(
  steps: readonly PipelineStep[],
  name: string,
  plant: (model: Model) => void,
): readonly PipelineStep[] {
  const at = steps.findIndex(({ pass }) => pass.name === name);
  if (at === -1) throw new Error(`there is no ${name}`);
  return steps.map((step, index) => (index === at ? wrong(step, plant) : step));
}

function wrong({ pass, options }: PipelineStep, plant: (model: Model) => void): PipelineStep {
  return {
    options,
    pass: {
      ...pass,
      run: async (model, given, cx) => {
        const result = await pass.run(model, given, cx);
        plant(model);
        return { ...result, changed: true };
      },
    },
  };
}

/** The nodes of one kind in a module, in order; none where the model is a part without it. */
export function nodesOf(model: Model, scope: string, op: string): readonly Node[] {
  return [...model.graph.nodes()].filter(
    (node) => node.op === op && node.metadata.get('vlm-convert.scope') === scope,
  );
}

/** Gives a constant other bytes, which are made when they are read: passes read nothing. */
export function changeLater(
  model: Model,
  value: Value | undefined,
  change: (bytes: Uint8Array) => void,
): void {
  const tensor = value?.initializer;
  if (value === undefined || tensor === undefined) return;
  const later: Tensor = {
    dtype: tensor.dtype,
    shape: tensor.shape,
    byteLength: tensor.byteLength,
    origin: { kind: 'inline', bytes: new Uint8Array(0) },
    read: async (begin, end) => {
      const bytes = Uint8Array.from(await readAll(tensor));
      change(bytes);
      return bytes.subarray(begin, end);
    },
  };
  model.graph.setInitializer(value, later);
}
