/**
 * The unknowns of one graph while they are found out, from a picture of one size to another: which extents are equal,
 * and how dimensions are taken apart and joined.
 */
import { fail, type VlmError } from '../../report/diagnostics.ts';
import {
  type Axis,
  CannotFollow,
  constantExtent,
  type Extent,
  factorsOf,
  hasSide,
  isOne,
  mentions,
  number,
  one,
  product,
  resolve,
  type Sizes,
  sum,
  termsOf,
  type Unknown,
} from './extent.ts';

/** The extents of one graph while they are found out: from a picture of one size to another. */
export class Extents {
  readonly from: Sizes;
  readonly to: Sizes;
  /** Which split of a side to read the other way round; see `#splitSide`. */
  readonly #flipped: number | undefined;
  #splits = 0;
  /** Pairs that have to be equal and could not be made so by structure. */
  readonly #pending: { readonly a: Extent; readonly b: Extent; readonly where: string }[] = [];
  /** The node that is looked at, for messages. */
  where = '';

  constructor(from: Sizes, to: Sizes, flipped?: number) {
    this.from = from;
    this.to = to;
    this.#flipped = flipped;
  }

  /** How many sides were split into two dimensions, one of which was taken for a constant. */
  get splits(): number {
    return this.#splits;
  }

  /** The value at a size; undefined where a symbol is in it. */
  value(extent: Extent, sizes: Sizes): number | undefined {
    const at = resolve(extent);
    switch (at.kind) {
      case 'number':
        return at.value;
      case 'unknown':
        return at.old;
      case 'symbol':
        return undefined;
      case 'side':
        if (sizes[at.axis] % at.by !== 0) throw this.#indivisible(at.axis, at.by, sizes);
        return sizes[at.axis] / at.by;
      default: {
        const parts = at.kind === 'product' ? at.factors : at.kind === 'sum' ? at.terms : at.operands;
        const values = parts.map((part) => this.value(part, sizes));
        if (!values.every((value) => value !== undefined)) return undefined;
        if (at.kind === 'computed') return at.compute(...values);
        return values.reduce(
          (a, b) => (at.kind === 'product' ? a * b : a + b),
          at.kind === 'product' ? 1 : 0,
        );
      }
    }
  }

  old(extent: Extent): number | undefined {
    return this.value(extent, this.from);
  }

  new(extent: Extent): number | undefined {
    return this.value(extent, this.to);
  }

  /** True where a side of the picture that becomes another one is in it, even if the value happens to be the same. */
  moves(extent: Extent): boolean {
    const at = resolve(extent);
    switch (at.kind) {
      case 'side':
        return this.old(at) !== this.new(at);
      case 'product':
        return at.factors.some((factor) => this.moves(factor));
      case 'sum':
        return at.terms.some((term) => this.moves(term));
      case 'computed':
        return at.operands.some((operand) => this.moves(operand));
      default:
        return false;
    }
  }

  /** Two extents that have to be equal. */
  unify(left: Extent, right: Extent): void {
    const [a, b] = [resolve(left), resolve(right)];
    if (a === b) return;
    const [x, y] = [this.old(a), this.old(b)];
    if (x !== undefined && y !== undefined && x !== y)
      throw new CannotFollow(`${x} and ${y} should be equal`);
    if (a.kind === 'unknown') this.#bind(a, b);
    else if (b.kind === 'unknown') this.#bind(b, a);
    else if (!this.#unifyParts(a, b)) this.#pending.push({ a, b, where: this.where });
  }

  /** The dimensions of a broadcast. */
  broadcast(shapes: readonly (readonly Extent[])[]): Extent[] {
    const rank = Math.max(0, ...shapes.map((shape) => shape.length));
    return Array.from({ length: rank }, (_, index) => {
      let joined: Extent = one;
      for (const shape of shapes) {
        const extent = shape[index - rank + shape.length];
        if (extent === undefined || isOne(extent)) continue;
        if (isOne(joined)) joined = extent;
        else this.unify(joined, extent);
      }
      return joined;
    });
  }

  /** Dimensions with as many elements in the same order; 'rest' takes what the others leave. */
  reshape(input: readonly Extent[], target: readonly (Extent | 'rest')[]): Extent[] {
    const queue = input.flatMap(factorsOf);
    const at = target.indexOf('rest');
    const result = target.map((extent) => (extent === 'rest' ? one : extent));
    const before = at < 0 ? result.length : at;
    for (const extent of result.slice(0, before)) this.#take(queue, extent, 'left');
    for (const extent of result.slice(before + 1).reverse()) this.#take(queue, extent, 'right');
    if (at >= 0) result[at] = product(queue);
    else if (queue.length > 0) this.unify(product(queue), one);
    return result;
  }

  /** Where a dimension can be cut without cutting the picture: the parts before and from `position` on. */
  cut(extent: Extent, position: number): readonly [Extent, Extent] {
    const whole = resolve(extent);
    const length = this.old(whole);
    if (length === undefined) throw new CannotFollow('a dimension of unknown size is cut');
    if (position <= 0) return [number(0), whole];
    if (position >= length) return [whole, number(0)];
    if (whole.kind === 'unknown') {
      const parts = [constantExtent(position), constantExtent(length - position)] as const;
      this.#bind(whole, { kind: 'sum', terms: parts });
      return parts;
    }
    const terms = termsOf(whole);
    const before: Extent[] = [];
    let left = position;
    while (left > 0) {
      const term = terms.shift();
      const size = term === undefined ? undefined : this.old(term);
      if (term === undefined || size === undefined)
        throw new CannotFollow('a dimension is cut beyond its end');
      if (size <= left) {
        before.push(term);
        left -= size;
        continue;
      }
      if (term.kind !== 'number' && this.moves(term)) {
        throw new CannotFollow(`${position} of ${length} lies inside the grid of patches`);
      }
      const [first, second] =
        term.kind === 'unknown' ? this.cut(term, left) : [number(left), number(size - left)];
      before.push(first);
      terms.unshift(second);
      left = 0;
    }
    return [sum(before), sum(terms)];
  }

  /** Throws VC3204 where two extents had to be equal and are not at the new size. */
  settle(): void {
    for (const { a, b, where } of this.#pending) {
      const moving = [a, b].filter((extent) => this.moves(extent));
      if (moving.length === 0) continue;
      const [x, y] = [this.new(a), this.new(b)];
      // A number that stays is none that moves and happens to come out the same.
      if (moving.length === 2 && x !== undefined && x === y) continue;
      throw fail('VC3204', { where, found: `${this.describe(a)} and ${this.describe(b)} should be equal` });
    }
  }

  describe(extent: Extent): string {
    const at = resolve(extent);
    switch (at.kind) {
      case 'number':
        return `${at.value}`;
      case 'unknown':
        return `${at.old}`;
      case 'symbol':
        return at.name;
      case 'side':
        return at.by === 1 ? at.axis : `${at.axis}/${at.by}`;
      case 'product':
        return at.factors
          .map((factor) =>
            resolve(factor).kind === 'sum' ? `(${this.describe(factor)})` : this.describe(factor),
          )
          .join('·');
      case 'sum':
        return at.terms.map((term) => this.describe(term)).join(' + ');
      case 'computed':
        return `${this.old(at) ?? '?'}`;
    }
  }

  #bind(unknown: Unknown, extent: Extent): void {
    // 24 and 2 · (24 / 2): that says nothing new.
    if (mentions(extent, unknown)) this.#pending.push({ a: unknown, b: extent, where: this.where });
    else unknown.is = extent;
  }

  #unifyParts(a: Extent, b: Extent): boolean {
    if (a.kind === 'sum' && b.kind === 'sum') return this.#unifySums(termsOf(a), termsOf(b));
    if (a.kind !== 'product' && b.kind !== 'product') return false;
    if (this.old(a) === undefined || this.old(b) === undefined) return false;
    this.#unifyProducts(factorsOf(a), factorsOf(b));
    return true;
  }

  #unifyProducts(left: readonly Extent[], right: readonly Extent[]): void {
    const pairs = left.length === right.length;
    if (pairs && left.every((factor, index) => this.old(factor) === this.old(right[index] ?? one))) {
      for (const [index, factor] of left.entries()) this.unify(factor, right[index] ?? one);
      return;
    }
    // The side with more factors takes its own from the other one.
    const [fewer, more] = left.length < right.length ? [left, right] : [right, left];
    const queue = [...fewer];
    for (const target of more) this.#take(queue, target, 'left');
  }

  #unifySums(left: readonly Extent[], right: readonly Extent[]): boolean {
    if (left.length !== right.length) return false;
    if (left.some((term, index) => this.old(term) !== this.old(right[index] ?? one))) return false;
    for (const [index, term] of left.entries()) this.unify(term, right[index] ?? one);
    return true;
  }

  /** Takes the factors that make `target` from one end of a list, and says that they are it. */
  #take(queue: Extent[], target: Extent, end: 'left' | 'right'): void {
    const next = (): Extent | undefined => (end === 'left' ? queue.shift() : queue.pop());
    const wanted = this.old(target);
    if (wanted === undefined) {
      const factors = factorsOf(target);
      for (const factor of end === 'left' ? factors : factors.reverse()) {
        if (this.old(factor) !== undefined) {
          this.#take(queue, factor, end);
          continue;
        }
        const found = next();
        if (found === undefined) throw new CannotFollow('a symbolic dimension appears from nowhere');
        this.#sameSymbol(factor, found);
      }
      return;
    }
    const taken: Extent[] = [];
    let made = 1;
    while (made < wanted) {
      const factor = next();
      const value = factor === undefined ? undefined : this.old(factor);
      if (factor === undefined || value === undefined) {
        throw new CannotFollow(`${wanted} is not made of whole dimensions`);
      }
      if (wanted % (made * value) === 0) {
        taken.push(factor);
        made *= value;
        continue;
      }
      const rest = wanted / made;
      if (!Number.isInteger(rest) || value % rest !== 0) {
        throw new CannotFollow(`${this.describe(factor)} is not made of whole dimensions of ${wanted}`);
      }
      const [outer, inner] = this.#split(factor, end === 'left' ? rest : value / rest, value);
      taken.push(end === 'left' ? outer : inner);
      queue.splice(end === 'left' ? 0 : queue.length, 0, end === 'left' ? inner : outer);
      made = wanted;
    }
    this.unify(target, product(end === 'left' ? taken : taken.reverse()));
  }

  #sameSymbol(wanted: Extent, found: Extent): void {
    if (wanted.kind !== 'symbol' || found.kind !== 'symbol') this.unify(wanted, found);
    else if (wanted.name !== found.name)
      throw new CannotFollow(`${found.name} stands where ${wanted.name} is wanted`);
  }

  /** A dimension as two, the outer one first. */
  #split(extent: Extent, outer: number, whole: number): readonly [Extent, Extent] {
    const inner = whole / outer;
    switch (extent.kind) {
      case 'number':
        return [number(outer), number(inner)];
      case 'unknown': {
        const parts = [constantExtent(outer), constantExtent(inner)] as const;
        this.#bind(extent, { kind: 'product', factors: parts });
        return parts;
      }
      case 'side': {
        // Patches are what is constant, not how many there are; the caller tries the opposite, too.
        const flipped = this.#splits === this.#flipped;
        this.#splits += 1;
        return flipped
          ? [number(outer), { ...extent, by: extent.by * outer }]
          : [{ ...extent, by: extent.by * inner }, number(inner)];
      }
      default: {
        if (hasSide(extent))
          throw new CannotFollow(`${this.describe(extent)} is split into ${outer} times ${inner}`);
        // Arithmetic of constants. Should one of them turn out to move, the two are no longer equal.
        const parts = [constantExtent(outer), constantExtent(inner)] as const;
        this.#pending.push({ a: extent, b: { kind: 'product', factors: parts }, where: this.where });
        return parts;
      }
    }
  }

  #indivisible(axis: Axis, by: number, sizes: Sizes): VlmError {
    return fail('VC3206', {
      where: this.where,
      found: `${axis} ${sizes[axis]}`,
      expected: `a multiple of ${by}`,
    });
  }
}
