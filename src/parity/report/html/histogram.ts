/** How the differences of the logits spread: bars over bins, counts on a logarithmic axis so that the tails show. */
import type { Histogram } from '../../metrics.ts';
import { html, type Markup } from './markup.ts';
import { plot, unit, y } from './plot.ts';
import { counts as countScale, valueTicks } from './scale.ts';

export function histogramChart(histogram: Histogram, id: string, title: string): Markup {
  const { edges, counts } = histogram;
  const scale = countScale(counts);
  const width = unit / counts.length;
  const gap = Math.min(4, width / 6);
  const bars = counts
    .map((count, index) =>
      count === 0
        ? ''
        : `M${round(index * width + gap / 2)} ${unit}V${y(scale.at(count))}h${round(width - gap)}V${unit}z`,
    )
    .join('');
  const total = counts.reduce((sum, count) => sum + count, 0);
  return html`<figure class="histogram"><figcaption><h3>${title}</h3></figcaption>
${plot({
  id,
  label: `${title}: ${total} differences in ${counts.length} bins. Left and right arrows read the bins.`,
  columns: counts.length,
  yTitle: 'numbers in the bin, log scale',
  xTitle: 'difference / standard deviation of the reference',
  yTicks: scale.ticks,
  xTicks: valueTicks(edges),
  marks: html`<path class="bars" d="${bars}"/>`,
})}</figure>
`;
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
