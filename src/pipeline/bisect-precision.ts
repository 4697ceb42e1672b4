/**
 * What a component loses by rounding its weights, and which of them to keep: weights are ranked by what giving each back
 * restores per byte (../parity/bisect/rank-weights.ts), the first ones are named in pipeline text, and the component
 * that this pipeline makes is run, so that what it is said to restore was measured.
 */

import type { Model } from '../graph/model.ts';
import {
  type ComponentRun,
  outputErrors,
  rankWeights,
  type WeightGain,
  type WeightRanking,
} from '../parity/index.ts';
import { keepPattern } from '../passes/keep-weights.ts';
import type { ComponentWork } from './bisect-components.ts';
import { type TracedStage, tracePasses } from './bisect-trace.ts';
import { type PipelineStep, printPipeline } from './pipeline-text.ts';

export interface PrecisionLoss {
  /** The pass that rounds, as pipeline text. */
  readonly pass: string;
  /** ‖error‖ / ‖value‖ of the component's outputs as converted, against the original, fed alike. */
  readonly relative: number;
  /** In the order of the graph. */
  readonly blocks: WeightRanking['blocks'];
  /** By what they restore per byte, the most first. */
  readonly weights: readonly WeightGain[];
  readonly advice?: PrecisionAdvice;
}

export interface PrecisionAdvice {
  readonly keep: readonly string[];
  readonly bytes: number;
  /** As `PrecisionLoss.relative`, of what this pipeline makes. */
  readonly relative: number;
  /** The value of `--passes`. */
  readonly passes: string;
}

/** No more names are put into pipeline text. */
const mostKept = 8;
/** Of the squared errors of all blocks: more is not asked for. */
const enough = 0.5;

/** Undefined where no pass rounds weights, or none of them is another one then. `stages`: of this component, none of them at fault. */
export async function precisionLoss(
  original: Model,
  stages: readonly TracedStage[],
  steps: readonly PipelineStep[],
  run: ComponentRun,
  work: ComponentWork,
): Promise<PrecisionLoss | undefined> {
  const stage = stages.find(({ substitutes }) => substitutes.size > 0);
  const made = stages.at(-1)?.made;
  if (stage === undefined || made === undefined) return undefined;
  const { device, cut, place, signal } = work;
  const onPart = (what: string) => (block: string) => work.onStep(`${run.component}, ${what} of ${block}`);
  const shared = { run, cut, device, place, signal };
  const { blocks, weights } = await rankWeights({ stage, onPart: onPart('weights'), ...shared });
  // Weights may be such that nothing was lost.
  if (blocks.every((block) => block.relative === 0)) return undefined;
  const keep = choose(weights);
  const other = keep.length === 0 ? undefined : withKept(steps, stage, keep);
  const kept =
    other &&
    ((await tracePasses(original, other, work.targets.get(run.component) ?? [])).stages.at(-1)?.made ??
      original);
  const models = [made, ...(kept === undefined ? [] : [kept])];
  const [relative = 0, restored] = await outputErrors({
    original,
    models,
    onPart: onPart('outputs'),
    ...shared,
  });
  const loss: PrecisionLoss = { pass: stage.pass, relative, blocks, weights };
  if (other === undefined || restored === undefined) return loss;
  const bytes = keep.reduce((sum, weight) => sum + weight.bytes, 0);
  const passes = `${run.component}:${printPipeline(other)}`;
  return { ...loss, advice: { keep: keep.map(({ name }) => name), bytes, relative: restored, passes } };
}

/** The first ones, until they make up for enough of the loss. */
function choose(weights: readonly WeightGain[]): readonly WeightGain[] {
  const chosen: WeightGain[] = [];
  let gained = 0;
  for (const weight of weights) {
    if (weight.ofAll <= 0 || gained >= enough || chosen.length >= mostKept) break;
    chosen.push(weight);
    gained += weight.ofAll;
  }
  return chosen;
}

/** Undefined where the pass takes no such option. */
function withKept(
  steps: readonly PipelineStep[],
  { step }: TracedStage,
  weights: readonly WeightGain[],
): readonly PipelineStep[] | undefined {
  const earlier = step.options.keep;
  if (typeof earlier !== 'string') return undefined;
  const names = weights.map(({ name }) => keepPattern(name));
  const keep = [...(earlier === '' ? [] : [earlier]), ...names].join('|');
  return steps.map((one) => (one === step ? { ...step, options: { ...step.options, keep } } : one));
}
