/** Which block of a component errs most, for all forms of the report. */
import type { Level } from '../gates.ts';
import { ownError } from '../gates-blocks.ts';
import type { Finding } from './finding.ts';
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

export interface WorstBlock {
  readonly index: number;
  readonly block: Block;
  readonly level: Level;
  /** Its own error at that level. */
  readonly metrics: BlockMetrics;
  /** A finding is about it; else it is the one that errs most at fidelity, where blocks differ by nature. */
  readonly blamed: boolean;
}

/** The block of the component's first finding that has one; without such a finding the one that errs most. */
export function worstBlock(
  { component, blocks }: ErrorCurve,
  findings: readonly Finding[],
): WorstBlock | undefined {
  for (const { level, component: own, block: named } of findings) {
    const block = named === undefined || own !== component ? undefined : blocks[named.index];
    const metrics = block && ownError(level, block);
    if (named === undefined || block === undefined || metrics === undefined) continue;
    return { index: named.index, block, level: level as Level, metrics, blamed: true };
  }
  const largest = Math.max(...blocks.map(({ local }) => blockSize(local)));
  const index = blocks.findIndex(({ local }) => blockSize(local) === largest);
  const block = blocks[index];
  return block && { index, block, level: 'fidelity', metrics: block.local, blamed: false };
}

/** Without a full stop: `block 11 (resblocks.11) stands out: 0.31 at implementation, by itself`. */
export function worstBlockText({ index, block, level, metrics, blamed }: WorstBlock): string {
  return blamed
    ? `block ${index} (${block.name}) stands out: ${blockError(metrics)} at ${level}, by itself`
    : `largest own error ${blockError(metrics)} in block ${index} (${block.name})`;
}
