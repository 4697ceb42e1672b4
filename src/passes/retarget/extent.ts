/**
 * Extents: what a dimension, or a number of shape arithmetic, means for the picture. A constant of an exported graph is
 * an unknown with the value that it had; the operators that it meets say what it stands for, and unification carries
 * that to every other constant that has to be equal. Products keep the order of their factors and sums that of their
 * terms, as Reshape and Concat lay elements out: 577 is `1 + (H/14 · W/14)`, and splits into nothing but that.
 */
export type Axis = 'height' | 'width';

export interface Sizes {
  readonly height: number;
  readonly width: number;
}

/** One constant whose meaning is found out. */
export interface Unknown {
  readonly kind: 'unknown';
  readonly old: number;
  is: Extent | undefined;
}

export type Extent =
  | { readonly kind: 'number'; readonly value: number }
  /** A dimension that nobody knows before the graph runs. */
  | { readonly kind: 'symbol'; readonly name: string }
  /** A side of the picture in pixels, divided by `by` without rest. */
  | { readonly kind: 'side'; readonly axis: Axis; readonly by: number }
  | { readonly kind: 'product'; readonly factors: readonly Extent[] }
  | { readonly kind: 'sum'; readonly terms: readonly Extent[] }
  /** Any other arithmetic. */
  | {
      readonly kind: 'computed';
      readonly operands: readonly Extent[];
      readonly compute: (...values: number[]) => number;
    }
  | Unknown;

/** A rule cannot say what becomes of a node. It matters only where the node sees the picture's size. */
export class CannotFollow extends Error {}

export const number = (value: number): Extent => ({ kind: 'number', value });
export const one: Extent = number(1);

/** A constant of a graph. Below 2 it counts nothing. */
export function constantExtent(value: number): Extent {
  return value < 2 || value > 2 ** 40 ? number(value) : { kind: 'unknown', old: value, is: undefined };
}

export function resolve(extent: Extent): Extent {
  let at = extent;
  while (at.kind === 'unknown' && at.is !== undefined) at = at.is;
  return at;
}

export function factorsOf(extent: Extent): Extent[] {
  const at = resolve(extent);
  if (at.kind === 'product') return at.factors.flatMap(factorsOf);
  return at.kind === 'number' && at.value === 1 ? [] : [at];
}

export function termsOf(extent: Extent): Extent[] {
  const at = resolve(extent);
  if (at.kind === 'sum') return at.terms.flatMap(termsOf);
  return at.kind === 'number' && at.value === 0 ? [] : [at];
}

export function product(extents: readonly Extent[]): Extent {
  const factors: Extent[] = [];
  for (const factor of extents.flatMap(factorsOf)) {
    const last = factors.at(-1);
    // H/14 · 14
    if (factor.kind === 'number' && last?.kind === 'side' && last.by % factor.value === 0) {
      factors[factors.length - 1] = { ...last, by: last.by / factor.value };
    } else factors.push(factor);
  }
  const [first] = factors;
  if (factors.some((factor) => factor.kind === 'number' && factor.value === 0)) return number(0);
  return first === undefined ? one : factors.length === 1 ? first : { kind: 'product', factors };
}

export function sum(extents: readonly Extent[]): Extent {
  const terms: Extent[] = [];
  let rest = 0;
  for (const term of extents.flatMap(termsOf)) {
    const last = terms.at(-1);
    if (term.kind !== 'number') terms.push(term);
    else if (term.value < 0) rest += term.value;
    else if (last?.kind === 'number') terms[terms.length - 1] = number(last.value + term.value);
    else terms.push(term);
  }
  // What is taken off comes from the numbers, the last first.
  for (let index = terms.length - 1; index >= 0 && rest < 0; index -= 1) {
    const term = terms[index];
    if (term?.kind !== 'number') continue;
    const taken = Math.min(term.value, -rest);
    terms[index] = number(term.value - taken);
    rest += taken;
  }
  const left = terms.filter((term) => term.kind !== 'number' || term.value !== 0);
  if (rest !== 0) left.push(number(rest));
  const [first] = left;
  return first === undefined ? number(0) : left.length === 1 ? first : { kind: 'sum', terms: left };
}

/** a / n where that is exact for every picture, else the rounded quotient as arithmetic. */
export function quotient(extent: Extent, by: number): Extent {
  const at = resolve(extent);
  if (by === 1) return at;
  if (at.kind === 'side') return { ...at, by: at.by * by };
  if (at.kind === 'number' && at.value % by === 0) return number(at.value / by);
  if (at.kind === 'product') {
    const index = at.factors.findIndex((factor) => factor.kind === 'number' && factor.value % by === 0);
    const found = at.factors[index];
    if (found?.kind === 'number') return product(at.factors.with(index, number(found.value / by)));
  }
  return { kind: 'computed', operands: [at], compute: (value) => Math.trunc(value / by) };
}

export function isOne(extent: Extent): boolean {
  const at = resolve(extent);
  return at.kind === 'number' && at.value === 1;
}

/** True where a side of the picture is in it, whatever its size. */
export function hasSide(extent: Extent): boolean {
  const at = resolve(extent);
  switch (at.kind) {
    case 'side':
      return true;
    case 'product':
      return at.factors.some(hasSide);
    case 'sum':
      return at.terms.some(hasSide);
    case 'computed':
      return at.operands.some(hasSide);
    default:
      return false;
  }
}

/** True where an unknown is part of an extent. */
export function mentions(extent: Extent, unknown: Unknown): boolean {
  const at = resolve(extent);
  if (at === unknown) return true;
  switch (at.kind) {
    case 'product':
      return at.factors.some((factor) => mentions(factor, unknown));
    case 'sum':
      return at.terms.some((term) => mentions(term, unknown));
    case 'computed':
      return at.operands.some((operand) => mentions(operand, unknown));
    default:
      return false;
  }
}
