/** Which block of a component errs most, for all forms of the report. */
import type { Level } from '../gates.ts';
import type { BlockMetrics, ErrorCurve } from './report.ts';
import { formatNumber } from './text.ts';

export type Block = ErrorCurve['blocks'][number];

/** Whether every number of the block's output is finite, and so the error is. */
export function finiteBlock({ nonFinite, relative }: BlockMetrics): boolean {
  return nonFinite === 0 && Number.isFinite(relative);
}

/** `0.31`, `not finite`. */
export function blockError(metrics: BlockMetrics): string {
  return finiteBlock(metrics) ? formatNumber(metrics.relative) : 'not finite';
}

/** To sort by: what is not finite is beyond all others. */
export function blockSize(metrics: BlockMetrics): number {
  return finiteBlock(metrics) ? metrics.relative : Number.POSITIVE_INFINITY;
}

/** A block's own error at a level: fed with the reference's activations. */
interface OwnError {
  readonly level: Level;
  readonly of: (block: Block) => BlockMetrics | undefined;
  /** A block stands out when its error is above this, and so many times the median of the blocks. */
  readonly least: number;
  readonly times: number;
}

/**
 * In the order of what is compared. Rewrite and implementation know nothing of rounding weights: blocks err alike
 * there, at 1e-7 in float32 and 1e-3 in float16, and what does not is a fault. At fidelity blocks differ by nature.
 */
const ownErrors: readonly OwnError[] = [
  { level: 'rewrite', of: ({ rewrite }) => rewrite, least: 3e-5, times: 20 },
  { level: 'implementation', of: ({ implementation }) => implementation, least: 1e-4, times: 20 },
  { level: 'fidelity', of: ({ local }) => local, least: 0, times: 4 },
];

export interface WorstBlock {
  readonly index: number;
  readonly block: Block;
  readonly level: Level;
  /** Its own error at that level. */
  readonly metrics: BlockMetrics;
  readonly standsOut: boolean;
}

/** The first level's worst block that stands out there; where none does the one that errs most at fidelity. */
export function worstBlock({ blocks }: ErrorCurve): WorstBlock | undefined {
  let last: WorstBlock | undefined;
  for (const { level, of, least, times } of ownErrors) {
    const errors = blocks.flatMap((block, index) => {
      const metrics = of(block);
      return metrics === undefined ? [] : [{ index, block, level, metrics }];
    });
    const sizes = errors.map(({ metrics }) => blockSize(metrics)).sort((a, b) => a - b);
    const largest = sizes.at(-1) ?? 0;
    const worst = errors.find(({ metrics }) => blockSize(metrics) === largest);
    if (worst === undefined) continue;
    const median = sizes[Math.floor(sizes.length / 2)] ?? 0;
    const alone = largest === Number.POSITIVE_INFINITY || (largest > least && largest > times * median);
    last = { ...worst, standsOut: alone };
    if (alone) return last;
  }
  return last;
}

/** Without a full stop: `block 11 (resblocks.11) stands out: 0.31 at implementation`. */
export function worstBlockText({ index, block, level, metrics, standsOut }: WorstBlock): string {
  return standsOut && level !== 'fidelity'
    ? `block ${index} (${block.name}) stands out: ${blockError(metrics)} at ${level}, by itself`
    : `largest own error ${blockError(metrics)} in block ${index} (${block.name})`;
}
