/**
 * What an error is confined to: views of a picture, tokens of one, positions of a prompt. A value holds views as
 * contiguous pieces, in order: [1, V, rows, W] or [V, rows, W] inside of a tower, [1, V · tokens, hidden] behind it.
 */

import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { relativeError } from './arrays.ts';
import type { ValueError } from './value-error.ts';

/** How the rows of a component's values are called. */
export interface RowNames {
  /** Names of the views of a picture; empty where there are none. */
  readonly views: readonly string[];
  /** Names of what a value holds inside of the tower, where that is not the views. */
  readonly tiles?: readonly string[];
  /** Rows of a view behind the tower. */
  readonly tokensPerView: number;
  /** Rows of all there, which need not be those of views; undefined: no value stands there. */
  readonly tokens?: number;
  /** A row of a view, or of a value without views: `token 5`, `prompt 0, position 3 (text)`. */
  readonly row: (index: number, behindTower: boolean) => string;
}

/** More single rows than this are no place. */
const mostRows = 3;

/** Empty where the error is everywhere, or where rows are not known to be anything. */
export function confinedTo({ shape, rows }: ValueError, names: RowNames, limit: number): readonly string[] {
  const off = [...rows.keys()].filter((row) => !((rows[row] ?? 0) <= limit));
  if (off.length === 0 || off.length === rows.length) return [];
  const pieces = viewPieces(shape, names);
  const perView = pieces === undefined ? rows.length : rows.length / pieces.names.length;
  const behind = pieces?.at === 'behind' || rows.length === names.tokens;
  const single = off.length <= mostRows && off.length < perView / 2;
  if (pieces === undefined && !single) return [];
  if (pieces === undefined) return isRows(shape) ? off.map((row) => names.row(row, behind)) : [];
  const places = off.map((row) => {
    const view = pieces.names[Math.floor(row / perView)] ?? '';
    return single ? `${view}, ${names.row(row % perView, behind)}` : view;
  });
  const found = [...new Set(places)];
  return found.length === pieces.names.length && !single ? [] : found;
}

/** Whether the rows of a value of this shape have names. */
export function hasRows(shape: readonly number[], names: RowNames): boolean {
  return viewPieces(shape, names) !== undefined || (names.views.length === 0 && isRows(shape));
}

/** The views that a value has in each other's place; undefined where that is not what is wrong. */
export function exchangedViews(
  wanted: RunTensor,
  found: RunTensor,
  names: RowNames,
  limit: number,
): readonly string[] | undefined {
  const held = viewPieces(wanted.shape, names);
  if (held === undefined) return undefined;
  const [before, after] = [pieces(wanted, held.names.length), pieces(found, held.names.length)];
  const off = [...after.keys()].filter((view) => !isSame(before[view], after[view], limit));
  if (off.length < 2) return undefined;
  const elsewhere = off.every((view) =>
    off.some((other) => other !== view && isSame(before[other], after[view], limit)),
  );
  return elsewhere ? off.map((view) => held.names[view] ?? '') : undefined;
}

function pieces(value: RunTensor, count: number): readonly Float32Array[] {
  const all = toFloat32(value);
  const size = all.length / count;
  return Array.from({ length: count }, (_, index) => all.subarray(index * size, (index + 1) * size));
}

function isSame(a: Float32Array | undefined, b: Float32Array | undefined, limit: number): boolean {
  return a !== undefined && b !== undefined && relativeError(a, b) <= limit;
}

/** The pieces that a value of this shape consists of, in order, and their names. */
function viewPieces(
  shape: readonly number[],
  { views, tiles = views, tokensPerView }: RowNames,
): { readonly at: 'inside' | 'behind'; readonly names: readonly string[] } | undefined {
  if (views.length === 0) return undefined;
  if (shape.length === 3 && shape[0] === 1 && shape[1] === views.length * tokensPerView) {
    return { at: 'behind', names: views };
  }
  const count = tiles.length;
  const [first, ...rest] = shape[0] === count ? shape : shape.slice(1);
  const inside = first === count && rest.length >= 2 && (shape[0] === count || shape[0] === 1);
  return inside ? { at: 'inside', names: tiles } : undefined;
}

/** [1, rows, width] */
function isRows(shape: readonly number[]): boolean {
  return shape.length === 3 && shape[0] === 1;
}
