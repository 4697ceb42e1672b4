/** Pictures that were drawn: the original's, the output's, their difference, and the error of each block at its place. */
import { type BlockMap, blockSide, type PictureMetrics } from '../../picture-metrics.ts';
import type { ParityReport } from '../report.ts';
import { formatNumber } from '../text.ts';
import { type HeatScale, heatBins, heatScale } from './heat-scale.ts';
import { html, type Markup } from './markup.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

/** The part of the page; undefined where no picture was drawn. */
export function pictures({ levels }: ParityReport): Section | undefined {
  const found = levels.flatMap(({ level, outputs }) =>
    outputs.flatMap(({ feed, metrics: { picture } }) =>
      picture === undefined ? [] : [{ level, feed, picture }],
    ),
  );
  if (found.length === 0) return undefined;
  return {
    id: 'pictures',
    short: 'Drawn pictures',
    title: 'Drawn pictures',
    lead: `PSNR in decibels, of 255 and after clipping; the worst block of ${blockSide} x ${blockSide} pixels.`,
    body: html`${table({
      caption: 'Drawn pictures',
      columns: [
        { head: 'Level', rowHead: true },
        { head: 'Fed' },
        { head: 'PSNR', numeric: true },
        { head: 'Worst block', numeric: true },
        { head: 'At', wide: true },
      ],
      rows: found.map(({ level, feed, picture: { psnr, worstBlock } }) => [
        level,
        feed,
        psnr,
        worstBlock.value,
        worstBlock.where,
      ]),
    })}${found.map(({ level, picture }) => boards(level, picture))}`,
  };
}

function boards(level: string, { shown, blocks: [map] }: PictureMetrics): Markup | undefined {
  if (shown === undefined) return undefined;
  const { width, height, largest } = shown;
  const image = (png: string): Markup =>
    html`<image href="data:image/png;base64,${png}" width="${width}" height="${height}"/>`;
  const board = (title: string, body: Markup | undefined): Markup =>
    html`<figure class="heat"><figcaption>${title}</figcaption><svg class="drawn" viewBox="0 0 ${width} ${height}" role="img" aria-label="${level}: ${title}">${body}</svg></figure>
`;
  const scale = heatScale(map?.errors ?? []);
  return html`<h3 class="apart">${level}</h3>
<div class="boards">${board('The original', image(shown.reference))}${board('The output', image(shown.output))}${board(
    `The difference; white: ${formatNumber(largest)} of 255`,
    image(shown.difference),
  )}${map === undefined || scale === undefined ? undefined : board('The error of each block', cells(map, scale, width, height))}</div>
${scale === undefined ? undefined : legend(scale)}`;
}

function cells({ rows, columns, errors }: BlockMap, scale: HeatScale, width: number, height: number): Markup {
  const size = { x: width / columns, y: height / rows };
  return html`<g class="cells">${errors.map((error, block) => {
    const [x, y] = [(block % columns) * size.x, Math.floor(block / columns) * size.y];
    return html`<rect class="h${scale.bin(error)}" x="${round(x)}" y="${round(y)}" width="${round(size.x)}" height="${round(size.y)}"><title>block row ${Math.floor(block / columns)} column ${block % columns}: ${formatNumber(error)}</title></rect>`;
  })}</g>`;
}

function legend(scale: HeatScale): Markup {
  return html`<div class="ramp"><span>${formatNumber(scale.low)}</span><span class="steps" aria-hidden="true">${Array.from({ length: heatBins }, (_, bin) => html`<i class="h${bin}"></i>`)}</span><span>${formatNumber(scale.high)}</span><span class="note">root of the mean squared error of a block, in bytes, log scale</span></div>
`;
}

function round(value: number): number {
  return Number(value.toFixed(3));
}
