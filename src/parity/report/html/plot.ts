/**
 * The frame of a chart that fits any width: geometry is a stretched SVG of 1000 x 1000 units whose strokes do not
 * stretch, labels are HTML beside it, so that they stay readable on a phone.
 */
import { html, type Markup, type Part } from './markup.ts';
import type { Tick } from './scale.ts';

export interface PlotSpec {
  /** What the script reads the values of the tooltip from: `curve:0`, `histogram:3`. */
  readonly id: string;
  /** Said instead of the picture. */
  readonly label: string;
  /** Number of columns that can be pointed at. */
  readonly columns: number;
  readonly yTitle: string;
  readonly xTitle: string;
  readonly yTicks: readonly Tick[];
  readonly xTicks: readonly Tick[];
  /** SVG elements, in units of `unit`. */
  readonly marks: Part;
}

/** Units along each axis; y grows downwards. */
export const unit = 1000;

export function plot(spec: PlotSpec): Markup {
  const grid = spec.yTicks.map(({ at }) => `M0 ${y(at)}H${unit}`).join('');
  return html`<div class="plot">
<div class="y-title">${spec.yTitle}</div>
<div class="y-axis" aria-hidden="true">${spec.yTicks.map(({ at, label }) => html`<span style="bottom:${percent(at)}">${label}</span>`)}</div>
<div class="area" tabindex="0" role="img" aria-label="${spec.label}" data-plot="${spec.id}" data-columns="${spec.columns}">
<svg viewBox="0 0 ${unit} ${unit}" preserveAspectRatio="none" aria-hidden="true"><path class="grid" d="${grid}"/>${spec.marks}</svg>
<div class="cursor" hidden></div></div>
<div class="x-axis" aria-hidden="true">${spec.xTicks.map(({ at, label }) => html`<span style="left:${percent(at)}">${label}</span>`)}</div>
<div class="x-title">${spec.xTitle}</div>
</div>
`;
}

/** Whole units from the top. */
export function y(at: number): number {
  return Math.round((1 - at) * unit);
}

/** Middle of column `index` of `count`, in whole units. */
export function middle(index: number, count: number): number {
  return Math.round(((index + 0.5) / count) * unit);
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))}%`;
}
