/** Words and numbers that all forms of the report share. */
import type { View } from '../../architectures/media.ts';
import { componentText } from '../../report/roles.ts';
import type { GateLevel, GateVerdict } from '../gates.ts';
import type { LogitMetrics } from '../metrics.ts';
import type { ParityReport } from './report.ts';

export const levelTitles: Readonly<Record<GateLevel, string>> = {
  device: 'Device: the original on the device, against the original on the CPU',
  rewrite: 'Rewrite: the graph after merging and resizing, against the original',
  implementation: 'Implementation: against the plain graph with the same rounded weights',
  fidelity: 'Fidelity: against the original weights',
  ranges: 'Ranges: how many times larger activations could be before float16 has no number for them',
};

/** `0.9987`, `1.23e-7`: four digits, three beside an exponent. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return 'not finite';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2).replace(/\.?0+e/, 'e');
  return String(Number(value.toPrecision(4)));
}

/** `fidelity.logits.kl`, as `--gate` takes it. */
export function gateKey({ level, output, metric }: GateVerdict): string {
  return `${level}.${output}.${metric}`;
}

/** `≤ 0.35`, `≤ 0.05 (set)`, `≤ 0.21 (baseline)`. */
export function gateLimit({ direction, limit, from }: GateVerdict): string {
  const source = { default: '', user: ' (set)', baseline: ' (baseline)' }[from];
  return `${direction === 'at-most' ? '≤' : '≥'} ${formatNumber(limit)}${source}`;
}

/**
 * How much of what its limit allows a gate has used: 0 is exact, 1 is at the limit, more has failed. A metric that
 * has to be at least its limit (cosine, agreement) is measured from 1 down; headroom and decibels by how often they hold
 * the limit.
 */
export function usedShare({ metric, direction, limit, value, passed }: GateVerdict): number {
  if (metric === 'headroom' || metric === 'psnr' || metric === 'worst-block') return limit / value;
  const used = direction === 'at-most' ? value : 1 - value;
  const allowed = direction === 'at-most' ? limit : 1 - limit;
  if (used <= 0) return 0;
  const share = used / allowed;
  return Number.isFinite(share) ? share : passed ? 0 : Number.POSITIVE_INFINITY;
}

/** That every number is finite is worth a line only where it is not so. */
export function isQuiet(gate: GateVerdict): boolean {
  return gate.metric === 'finite' && gate.passed;
}

/** `130 %`, `320 ×`. */
export function shareText(share: number): string {
  if (!Number.isFinite(share)) return 'beyond';
  if (share > 0 && share < 1e-3) return '< 0.1 %';
  const two = (value: number): string => formatNumber(Number(value.toPrecision(2)));
  return share < 10 ? `${two(share * 100)} %` : `${two(share)} ×`;
}

/** `checkpoint, monkey`. */
export function modelText({ model }: ParityReport): string {
  return [model.name, model.architecture].filter((part) => typeof part === 'string').join(', ');
}

/** `vision (image encoder + projector) int4, embed int4, decoder int4`. */
export function precisionText({ precision, components = [] }: ParityReport): string {
  return Object.entries(precision)
    .map(([id, value]) => {
      const known = components.find((component) => component.id === id);
      return `${known === undefined ? id : componentText(known)} ${value}`;
    })
    .join(', ');
}

/** `tile row 0 column 2`. */
export function viewName(view: View): string {
  return view.kind === 'global' ? 'global view' : `tile row ${view.row ?? '?'} column ${view.column ?? '?'}`;
}

export function adapterName({ adapter }: View): string {
  return typeof adapter === 'number' ? `adapter ${adapter}` : 'base weights, no adapter';
}

/** Views that run an adapter trained for another position, or none. */
export function untrainedViews({ image }: ParityReport): readonly View[] {
  return image?.views.filter((view) => view.trained === false) ?? [];
}

/** `1831/1844 (98.8–99.6 %)`: rows with the same best token, and Wilson's interval. */
export function agreementText({ agreed, n, top1Interval }: LogitMetrics): string {
  const percent = (share: number): string => (100 * share).toFixed(1);
  return top1Interval === undefined
    ? `${agreed}/${n}`
    : `${agreed}/${n} (${percent(top1Interval.low)}–${percent(top1Interval.high)} %)`;
}

/** Of each output the gate that used most of its limit, in the order of the outputs. */
export function tightest({ gates }: ParityReport): readonly GateVerdict[] {
  const worst = new Map<string, GateVerdict>();
  for (const gate of gates) {
    const before = worst.get(gate.output);
    if (isQuiet(gate) && before !== undefined) continue;
    if (before === undefined || isQuiet(before) || usedShare(gate) > usedShare(before))
      worst.set(gate.output, gate);
  }
  return [...worst.values()];
}
