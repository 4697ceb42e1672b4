/** Runs a pipeline given as text over a model, as a conversion does, and keeps what the passes said. */
import type { Model } from '../../src/graph/model.ts';
import { type Instrumentation, type PassRecord, runPipeline } from '../../src/pipeline/pass-manager.ts';
import { parsePipeline } from '../../src/pipeline/pipeline-text.ts';
import type { RunTensor } from '../../src/runtime/values.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { deviation } from '../support/deviation.ts';
import { runModel } from '../support/run-model.ts';

export interface PassRun {
  /** Of the last pass. */
  readonly record: PassRecord;
  readonly substitutes: ReadonlyMap<string, Tensor>;
}

export async function runPasses(
  model: Model,
  text: string,
  instrumentation: Instrumentation = {},
): Promise<PassRun> {
  const { records, substitutes } = await runPipeline(model, parsePipeline(text), instrumentation);
  const record = records.at(-1);
  if (record === undefined) throw new Error('no pass ran');
  return { record, substitutes };
}

/** Gives a model the values that a pass says its weights effectively have. */
export function substitute(model: Model, substitutes: ReadonlyMap<string, Tensor>): void {
  for (const [name, tensor] of substitutes) {
    const value = model.graph.value(name);
    if (value?.initializer === undefined) throw new Error(`no initializer ${name}`);
    model.graph.setInitializer(value, tensor);
  }
}

export type Feeds = Readonly<Record<string, RunTensor>>;

/** The worst deviation over all outputs of two models on the same inputs, in standard deviations. */
export async function difference(found: Model, expected: Model, feeds: Feeds): Promise<number> {
  const [outputs, references] = [await runModel(found, feeds), await runModel(expected, feeds)];
  let worst = 0;
  for (const [name, reference] of references) {
    const output = outputs.get(name);
    if (output === undefined) throw new Error(`no output ${name}`);
    worst = Math.max(worst, deviation(toFloat32(output), toFloat32(reference)));
  }
  return worst;
}

export function countOps(model: Model, op: string): number {
  return [...model.graph.nodes()].filter((node) => node.op === op).length;
}
