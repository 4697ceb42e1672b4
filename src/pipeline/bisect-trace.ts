/**
 * The passes of a component one at a time: the graph before and after each that changed something, and what it has to be
 * compared with. A pass that throws, breaks the graph or changes what it takes and gives ends the trace.
 */

import { cloneModel } from '../graph/clone.ts';
import type { Model } from '../graph/model.ts';
import { type Applied, passLimit, type Stage, withoutActivationQuantization } from '../parity/index.ts';
import { fail, VlmError } from '../report/diagnostics.ts';
import { list } from '../report/show.ts';
import type { Target } from '../targets/target.ts';
import { substituted } from './compile.ts';
import { type PassRecord, runPipeline } from './pass-manager.ts';
import { type PipelineStep, printPipeline } from './pipeline-text.ts';
import { precisionOfSteps } from './steps.ts';

/** A pass that did not get to its end. */
export interface Refusal {
  /** As pipeline text. */
  readonly pass: string;
  readonly before: Model;
  readonly error: VlmError;
  /** Runs the pass over another model. Throws what it throws. */
  readonly apply: (model: Model) => Promise<Applied>;
}

export interface TracedStage extends Stage {
  /** Of the steps that were given. */
  readonly step: PipelineStep;
}

export interface Trace {
  readonly stages: readonly TracedStage[];
  /** Passes that found nothing to do, as pipeline text. */
  readonly idle: readonly string[];
  readonly refusal?: Refusal;
}

/** `threshold`: instead of the limit that holds at the precision so far. Throws only what is a bug of ours. */
export async function tracePasses(
  model: Model,
  steps: readonly PipelineStep[],
  targets: readonly Target[],
  threshold?: number,
): Promise<Trace> {
  const stages: TracedStage[] = [];
  const idle: string[] = [];
  let before = model;
  for (const [index, step] of steps.entries()) {
    const pass = printPipeline([step]);
    const apply = async (other: Model): Promise<Applied> => fairly(await runStep(other, step, targets));
    let ran: Ran;
    try {
      ran = await runStep(before, step, targets);
      checkPorts(pass, before, ran.made);
    } catch (error) {
      if (!(error instanceof VlmError)) throw error;
      return { stages, idle, refusal: { pass, before, error, apply } };
    }
    if (!ran.record.changed) {
      idle.push(pass);
      continue;
    }
    const precision = precisionOfSteps(steps.slice(0, index + 1));
    const limit = threshold ?? passLimit(precision);
    const { made, substitutes, record } = ran;
    stages.push({
      step,
      pass,
      limit,
      before,
      ...fairly(ran),
      made,
      substitutes,
      coverage: record.coverage,
      apply,
    });
    before = made;
  }
  return { stages, idle };
}

interface Ran {
  readonly before: Model;
  readonly made: Model;
  readonly substitutes: Stage['substitutes'];
  readonly record: PassRecord;
}

async function runStep(before: Model, step: PipelineStep, targets: readonly Target[]): Promise<Ran> {
  const made = cloneModel(before);
  const { records, substitutes } = await runPipeline(made, [step], { targets });
  const [record] = records;
  if (record === undefined) throw new RangeError('a pass without a record');
  return { before, made, substitutes, record };
}

/** Weights are as the pass says that they are now, and activations are in float on both sides. */
function fairly({ before, made, substitutes }: Ran): Applied {
  const fair = substitutes.size === 0 ? before : substituted(before, substitutes);
  return { fair: exact(fair), after: exact(made) };
}

function exact(model: Model): Model {
  return withoutActivationQuantization(model) ?? model;
}

/** Throws VC6102 where a pass takes inputs that were not there, or gives other outputs. */
function checkPorts(pass: string, before: Model, made: Model): void {
  const names = (values: readonly { readonly name: string }[]): readonly string[] =>
    values.map(({ name }) => name);
  const [inputs, outputs] = [names(before.graph.inputs), names(before.graph.outputs)];
  const added = names(made.graph.inputs).filter((name) => !inputs.includes(name));
  if (added.length > 0) throw fail('VC6102', { where: pass, found: `a new input ${list(added)}` });
  const given = names(made.graph.outputs);
  if (given.join() !== outputs.join()) {
    throw fail('VC6102', { where: pass, found: `outputs ${list(given)}`, expected: list(outputs) });
  }
}
