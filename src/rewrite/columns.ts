/**
 * Follows single columns of tensors back through the operators that only move them. An element stands for all rows of
 * one column: the last `axes` axes of a value, flattened row major, are its columns, the axes before them its rows.
 *
 * What a graph means is often said by where columns come from: that the second half of a table repeats the first, or
 * that channel i of a head meets channel i + d/2. Asking for columns finds it in every spelling by Slice, Split, Concat,
 * Gather, Reshape, Transpose and Expand alike.
 */
import type { Node } from '../graph/node.ts';
import type { Dim } from '../graph/types.ts';
import { dimsOf, type Value } from '../graph/value.ts';
import { constantNumbers } from './constants.ts';

export interface Element {
  readonly value: Value;
  /** How many of the last axes are columns. */
  readonly axes: number;
  /** Row major over those axes. */
  readonly column: number;
}

export type Origin =
  /** The same column of another value, row by row. */
  | { readonly kind: 'same'; readonly of: Element }
  /** The rows of another column, moved, repeated or left out as the node does with every column alike. */
  | { readonly kind: 'rows'; readonly node: Node; readonly of: Element }
  /** The node's function of each input's column, element by element; inputs may broadcast over rows. */
  | { readonly kind: 'computed'; readonly node: Node; readonly of: readonly Element[] }
  | { readonly kind: 'unknown' };

const unknown: Origin = { kind: 'unknown' };

/** Operators that compute each element from the elements at the same place of their inputs, which may broadcast. */
const elementwise: ReadonlySet<string> = new Set([
  'Abs',
  'Add',
  'Cast',
  'Ceil',
  'Cos',
  'Div',
  'Equal',
  'Exp',
  'Floor',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'Log',
  'Max',
  'Min',
  'Mod',
  'Mul',
  'Neg',
  'Not',
  'Pow',
  'Reciprocal',
  'Round',
  'Sigmoid',
  'Sin',
  'Sqrt',
  'Sub',
  'Tanh',
  'Where',
]);

export function isElementwise(node: Node): boolean {
  return elementwise.has(node.op);
}

/** One step back from an element. */
export function originOf(element: Element): Origin {
  const node = element.value.producer;
  if (node === undefined || columnDims(element) === undefined) return unknown;
  if (elementwise.has(node.op)) return computed(node, element);
  const origin = movers[node.op]?.(node, element) ?? unknown;
  return origin.kind === 'same' || origin.kind === 'rows' ? { ...origin, of: narrow(origin.of) } : origin;
}

/** A first column axis of size 1 may as well be a row axis, where fewer operators touch it. */
function narrow(element: Element): Element {
  const unit = element.axes > 1 && columnDims(element)?.[0] === 1;
  return unit ? narrow({ ...element, axes: element.axes - 1 }) : element;
}

/** The element of a value's last axis; undefined where its width is not known or too small. */
export function lastAxis(value: Value, column: number): Element | undefined {
  const width = dimsOf(value)?.at(-1);
  return typeof width === 'number' && column < width ? { value, axes: 1, column } : undefined;
}

/** Whether the dimensions are known to be the same. */
export function sameDims(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((dim, axis) => dim !== null && dim === b[axis]);
}

type Mover = (node: Node, element: Element) => Origin | undefined;

const movers: Readonly<Record<string, Mover>> = {
  Identity: (node, element) => moved(node.input(0), element.axes, element.column),
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Concat: (node, { value, axes, column }) => {
    const place = unravel(value, axes, column);
    const rank = dimsOf(value)?.length ?? 0;
    const axis = columnAxis(node.int('axis'), rank, axes);
    let at = place?.[axis ?? -1];
    if (place === undefined || axis === undefined || at === undefined) return undefined;
    for (const input of node.inputs) {
      const width = input === null ? undefined : dimsOf(input)?.at(axis - axes);
      if (input === null || typeof width !== 'number') return undefined;
      if (at < width) return ravelled(input, axes, place.with(axis, at));
      at -= width;
    }
    return undefined;
  },
  Split: (node, { value, axes, column }) => {
    const input = node.input(0);
    const rank = dimsOf(value)?.length ?? 0;
    const axis = columnAxis(node.int('axis') ?? 0, rank, axes);
    if (input === undefined) return undefined;
    if (axis === undefined) return { kind: 'rows', node, of: { value: input, axes, column } };
    const place = unravel(value, axes, column);
    let begin = 0;
    for (const output of node.outputs.slice(0, value.outputIndex)) {
      const width = output === null ? undefined : dimsOf(output)?.at(axis - axes);
      if (typeof width !== 'number') return undefined;
      begin += width;
    }
    return place && ravelled(input, axes, place.with(axis, (place[axis] ?? 0) + begin));
  },
  Slice: (node, { value, axes, column }) => {
    const input = node.input(0);
    const dims = dimsOf(input);
    const place = unravel(value, axes, column);
    const ranges = dims === undefined ? undefined : sliceRanges(node, dims);
    if (input === undefined || dims === undefined || place === undefined || ranges === undefined)
      return undefined;
    const inner = ranges.map(({ axis }) => columnAxis(axis, dims.length, axes));
    if (inner.every((axis) => axis === undefined))
      return { kind: 'rows', node, of: { value: input, axes, column } };
    const from = [...place];
    for (const [index, { start, step }] of ranges.entries()) {
      const axis = inner[index];
      if (axis === undefined || start === undefined) return undefined;
      from[axis] = start + (place[axis] ?? 0) * step;
    }
    return ravelled(input, axes, from);
  },
  Gather: (node, { value, axes, column }) => {
    const [data, chosen] = [node.input(0), node.input(1)];
    const [dims, rank] = [dimsOf(data), dimsOf(chosen)?.length];
    if (data === undefined || dims === undefined || rank === undefined) return undefined;
    const axis = node.int('axis') ?? 0;
    const fromEnd = dims.length - (axis < 0 ? axis + dims.length : axis);
    // The chosen axis lies before the columns, which it does not touch.
    if (fromEnd > axes && rank > 0) return { kind: 'rows', node, of: { value: data, axes, column } };
    if (fromEnd > axes + 1) return { kind: 'rows', node, of: { value: data, axes, column } };
    const indices = constantNumbers(chosen);
    const place = unravel(value, axes, column);
    const width = dims[dims.length - fromEnd];
    if (indices === undefined || place === undefined || rank > 1 || typeof width !== 'number') {
      return fromEnd > axes ? { kind: 'rows', node, of: { value: data, axes, column } } : undefined;
    }
    const pick = (index: number | undefined): number =>
      index === undefined ? Number.NaN : index < 0 ? index + width : index;
    if (rank === 1) {
      const at = axes - fromEnd;
      return ravelled(data, axes, place.with(at, pick(indices[place[at] ?? -1])));
    }
    return ravelled(data, axes + 1, place.toSpliced(axes + 1 - fromEnd, 0, pick(indices[0])));
  },
  Transpose: (node, { value, axes, column }) => {
    const input = node.input(0);
    const rank = dimsOf(value)?.length ?? 0;
    const perm = node.ints('perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
    const place = unravel(value, axes, column);
    const rows = rank - axes;
    const tail = perm.slice(rows);
    if (input === undefined || place === undefined || tail.some((axis) => axis < rows)) return undefined;
    const from = [...place];
    for (const [index, axis] of tail.entries()) from[axis - rows] = place[index] ?? 0;
    const origin = ravelled(input, axes, from);
    const inPlace = perm.slice(0, rows).every((axis, index) => axis === index);
    return origin?.kind === 'same' && !inPlace ? { kind: 'rows', node, of: origin.of } : origin;
  },
  Expand: repeated,
  Tile: repeated,
};

/** Row-major order is kept: a column stays one where the axes around it do. */
function reshaped(node: Node, element: Element): Origin | undefined {
  const input = node.input(0);
  const [dims, out] = [dimsOf(input), dimsOf(element.value)];
  const count = product(columnDims(element) ?? []);
  if (input === undefined || dims === undefined || out === undefined) return undefined;
  const rows = out.slice(0, out.length - element.axes);
  let fallback: Origin | undefined;
  for (let axes = 0; axes <= dims.length; axes += 1) {
    const columns = staticDims(dims.slice(dims.length - axes));
    if (columns === undefined) break;
    if (product(columns) !== count) continue;
    const of = { value: input, axes, column: element.column };
    const before = dims.slice(0, dims.length - axes);
    if (sameDims(before, rows) || keepsFirst(node, before, rows)) return { kind: 'same', of };
    fallback ??= axes === 0 ? undefined : { kind: 'rows', node, of };
  }
  return fallback;
}

/** The first axes, `before` and `after`, are the same, though their sizes may be unknown. */
function keepsFirst(node: Node, before: readonly Dim[], after: readonly Dim[]): boolean {
  const given = constantNumbers(node.input(1));
  if (given === undefined || before.length !== after.length) return false;
  if (node.op === 'Reshape') {
    const copies = node.int('allowzero') !== 1;
    return after.every(
      (dim, axis) => (copies && given[axis] === 0) || (dim !== null && dim === before[axis]),
    );
  }
  const rank = dimsOf(node.op === 'Squeeze' ? node.input(0) : node.output)?.length ?? 0;
  return given.every((axis) => (axis < 0 ? axis + rank : axis) >= after.length);
}

/** Expand and Tile: each element of the output is one of the input, the remainder of its place. */
function repeated(node: Node, { value, axes, column }: Element): Origin | undefined {
  const input = node.input(0);
  const [dims, out] = [dimsOf(input), dimsOf(value)];
  const place = unravel(value, axes, column);
  if (input === undefined || dims === undefined || out === undefined || place === undefined) return undefined;
  const inner = Math.min(axes, dims.length);
  const columns = staticDims(dims.slice(dims.length - inner));
  if (columns === undefined) return undefined;
  const from = place.slice(axes - inner).map((at, axis) => at % (columns[axis] ?? 1));
  const of = { value: input, axes: inner, column: ravel(columns, from) };
  const rows = sameDims(dims.slice(0, dims.length - inner), out.slice(0, out.length - axes));
  return rows ? { kind: 'same', of } : { kind: 'rows', node, of };
}

function computed(node: Node, { value, axes, column }: Element): Origin {
  const place = unravel(value, axes, column);
  const of = node.inputs.map((input): Element | undefined => {
    const dims = input === null ? undefined : dimsOf(input);
    if (input === null || dims === undefined || place === undefined) return undefined;
    const inner = Math.min(axes, dims.length);
    const columns = staticDims(dims.slice(dims.length - inner));
    if (columns === undefined) return undefined;
    const own = place.slice(axes - inner).map((at, axis) => (columns[axis] === 1 ? 0 : at));
    return { value: input, axes: inner, column: ravel(columns, own) };
  });
  return of.every((element) => element !== undefined) ? { kind: 'computed', node, of } : unknown;
}

interface Range {
  readonly axis: number;
  /** Undefined: not known, as the dimension is not. */
  readonly start: number | undefined;
  readonly step: number;
}

function sliceRanges(node: Node, dims: readonly Dim[]): readonly Range[] | undefined {
  const axes = node.input(3) === undefined ? [...dims.keys()] : constantNumbers(node.input(3));
  const steps = node.input(4) === undefined ? axes?.map(() => 1) : constantNumbers(node.input(4));
  const starts = constantNumbers(node.input(1));
  return axes?.map((axis, index) => {
    const [dim, start, step] = [dims.at(axis), starts?.[index], steps?.[index] ?? 0];
    const known = typeof dim === 'number' && start !== undefined && step > 0;
    return {
      axis,
      step,
      start: known ? Math.min(Math.max(start < 0 ? start + dim : start, 0), dim) : undefined,
    };
  });
}

/** Which of the column axes `axis` of a value of this rank is; undefined where it is a row axis. */
function columnAxis(axis: number | undefined, rank: number, axes: number): number | undefined {
  if (axis === undefined) return undefined;
  const at = (axis < 0 ? axis + rank : axis) - (rank - axes);
  return at >= 0 ? at : undefined;
}

function columnDims({ value, axes }: Element): readonly number[] | undefined {
  const dims = dimsOf(value);
  return dims === undefined || axes > dims.length ? undefined : staticDims(dims.slice(dims.length - axes));
}

function staticDims(dims: readonly Dim[]): readonly number[] | undefined {
  return dims.every((dim) => typeof dim === 'number') ? (dims as readonly number[]) : undefined;
}

function product(dims: readonly number[]): number {
  return dims.reduce((count, dim) => count * dim, 1);
}

function unravel(value: Value, axes: number, column: number): number[] | undefined {
  const dims = columnDims({ value, axes, column });
  if (dims === undefined) return undefined;
  const place: number[] = [];
  let rest = column;
  for (const dim of dims.toReversed()) {
    place.unshift(rest % dim);
    rest = Math.floor(rest / dim);
  }
  return place;
}

function ravel(dims: readonly number[], place: readonly number[]): number {
  return dims.reduce((column, dim, axis) => column * dim + (place[axis] ?? 0), 0);
}

function moved(value: Value | undefined, axes: number, column: number): Origin | undefined {
  return value === undefined ? undefined : { kind: 'same', of: { value, axes, column } };
}

function ravelled(value: Value, axes: number, place: readonly number[]): Origin | undefined {
  const dims = columnDims({ value, axes, column: 0 });
  const inside = dims?.every((dim, axis) => {
    const at = place[axis] ?? Number.NaN;
    return at >= 0 && at < dim;
  });
  return dims === undefined || inside !== true ? undefined : moved(value, axes, ravel(dims, place));
}
