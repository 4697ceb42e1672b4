/** A pass between two graphs of a component, as a bisection sees it. */
import type { Model } from '../../graph/model.ts';
import type { WeightRecord } from '../../passes/pass.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { blockLimits } from '../gate-limits.ts';
import type { Precision } from '../gates.ts';

/** What a pass made of a model, and what that has to be compared with. */
export interface Applied {
  /** The model as it was, with the values that the pass says its weights effectively have now. */
  readonly fair: Model;
  /** What the pass made of it, with float activations: rounding them is no fault. */
  readonly after: Model;
}

export interface Stage extends Applied {
  /** As pipeline text. */
  readonly pass: string;
  /** Largest error, as max |error| / std of a value, that is none of the pass's fault. */
  readonly limit: number;
  /** What the pass was given. */
  readonly before: Model;
  /** What it made, as it is written: the next pass goes on from it. */
  readonly made: Model;
  /** Effective values of the weights of `before`. */
  readonly substitutes: ReadonlyMap<string, Tensor>;
  readonly coverage: readonly WeightRecord[];
  /** Runs the pass over another model. Throws what it throws. */
  readonly apply: (model: Model) => Promise<Applied>;
}

/**
 * Largest max |error| / std that a pass may make of a value, by what the graph is after it: what a block is held to at the
 * level `implementation`, which compares the same pairs of graphs.
 */
export function passLimit(precision: Precision): number {
  const { max } = blockLimits.implementation[precision];
  if (max === undefined) throw new RangeError(`no limit of a block in ${precision}`);
  return max;
}
