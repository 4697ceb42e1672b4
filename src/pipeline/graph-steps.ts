/**
 * The passes of a graph that somebody else exported, in three parts: those that make another model of it (another
 * resolution, an adapter), those that write the same model better, and those that round its weights.
 */
import { fail } from '../report/diagnostics.ts';
import { optimizePasses } from './optimize-passes.ts';
import type { Precision, ResolvedOptions } from './options.ts';
import { type PipelineStep, parsePipeline, printPipeline, step } from './pipeline-text.ts';
import { optionTargets, precisionOfSteps, precisionSteps } from './steps.ts';

/** Passes after which a model means something else. */
const changingPasses: ReadonlySet<string> = new Set(['retarget-resolution', 'merge-lora']);

export interface GraphSteps {
  /** What stands after them is what the output is held to. */
  readonly changing: readonly PipelineStep[];
  readonly optimising: readonly PipelineStep[];
  /** From the first pass that rounds on. */
  readonly rounding: readonly PipelineStep[];
  readonly precision: Precision;
}

/** Throws VC44xx for wrong pipeline text, VC4406 where a pass that changes the model follows one that rounds it. */
export function graphSteps(options: ResolvedOptions): GraphSteps {
  const steps = typeof options.passes === 'string' ? parsePipeline(options.passes) : usualSteps(options);
  const rounds = steps.findIndex((_, index) => precisionOfSteps(steps.slice(0, index + 1)) !== 'fp32');
  const end = rounds === -1 ? steps.length : rounds;
  const changes = steps.findLastIndex(({ pass }) => changingPasses.has(pass.name)) + 1;
  if (changes > end) {
    throw fail('VC4406', {
      where: printPipeline(steps.slice(changes - 1, changes)),
      found: `after ${printPipeline(steps.slice(end, end + 1))}`,
    });
  }
  return {
    changing: steps.slice(0, changes),
    optimising: steps.slice(changes, end),
    rounding: steps.slice(end),
    precision: precisionOfSteps(steps),
  };
}

function usualSteps(options: ResolvedOptions): readonly PipelineStep[] {
  const { resolution, precision } = options;
  const rounding =
    typeof precision === 'string' ? precisionSteps(precision, options, optionTargets(options)) : [];
  return [
    ...(resolution === undefined
      ? []
      : [step('retarget-resolution', { resolution: `${resolution.width}x${resolution.height}` })]),
    ...parsePipeline(optimizePasses),
    ...rounding,
    ...(rounding.length === 0 ? [] : [step('dead-code')]),
  ];
}
