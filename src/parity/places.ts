/** Where a row of an output is, in words that a person can find again; and which rows of large outputs are kept. */

import { isPicture } from '../architectures/log-mel.ts';
import type { MediaLayout, PictureLayout, View } from '../architectures/media.ts';
import type { Prompt } from './inputs/sample.ts';
import type { Place, TokenGrid } from './metrics.ts';

/** Most logits kept per prompt: 32 MiB of float32, 55 rows of a vocabulary of 152 thousand. */
export const maxLogitElements = 2 ** 23;
/** Most cache elements kept per prompt: 512 MiB of float32. */
const maxCacheElements = 2 ** 27;

/** `n` of the indices 0..count-1, evenly spaced, the first and the last among them. */
export function evenly(count: number, n: number): readonly number[] {
  if (n >= count) return Array.from({ length: count }, (_, index) => index);
  if (n <= 1) return count === 0 ? [] : [count - 1];
  return Array.from({ length: n }, (_, index) => Math.round((index * (count - 1)) / (n - 1)));
}

/** Prefill positions whose logits are compared. */
export function sampledRows(positions: number, vocab: number): readonly number[] {
  return evenly(positions, Math.max(2, Math.floor(maxLogitElements / vocab)));
}

/** Layers whose cache is compared, for a cache of `slots` slots. */
export function sampledLayers(layers: number, elementsPerLayer: number): readonly number[] {
  return evenly(layers, Math.max(2, Math.floor(maxCacheElements / Math.max(elementsPerLayer, 1))));
}

/** Rows of features: of one of `pictures` pictures, views · tokens per view, or of a sound, in time. */
export function featurePlace(layout: MediaLayout, picture = 0, pictures = 1): Place {
  if (!isPicture(layout)) return (row) => `sound ${picture}, ${frameName(row, layout.secondsPerToken)}`;
  const prefix = pictures === 1 ? '' : `picture ${picture}, `;
  const { chosen = 0, tokensPerView } = layout;
  const views = standingViews(layout);
  return (row) => {
    if (row < chosen) return `${prefix}chosen token ${row}`;
    const index = Math.floor((row - chosen) / tokensPerView);
    const token = (row - chosen) % tokensPerView;
    const view = views[index];
    return view === undefined ? `${prefix}token ${row}` : `${prefix}${viewName(view)}, token ${token}`;
  };
}

/** `frame 12 (0.48 s)`: of features of a sound, and where in it they begin. */
export function frameName(frame: number, seconds: number): string {
  return `frame ${frame} (${(frame * seconds).toFixed(2)} s)`;
}

/** The views that have all of their tokens: not tiles of which some are chosen. */
function standingViews({ chosen, views }: PictureLayout): readonly View[] {
  return chosen === undefined ? views : views.filter(({ kind }) => kind !== 'tile');
}

/**
 * Where the tokens of each view are among the rows of features, where they lie in a grid; those of a sound are one row in
 * time. The rows are those of the `shown` ones of the pictures or sounds, one after the other.
 */
export function featureGrids(
  layouts: readonly MediaLayout[],
  shown: readonly number[],
): readonly TokenGrid[] {
  const grids: TokenGrid[] = [];
  let first = 0;
  for (const picture of shown) {
    const layout = layouts[picture];
    if (layout === undefined) throw new RangeError(`there is no picture ${picture}`);
    if (!isPicture(layout)) {
      const { tokens: columns, secondsPerToken: seconds } = layout;
      grids.push({ view: `sound ${picture}`, rows: 1, columns, first, seconds });
      first += columns;
      continue;
    }
    const { chosen = 0, tokenGrid, tokensPerView } = layout;
    for (const [index, view] of standingViews(layout).entries()) {
      if (tokenGrid === undefined) break;
      const { rows, columns, leading } = tokenGrid;
      const name = layouts.length === 1 ? viewName(view) : `picture ${picture}, ${viewName(view)}`;
      grids.push({ view: name, rows, columns, first: first + chosen + index * tokensPerView + leading });
    }
    first += layout.tokens;
  }
  return grids;
}

/** Per row of logits at `positions` of a prompt: the token that follows in what the teacher feeds. */
export function nextTokens(
  prompt: Prompt,
  positions: readonly number[],
  picks: readonly number[],
): readonly (number | undefined)[] {
  const inPicture = (position: number): boolean =>
    prompt.spans.some(({ first, count }) => position >= first && position < first + count);
  return positions.map((position) => {
    const next = position + 1;
    if (next >= prompt.ids.length) return picks[next - prompt.ids.length];
    // What stands for a picture's features is no text to predict.
    return inPicture(next) ? undefined : prompt.ids[next];
  });
}

/** `tile row 0 column 1`, `scale 2, tile row 0 column 1`, `global view`, `frame 2`. */
export function viewName(view: View): string {
  if (view.kind === 'frame') return `frame ${view.frame ?? '?'}`;
  if (view.kind === 'global') return 'global view';
  const scale = view.scale === undefined ? '' : `scale ${view.scale}, `;
  return `${scale}tile row ${view.row ?? '?'} column ${view.column ?? '?'}`;
}

/** Positions of a prompt and of what was decoded after it. */
export function positionPlace(index: number, prompt: Prompt, position: number): string {
  const generated = position - prompt.ids.length;
  if (generated >= 0) return `prompt ${index}, decode step ${generated}`;
  const inside = prompt.spans.find(({ first, count }) => position >= first && position < first + count);
  const what = inside === undefined ? 'text' : inside.heard === true ? 'sound' : 'image';
  return `prompt ${index}, position ${position} (${what})`;
}

/** Rows of a cache tensor [1, heads, slots, head_dim] whose slots are `first` and those after it. */
export function cachePlace(index: number, name: string, slots: number, first = 0): Place {
  return (row) => `prompt ${index}, ${name}, head ${Math.floor(row / slots)}, slot ${first + (row % slots)}`;
}
