/** Positions of a prompt's tokens where they have three: time, row and column. */

import { isPicture } from '../../architectures/log-mel.ts';
import type { MediaLayout } from '../../architectures/media.ts';
import type { Span } from './sample.ts';

export interface PromptPositions {
  /** Time, row and column of each token. */
  readonly rows: readonly (readonly number[])[];
  /** What follows the prompt has this position in all three, and those after it one more each. */
  readonly next: number;
}

/**
 * Text counts up in all three; a picture or video that begins at p has p + (frame, row, column) of each token; what
 * follows it begins after the largest so far. Throws a RangeError for a layout without a grid.
 */
export function timeRowColumn(
  length: number,
  spans: readonly Span[],
  layouts: readonly MediaLayout[],
): PromptPositions {
  const rows: [number[], number[], number[]] = [[], [], []];
  const push = (time: number, row: number, column: number): void => {
    rows[0].push(time);
    rows[1].push(row);
    rows[2].push(column);
  };
  let next = 0;
  let at = 0;
  while (at < length) {
    const span = spans.find(({ first }) => first === at);
    if (span === undefined) {
      push(next, next, next);
      next += 1;
      at += 1;
      continue;
    }
    const layout = layouts[span.media];
    const picture = layout !== undefined && isPicture(layout) ? layout : undefined;
    const grid = picture?.tokenGrid;
    if (picture === undefined || grid === undefined)
      throw new RangeError(`picture ${span.media} has no grid`);
    for (const frame of picture.views.keys()) {
      for (let row = 0; row < grid.rows; row += 1) {
        for (let column = 0; column < grid.columns; column += 1)
          push(next + frame, next + row, next + column);
      }
    }
    next += Math.max(picture.views.length, grid.rows, grid.columns);
    at += span.count;
  }
  return { rows, next };
}
