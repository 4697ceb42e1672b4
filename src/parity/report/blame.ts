/**
 * What a report's failed gates lead to: which component and which of its blocks is off first, on the way from the
 * original to the output. What a finding explains is not blamed again: errors at fidelity where an earlier level is
 * off already in the same component or in one that feeds it.
 */
import { blockLimits } from '../gate-limits.ts';
import type { GateVerdict, Level } from '../gates.ts';
import { levels } from '../gates.ts';
import { ownError } from '../gates-blocks.ts';
import { finiteBlock } from './blocks.ts';
import type { ErrorCurve, ParityReport } from './report.ts';

export interface Suspect {
  readonly level: Level;
  readonly component: string;
  readonly block?: { readonly index: number; readonly name: string };
  /** As many more blocks of the component are off, which have no suspect of their own. */
  readonly otherBlocks: number;
  readonly limits: BlockLimits;
  /** The gate that failed first. */
  readonly gate: GateVerdict;
}

/** What a block's own error may be. */
export interface BlockLimits {
  readonly relative: number;
  readonly max: number;
}

type Judged = Pick<ParityReport, 'gates' | 'curves' | 'precision'>;

/** In the order of the levels, and within them of the components; empty where all gates passed. */
export function suspects(report: Judged): readonly Suspect[] {
  const found: Suspect[] = [];
  const failed = report.gates.filter((gate) => !gate.passed && gate.from !== 'baseline');
  for (const level of levels) {
    for (const component of new Set(
      failed.filter((gate) => gate.level === level).map((gate) => gate.component),
    )) {
      if (level === 'fidelity' && isExplained(component, found, report)) continue;
      found.push(...suspectsOf(level, component, failed, report));
    }
  }
  return found;
}

/** Components come in the order in which they feed each other; a fault of one reaches those behind it in chain. */
function isExplained(component: string, found: readonly Suspect[], { curves = [], gates }: Judged): boolean {
  const order = curves.map((curve) => curve.component);
  const chained = gates.some((gate) => gate.component === component && gate.feed === 'chain');
  return found.some(
    (one) =>
      one.component === component || (chained && order.indexOf(one.component) < order.indexOf(component)),
  );
}

/** As many blocks of one component are looked at by themselves. */
const mostBlocks = 3;

function suspectsOf(
  level: Level,
  component: string,
  failed: readonly GateVerdict[],
  report: Judged,
): readonly Suspect[] {
  const gate = failed.find((one) => one.level === level && one.component === component);
  if (gate === undefined) throw new RangeError(`no gate of ${component} failed at ${level}`);
  const limits = limitsOf(level, component, report);
  const base = { level, component, otherBlocks: 0, limits, gate };
  const curve = report.curves?.find((one) => one.component === component);
  const off = curve === undefined ? [] : blocksOff(level, curve, limits);
  if (off.length === 0) return [base];
  const shown = off.slice(0, mostBlocks).map((block): Suspect => ({ ...base, block }));
  const [last] = shown.slice(-1);
  return last === undefined
    ? []
    : [...shown.slice(0, -1), { ...last, otherBlocks: off.length - shown.length }];
}

/** Those that the gates judged by, the user's among them. */
function limitsOf(level: Level, component: string, { gates, precision }: Judged): BlockLimits {
  const limit = (metric: 'relative' | 'max'): number => {
    const gate = gates.find(
      (one) =>
        one.level === level &&
        one.component === component &&
        one.output === 'blocks' &&
        one.metric === metric &&
        one.from !== 'baseline',
    );
    const known = gate?.limit ?? blockLimits[level][precision[component] ?? 'fp32'][metric];
    return known ?? Number.POSITIVE_INFINITY;
  };
  return { relative: limit('relative'), max: limit('max') };
}

/** Blocks that are off by themselves; a fault that only accumulates has none. */
function blocksOff(
  level: Level,
  { blocks }: ErrorCurve,
  limits: BlockLimits,
): readonly { readonly index: number; readonly name: string }[] {
  return blocks.flatMap((block, index) => {
    const metrics = ownError(level, block);
    if (metrics === undefined) return [];
    const within = finiteBlock(metrics) && metrics.relative <= limits.relative && metrics.max <= limits.max;
    return within ? [] : [{ index, name: block.name }];
  });
}
