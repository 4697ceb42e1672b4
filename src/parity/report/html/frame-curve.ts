/** Errors of the features of sounds along time: one curve per sound, as frames have no other place. */
import type { TokenMap } from '../../metrics.ts';
import { worstToken } from '../tokens.ts';
import { html, type Markup } from './markup.ts';
import { middle, plot, unit, y } from './plot.ts';
import { decades, everyNth } from './scale.ts';

/** `id`: where the script finds the frames, `level:output`, indices into the report. All maps are of sounds. */
export function frameCurves(tokens: readonly TokenMap[], id: string): Markup {
  const worst = worstToken(tokens);
  const scale = decades(tokens.flatMap(({ errors }) => errors));
  if (worst === undefined || scale === undefined) {
    return html`<p class="note">No frame differs from the reference at all.</p>`;
  }
  const curve = ({ view, columns, errors, seconds = 0 }: TokenMap, map: number): Markup => {
    const line = errors
      .map((error, frame) => `${frame === 0 ? 'M' : 'L'}${middle(frame, columns)} ${y(scale.at(error))}`)
      .join('');
    const width = Math.max(1, Math.round(unit / columns));
    const mark =
      map === worst.map
        ? html`<rect class="worst" x="${Math.round((worst.token * unit) / columns)}" y="0" width="${width}" height="${unit}"/>`
        : undefined;
    return html`<figure class="curve"><figcaption><h3>${view}, ${(columns * seconds).toFixed(2)} s</h3></figcaption>
${plot({
  id: `frames:${id}:${map}`,
  label: `Relative error of each frame of ${view}, logarithmic. Worst: ${worst.text}. Left and right arrows read the frames.`,
  columns,
  yTitle: '‖error‖ / ‖reference‖ of a frame, log scale',
  xTitle: 'seconds',
  yTicks: scale.ticks,
  xTicks: everyNth(columns, 8).map((frame) => ({
    at: frame / columns,
    label: (frame * seconds).toFixed(2),
  })),
  marks: html`${mark}<path class="line accumulated" d="${line}"/>`,
})}</figure>
`;
  };
  return html`<p>Worst frame: ${worst.text}.</p>
${tokens.map(curve)}`;
}
