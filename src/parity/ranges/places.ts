/** Where an element of a value inside a graph is, in words: which view and token, or which position of a prompt. */
import type { PictureLayout } from '../../architectures/media.ts';
import type { Value } from '../../graph/value.ts';
import { constantNumbers } from '../../rewrite/constants.ts';
import type { Prompt } from '../inputs/sample.ts';
import { featurePlace, positionPlace, viewName } from '../places.ts';

/** `index` is that of the element in the flat value; `value` tells where the views of a part of it begin. */
export type ElementPlace = (shape: readonly number[], index: number, value: Value | undefined) => string;

/** Values of a tower that runs one of `pictures` pictures: views along one of the first two axes, or not apart. */
export function picturePlace(layout: PictureLayout, picture: number, pictures: number): ElementPlace {
  const prefix = pictures === 1 ? [] : [`picture ${picture}`];
  const { views, tokens, tiles: run = views } = layout;
  return (shape, index, value) => {
    const at = coordinates(shape, index);
    const within = (from: number): readonly string[] =>
      value?.producer?.op === 'Conv' ? pixel(at.slice(-3)) : rest(shape, at, from);
    if (views.length > 1 && shape.length === 3 && shape[1] === tokens) {
      return [featurePlace(layout, picture, pictures)(at[1] ?? 0), ...channel(at)].join(', ');
    }
    const held = viewsOf(value, run.length);
    const axis = shape.length < 3 ? -1 : shape.slice(0, 2).indexOf(held.count);
    const view = axis < 0 ? undefined : run[held.first + (at[axis] ?? 0)];
    // One view alone needs no name.
    if (view === undefined || run.length === 1) return [...prefix, ...within(0)].join(', ');
    return [...prefix, viewName(view), ...within(axis + 1)].join(', ');
  };
}

/** Values of a run over one prompt: its positions are an axis behind the first. */
export function promptPlace(number: number, prompt: Prompt): ElementPlace {
  const { length } = prompt.ids;
  return (shape, index) => {
    const at = coordinates(shape, index);
    const axis = shape.findIndex((size, one) => one > 0 && size === length);
    if (axis < 0 || axis === shape.length - 1) return [`prompt ${number}`, ...rest(shape, at, 0)].join(', ');
    const others = at.slice(1, -1).filter((_, one) => one + 1 !== axis);
    const place = positionPlace(number, prompt, at[axis] ?? 0);
    return [place, ...others.map((head) => `head ${head}`), ...channel(at)].join(', ');
  };
}

/** Values of what draws a picture: maps [1, C, H, W], or rows of codes. */
export const drawnPlace: ElementPlace = (shape, index) => {
  const at = coordinates(shape, index);
  const [, channelOfMap = 0, row = 0, column = 0] = at;
  if (shape.length === 4) return `drawn picture, row ${row}, column ${column}, channel ${channelOfMap}`;
  const code = at.slice(0, -1).findLast((_, axis) => (shape[axis] ?? 1) > 1);
  return ['drawn picture', ...(code === undefined ? [] : [`code ${code}`]), ...channel(at)].join(', ');
};

/** The views that a value holds, where it is a part of what was split view by view, or computed of such a part. */
function viewsOf(
  value: Value | undefined,
  views: number,
): { readonly first: number; readonly count: number } {
  let one = value;
  for (let steps = 0; steps < 6 && one?.producer !== undefined; steps += 1) {
    const { producer, outputIndex } = one;
    const sizes = producer.op === 'Split' ? constantNumbers(producer.input(1)) : undefined;
    if (sizes !== undefined && sizes.reduce((sum, size) => sum + size, 0) === views) {
      const first = sizes.slice(0, outputIndex).reduce((sum, size) => sum + size, 0);
      return { first, count: sizes[outputIndex] ?? 1 };
    }
    one = producer.input(0);
  }
  return { first: 0, count: views };
}

/** What is left of the coordinates from an axis on: heads, a row, and a channel. */
function rest(shape: readonly number[], at: readonly number[], from: number): readonly string[] {
  const inner = at.slice(from, -1).filter((_, axis) => (shape[from + axis] ?? 1) > 1);
  const row = inner.at(-1);
  const heads = inner.slice(0, -1);
  return [
    ...heads.map((head) => `head ${head}`),
    ...(row === undefined ? [] : [`token ${row}`]),
    ...channel(at),
  ];
}

/** Of a convolution's output, [N, channels, rows, columns]. */
function pixel([first = 0, row = 0, column = 0]: readonly number[]): readonly string[] {
  return [`row ${row}`, `column ${column}`, `channel ${first}`];
}

function channel(at: readonly number[]): readonly string[] {
  const last = at.at(-1);
  return last === undefined ? [] : [`channel ${last}`];
}

function coordinates(shape: readonly number[], index: number): readonly number[] {
  const at: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    at.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return at;
}
