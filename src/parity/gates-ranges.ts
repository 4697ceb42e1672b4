/** Gates of a sweep over sizes: whether float16 holds the activations of each component, and with how much to spare. */
import { type DiagnosticRecord, diagnostic } from '../report/diagnostics.ts';
import { type GateOverride, type GateVerdict, limitsGiven, type Precision, passes } from './gates.ts';
import { float16Max } from './ranges/float16-range.ts';
import type { ComponentRanges, RangeReport } from './report/range-report.ts';
import type { ParityReport } from './report/report.ts';

/** At 1 the largest activation is the largest float16. */
const defaultLimit = 1;

/**
 * Below this other pictures or prompts may leave the range: over 12 drawn samples the maxima of small models' values
 * differ by up to 2.2, and what is drawn is tamer than what users have.
 */
const spare = 4;

/**
 * One verdict per size and component that computes in float16, or that is not finite. Its value is the least headroom;
 * 0 where something is not finite though every value has room.
 */
export function judgeRanges(
  { sizes }: RangeReport,
  precisionOf: Readonly<Record<string, Precision>>,
  overrides: readonly GateOverride[],
): readonly GateVerdict[] {
  return sizes.flatMap(({ size, components }) =>
    components.flatMap((one): GateVerdict[] => {
      if (!one.float16 && one.nonFinite === undefined) return [];
      const value = leastHeadroom(one);
      if (value === undefined) return [];
      const at = { level: 'ranges', output: 'activations', component: one.component } as const;
      const given = limitsGiven(overrides, at).headroom;
      const limit = given ?? defaultLimit;
      return [
        {
          ...at,
          feed: 'chain',
          metric: 'headroom',
          precision: precisionOf[one.component] ?? 'fp32',
          direction: 'at-least',
          limit,
          from: given === undefined ? 'default' : 'user',
          value,
          passed: passes('at-least', value, limit),
          where: placeText(one, size),
          size,
        },
      ];
    }),
  );
}

/** Undefined where there was nothing to measure. */
function leastHeadroom({ nearest, nonFinite }: ComponentRanges): number | undefined {
  const least = nearest[0]?.headroom;
  return nonFinite !== undefined && (least === undefined || least >= 1) ? 0 : least;
}

/** The first node that float16 does not hold, else the one that comes nearest. */
function placeText({ nearest, nonFinite }: ComponentRanges, size: string): string {
  const found = nonFinite ?? nearest[0];
  return found === undefined ? size : `${size}, ${found.node} (${found.operator}), ${found.where}`;
}

/** VC6111 per component that float16 holds with little to spare, in fused attention too, at the size with the least. */
export function rangeWarnings({ sizes }: RangeReport): readonly DiagnosticRecord[] {
  const ids = new Set(sizes.flatMap(({ components }) => components.map(({ component }) => component)));
  return [...ids].flatMap((id): DiagnosticRecord[] => {
    const rows = sizes.flatMap(({ size, components }) =>
      components
        .filter((one) => one.component === id && one.float16)
        .flatMap(({ nearest, inside }) => [
          ...nearest.slice(0, 1).map((row) => ({ ...row, size, fused: false })),
          ...inside.slice(0, 1).map((row) => ({ ...row, size, fused: true })),
        ]),
    );
    const [least] = rows.sort((a, b) => a.headroom - b.headroom);
    if (least === undefined || least.headroom >= spare) return [];
    // Beyond the range the gate speaks, but not for what fused attention keeps to itself.
    if (least.headroom < 1 && !least.fused) return [];
    return [
      diagnostic('VC6111', {
        where: `${id} at ${least.size}: ${least.node} (${least.operator}${least.fused ? ', inside fused attention' : ''}), ${least.where}`,
        found: `${Number(least.max.toPrecision(4))}`,
        expected: `at most ${float16Max / spare}, a headroom of ${spare}`,
      }),
    ];
  });
}

/** The report with what a sweep measured: its gates count like all others. */
export function withRanges(
  report: ParityReport,
  ranges: RangeReport,
  overrides: readonly GateOverride[],
): ParityReport {
  const gates = [...report.gates, ...judgeRanges(ranges, report.precision, overrides)];
  return {
    ...report,
    passed: gates.every((gate) => gate.passed),
    warnings: [...report.warnings, ...rangeWarnings(ranges)],
    gates,
    ranges,
  };
}
