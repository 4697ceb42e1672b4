/**
 * Errors of image tokens laid over the picture: each view's grid of tokens at the place of its tile, the global
 * view over the whole picture. Colour is logarithmic, in bins; one path per bin keeps a page of thousands of tokens
 * small. Token maps hold one view each, rows row-major, in the order of the picture's views.
 */
import type { TokenMap } from '../../metrics.ts';
import type { ImageSummary, ParityReport } from '../report.ts';
import { formatNumber } from '../text.ts';
import { levelTokens, type WorstToken, worstToken } from '../tokens.ts';
import { frameCurves } from './frame-curve.ts';
import { type Board, boards, type Placed } from './heat-boards.ts';
import { type HeatScale, heatBins, heatScale } from './heat-scale.ts';
import { html, type Markup } from './markup.ts';
import type { Section } from './section.ts';

interface HeatMapSpec {
  /** Where the script finds the tokens: `level:output`, indices into the report. */
  readonly id: string;
  readonly tokens: readonly TokenMap[];
  readonly image: ImageSummary | undefined;
  /** Whether the page holds the picture (`pictureSymbol`). */
  readonly picture: boolean;
}

function heatMap(spec: HeatMapSpec): Markup {
  const scale = heatScale(spec.tokens.flatMap(({ errors }) => errors));
  const worst = worstToken(spec.tokens);
  if (scale === undefined || worst === undefined) {
    return html`<p class="note">No token differs from the reference at all.</p>`;
  }
  const all = boards(spec.tokens, spec.image, spec.picture);
  return html`<p>Worst token: ${worst.text}.</p>
<div class="boards">${all.map((board) => drawBoard(board, spec, scale, worst))}</div>
${legend(scale)}
`;
}

function drawBoard(board: Board, spec: HeatMapSpec, scale: HeatScale, worst: WorstToken): Markup {
  const { width, height, views } = board;
  const picture = board.picture
    ? html`<use class="picture" href="#picture" width="${width}" height="${height}"/>`
    : undefined;
  const placed = JSON.stringify(views);
  const frame = views.map((view) => `M${view.x} ${view.y}h${view.width}v${view.height}h${-view.width}z`);
  const mark = views.find(({ map }) => map === worst.map);
  return html`<figure class="heat"><figcaption>${board.title}</figcaption>
<div class="board" tabindex="0" role="img" data-heat="${spec.id}" data-views="${placed}" aria-label="${board.title}: relative error of each token. Worst: ${worst.text}. Arrow keys read the tokens."><svg viewBox="0 0 ${width} ${height}" aria-hidden="true">${picture}<g class="cells">${views.map((view) => cells(view, spec.tokens[view.map], scale))}</g><path class="frame" d="${frame.join('')}"/>${mark === undefined ? undefined : markWorst(mark, spec.tokens[worst.map], worst)}<rect class="at" hidden="hidden"/></svg></div></figure>
`;
}

function cells(view: Placed, map: TokenMap | undefined, scale: HeatScale): Markup {
  if (map === undefined) return html``;
  const paths: string[] = Array.from({ length: heatBins }, () => '');
  for (let row = 0; row < map.rows; row += 1) {
    for (let column = 0; column < map.columns; ) {
      const bin = scale.bin(map.errors[row * map.columns + column] ?? 0);
      let run = 1;
      while (
        column + run < map.columns &&
        scale.bin(map.errors[row * map.columns + column + run] ?? 0) === bin
      ) {
        run += 1;
      }
      paths[bin] += `M${column} ${row}h${run}v1h-${run}z`;
      column += run;
    }
  }
  const drawn = paths.map((path, bin) =>
    path === '' ? undefined : html`<path class="h${bin}" d="${path}"/>`,
  );
  const { x, y } = cellSize(view, map);
  return html`<g transform="translate(${view.x} ${view.y}) scale(${x} ${y})">${drawn}</g>`;
}

function markWorst(view: Placed, map: TokenMap | undefined, worst: WorstToken): Markup {
  if (map === undefined) return html``;
  const size = cellSize(view, map);
  const box = html`x="${view.x + worst.column * size.x}" y="${view.y + worst.row * size.y}" width="${size.x}" height="${size.y}"`;
  return html`<rect class="halo" ${box}/><rect class="mark" ${box} data-map="${worst.map}" data-token="${worst.token}"/>`;
}

function cellSize(view: Placed, map: TokenMap): { readonly x: number; readonly y: number } {
  const size = (length: number, count: number): number => Number((length / count).toFixed(4));
  return { x: size(view.width, map.columns), y: size(view.height, map.rows) };
}

function legend(scale: HeatScale): Markup {
  return html`<div class="ramp"><span>${formatNumber(scale.low)}</span><span class="steps" aria-hidden="true">${Array.from({ length: heatBins }, (_, bin) => html`<i class="h${bin}"></i>`)}</span><span>${formatNumber(scale.high)}</span><span class="note">‖error‖ / ‖reference‖ of a token, log scale</span></div>
`;
}

/** The part of the page; undefined when no output's tokens have a known place. `picture`: a data URL. */
export function tokenErrors(report: ParityReport, picture: string | undefined): Section | undefined {
  const maps = levelTokens(report);
  const shown = maps.find(({ failed }) => failed) ?? maps.at(-1);
  if (shown === undefined) return undefined;
  const heard = maps.every(({ tokens }) => tokens.every(({ seconds }) => seconds !== undefined));
  return {
    id: 'tokens',
    ...(heard
      ? { short: 'Sound', title: 'Where in the sound', lead: 'The error of each frame, in time.' }
      : {
          short: 'Picture',
          title: 'Where in the picture',
          lead: 'The error of each image token, at its place.',
        }),
    body: html`${picture === undefined ? undefined : pictureSymbol(picture)}<div id="heat" data-tabs="Compared">${maps.map(
      (one) => {
        const title = `${one.level}, ${one.output} fed ${one.feed}`;
        const id = one.at.join(':');
        const map = heard
          ? frameCurves(one.tokens, id)
          : heatMap({ id, tokens: one.tokens, image: report.image, picture: picture !== undefined });
        return html`<div data-tab="${title}"${one === shown ? html` data-chosen` : undefined}><h3>${title}</h3>
${map}</div>\n`;
      },
    )}</div>`,
  };
}

/** The picture once, for all boards to show. */
function pictureSymbol(url: string): Markup {
  return html`<svg class="defs" aria-hidden="true"><symbol id="picture" viewBox="0 0 1 1" preserveAspectRatio="none"><image href="${url}" width="1" height="1" preserveAspectRatio="none"/></symbol></svg>
`;
}
