/**
 * Gates of what goes from block to block: each block by itself, fed with what the original has there, so that the one
 * that is off is named in the verdict. Judged is the worst block of a component; blocks that hold are many and alike.
 */
import { blockLimits } from './gate-limits.ts';
import {
  type BlockMetricName,
  type GateOverride,
  type GateVerdict,
  type Level,
  limitsGiven,
  type Precision,
  passes,
} from './gates.ts';
import type { BlockMetrics, ErrorCurve } from './report/report.ts';

interface BlockGate {
  readonly direction: GateVerdict['direction'];
  readonly read: (metrics: BlockMetrics) => number;
}

const blockGates: Readonly<Record<BlockMetricName, BlockGate>> = {
  finite: { direction: 'at-most', read: ({ nonFinite }) => nonFinite },
  max: { direction: 'at-most', read: ({ max }) => max },
  relative: { direction: 'at-most', read: ({ relative }) => relative },
  cosine: { direction: 'at-least', read: ({ cosine }) => cosine },
};

type Block = ErrorCurve['blocks'][number];

const ownErrors: Readonly<Partial<Record<Level, (block: Block) => BlockMetrics | undefined>>> = {
  rewrite: ({ rewrite }) => rewrite,
  implementation: ({ implementation }) => implementation,
  fidelity: ({ local }) => local,
};

/** Where the curve has a block's own error at a level; undefined where the level compares no blocks. */
export function ownError(level: string, block: Block): BlockMetrics | undefined {
  return ownErrors[level as Level]?.(block);
}

/** Judges every component at one level. */
export function judgeBlocks(
  level: Level,
  curves: readonly ErrorCurve[],
  precisionOf: Readonly<Record<string, Precision>>,
  overrides: readonly GateOverride[],
): readonly GateVerdict[] {
  return curves.flatMap(({ component, blocks }): GateVerdict[] => {
    const precision = precisionOf[component] ?? 'fp32';
    const own = limitsGiven(overrides, { level, output: 'blocks', component });
    const measured = blocks.flatMap((block) => {
      const metrics = ownError(level, block);
      return metrics === undefined ? [] : [{ name: block.name, metrics }];
    });
    if (measured.length === 0) return [];
    const limits: Readonly<Partial<Record<BlockMetricName, number>>> = {
      finite: 0,
      ...blockLimits[level][precision],
      ...own,
    };
    return Object.entries(limits).map(([key, limit]): GateVerdict => {
      const metric = key as BlockMetricName;
      const { direction, read } = blockGates[metric];
      const [worst, ...others] = measured.map((one) => ({ ...one, value: read(one.metrics) }));
      if (worst === undefined) throw new RangeError('there are blocks');
      const { name, metrics, value } = others.reduce(
        (a, b) => (isWorse(direction, b.value, a.value) ? b : a),
        worst,
      );
      const place =
        metric === 'cosine' || metric === 'relative' || metrics.worst === '' ? '' : `, ${metrics.worst}`;
      return {
        level,
        feed: 'local',
        output: 'blocks',
        component,
        metric,
        precision,
        direction,
        limit,
        from: Object.hasOwn(own, metric) ? 'user' : 'default',
        value,
        passed: passes(direction, value, limit),
        where: `${component} ${name}${place}`,
      };
    });
  });
}

/** What is no number is worse than any. */
function isWorse(direction: GateVerdict['direction'], value: number, than: number): boolean {
  if (Number.isNaN(than)) return false;
  return Number.isNaN(value) || (direction === 'at-most' ? value > than : value < than);
}
