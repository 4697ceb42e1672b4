/**
 * Finds rotary position embedding by what it does to columns, not by how it is spelled. With r channels that turn of d,
 * θ the angle of a pair and (a, b) = (i, i + r/2) in halves or (2i, 2i + 1) interleaved:
 *
 *   out[a] = x[a] · cos θ − x[b] · sin θ,   out[b] = x[b] · cos θ + x[a] · sin θ,   out[c] = x[c] for c ≥ r
 *
 * or the same with channels in other places (DeepSeek takes pairs 2i, 2i + 1 and gives halves).
 *
 * Each column of a candidate is followed back to a sum of columns of one x, each times a factor; the tables of a pair have
 * to hold the same numbers, which ColumnIdentity tells. x · cos + rotate_half(x) · sin, split halves that are turned and
 * joined, stacked pairs: all are the same sums.
 */
import type { Node } from '../../graph/node.ts';
import type { Dim } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import type { ColumnIdentity } from '../../rewrite/column-identity.ts';
import { type Element, lastAxis, originOf, sameDims } from '../../rewrite/columns.ts';

export interface Rotary {
  /** [..., d], of the shape of the output. */
  readonly x: Value;
  /** Its shape is proven to be that of the output: the tables do not repeat it. */
  readonly whole: boolean;
  /** Where the two channels of a pair lie; `moved`: neither, or not where x has them. */
  readonly form: 'halves' | 'interleaved' | 'moved';
  /** r: the channels that turn, the first of d unless they are moved. */
  readonly turning: number;
  /** The factors of the first of each pair, r/2 columns. */
  readonly cos: readonly Element[];
  readonly sin: readonly Element[];
  /** The tables hold the same numbers for both channels of each pair: proven. */
  readonly paired: boolean;
  /** Between x and the output. */
  readonly nodes: readonly Node[];
}

/** Operators that a root can be: what sums or joins the turned channels. */
export const joiningRoots: readonly string[] = ['Concat', 'Reshape'];
export const summingRoots: readonly string[] = ['Add', 'Sub'];

/** Wider heads are no heads. */
const widestHead = 1024;
/** Nodes between a candidate for x and the output; spellings take about a dozen. */
const mostNodes = 48;

/** Undefined where the node's output turns nothing. */
export function matchRotary(root: Node, identity: ColumnIdentity): Rotary | undefined {
  const dims = dimsOf(root.output);
  const width = dims?.at(-1);
  if (dims === undefined || typeof width !== 'number' || width % 2 !== 0 || width > widestHead)
    return undefined;
  for (const x of candidates(root)) {
    const found = turnedFrom(root.output, width, x, identity);
    if (found !== undefined) return found;
  }
  return undefined;
}

const between: ReadonlySet<string> = new Set([
  'Add',
  'Concat',
  'Gather',
  'Mul',
  'Neg',
  'Reshape',
  'Slice',
  'Split',
  'Squeeze',
  'Sub',
  'Transpose',
  'Unsqueeze',
]);

/** Values behind the output that have its shape, the nearest first, and after them those that may have it. */
function candidates(root: Node): readonly Value[] {
  const dims = dimsOf(root.output) ?? [];
  const [found, possible] = [new Set<Value>(), new Set<Value>()];
  const seen = new Set<Node>([root]);
  for (const node of seen) {
    if (seen.size > mostNodes) break;
    for (const input of node.inputs) {
      if (input === null) continue;
      const own = dimsOf(input);
      if (own !== undefined && sameDims(own, dims)) found.add(input);
      else if (own !== undefined && mayBeDims(own, dims)) possible.add(input);
      if (input.producer !== undefined && between.has(input.producer.op)) seen.add(input.producer);
    }
  }
  return [...found, ...possible];
}

/** What is not known may be the same; one row that is repeated is not. */
function mayBeDims(dims: readonly Dim[], wanted: readonly Dim[]): boolean {
  return (
    dims.length === wanted.length &&
    dims.at(-1) === wanted.at(-1) &&
    dims.every((dim, axis) => dim === wanted[axis] || typeof dim !== 'number')
  );
}

function turnedFrom(output: Value, width: number, x: Value, identity: ColumnIdentity): Rotary | undefined {
  const sums = new Sums(x);
  const pairs = new Pairs();
  for (let column = 0; column < width; column += 1) {
    const element = lastAxis(output, column);
    const terms = element === undefined ? undefined : sums.of(element);
    if (terms === undefined || !pairs.add(column, terms)) return undefined;
  }
  const found = pairs.all();
  if (found === undefined || found.length === 0) return undefined;
  const same = (a: Element, b: Element): boolean => identity.keyOf(a) === identity.keyOf(b);
  return {
    x,
    whole: sameDims(dimsOf(x) ?? [], dimsOf(output) ?? []),
    form: pairs.inPlace ? formOf(found) : 'moved',
    turning: 2 * found.length,
    cos: found.map(({ first }) => first.cos),
    sin: found.map(({ first }) => first.sin),
    paired: found.every(({ first, second }) => same(first.cos, second.cos) && same(first.sin, second.sin)),
    nodes: [...sums.nodes],
  };
}

/** out[column] = x[own] · cos ± x[other] · sin */
interface Turned {
  readonly column: number;
  readonly own: number;
  readonly other: number;
  readonly cos: Element;
  readonly sin: Element;
}

interface Pair {
  /** − */
  readonly first: Turned;
  /** + */
  readonly second: Turned;
}

/** Puts the columns of an output together that turn the same two columns of x. */
class Pairs {
  /** Every column that passes is where x has it. */
  inPlace = true;
  readonly #firsts: Turned[] = [];
  /** By the two columns of x; which of their factors is the cosine, the first of the pair tells. */
  readonly #seconds = new Map<string, { readonly column: number; readonly terms: readonly FactorTerm[] }>();

  /** False where the column neither passes nor turns. */
  add(column: number, terms: readonly Term[]): boolean {
    const [single] = terms;
    if (terms.length === 1 && single !== undefined && single.factor === undefined) {
      this.inPlace &&= single.column === column;
      return single.sign === 1;
    }
    const factors = terms.flatMap(({ factor, ...term }) =>
      factor === undefined ? [] : [{ ...term, factor }],
    );
    const minus = factors.find(({ sign }) => sign === -1);
    const plus = factors.find(({ sign }) => sign === 1);
    if (factors.length !== 2 || plus === undefined) return false;
    if (minus === undefined) {
      this.#seconds.set(keyOf(factors), { column, terms: factors });
      return true;
    }
    this.#firsts.push({ column, own: plus.column, other: minus.column, cos: plus.factor, sin: minus.factor });
    return true;
  }

  /** In the order of the output; undefined where a column has no partner. */
  all(): readonly Pair[] | undefined {
    if (this.#firsts.length !== this.#seconds.size) return undefined;
    const pairs = this.#firsts.flatMap((first): readonly Pair[] => {
      const second = this.#seconds.get([first.own, first.other].sort(ascending).join());
      const cos = second?.terms.find(({ column }) => column === first.other);
      const sin = second?.terms.find(({ column }) => column === first.own);
      if (second === undefined || cos === undefined || sin === undefined) return [];
      const { column } = second;
      return [
        { first, second: { column, own: cos.column, other: sin.column, cos: cos.factor, sin: sin.factor } },
      ];
    });
    return pairs.length === this.#firsts.length ? pairs : undefined;
  }
}

function formOf(pairs: readonly Pair[]): Rotary['form'] {
  const lie = (first: (pair: number) => number, second: (pair: number) => number): boolean =>
    pairs.every(
      (pair, index) =>
        pair.first.column === first(index) &&
        pair.first.own === first(index) &&
        pair.second.column === second(index) &&
        pair.second.own === second(index),
    );
  if (
    lie(
      (pair) => pair,
      (pair) => pair + pairs.length,
    )
  )
    return 'halves';
  return lie(
    (pair) => 2 * pair,
    (pair) => 2 * pair + 1,
  )
    ? 'interleaved'
    : 'moved';
}

const ascending = (a: number, b: number): number => a - b;

type FactorTerm = Term & { readonly factor: Element };

function keyOf(terms: readonly FactorTerm[]): string {
  return terms
    .map(({ column }) => column)
    .sort(ascending)
    .join();
}

/** sign · x[column] · factor */
interface Term {
  readonly sign: number;
  readonly column: number;
  readonly factor: Element | undefined;
}

/** Columns as sums of columns of x; undefined for those that are none. */
class Sums {
  /** What the sums were read from. */
  readonly nodes = new Set<Node>();
  readonly #x: Value;
  readonly #known = new Map<Value, Map<string, readonly Term[] | undefined>>();

  constructor(x: Value) {
    this.#x = x;
  }

  of(element: Element, depth = mostNodes): readonly Term[] | undefined {
    const { value, axes, column } = element;
    if (value === this.#x) return axes === 1 ? [{ sign: 1, column, factor: undefined }] : undefined;
    const own = this.#known.get(value) ?? new Map<string, readonly Term[] | undefined>();
    this.#known.set(value, own);
    const place = `${axes}:${column}`;
    if (!own.has(place)) own.set(place, depth === 0 ? undefined : this.#read(element, depth - 1));
    return own.get(place);
  }

  #read(element: Element, depth: number): readonly Term[] | undefined {
    const node = element.value.producer;
    if (node === undefined || !between.has(node.op)) return undefined;
    const origin = originOf(element);
    const terms =
      origin.kind === 'same'
        ? this.of(origin.of, depth)
        : origin.kind === 'computed'
          ? this.#compute(node, origin.of, depth)
          : undefined;
    if (terms !== undefined) this.nodes.add(node);
    return terms;
  }

  #compute(node: Node, [left, right]: readonly Element[], depth: number): readonly Term[] | undefined {
    if (left === undefined) return undefined;
    const first = this.of(left, depth);
    if (node.op === 'Neg') return first?.map(negated);
    if (right === undefined) return undefined;
    const second = this.of(right, depth);
    switch (node.op) {
      case 'Add':
        return both(first, second);
      case 'Sub':
        return both(first, second?.map(negated));
      case 'Mul':
        if (first !== undefined) return scaled(first, right);
        return second && scaled(second, left);
      default:
        return undefined;
    }
  }
}

/** Turning takes two terms; more are something else, and may be many. */
function both(a: readonly Term[] | undefined, b: readonly Term[] | undefined): readonly Term[] | undefined {
  return a !== undefined && b !== undefined && a.length + b.length <= 2 ? [...a, ...b] : undefined;
}

function negated(term: Term): Term {
  return { ...term, sign: -term.sign };
}

/** A second factor would be no table. */
function scaled(terms: readonly Term[], factor: Element): readonly Term[] | undefined {
  if (terms.some((term) => term.factor !== undefined)) return undefined;
  return terms.map((term) => ({ ...term, factor }));
}
