/**
 * Patterns that read like the graph they match: `op('Add', [op('MatMul', [any('x'), constant('w')]), any('b')])`
 * is a linear layer with bias. A pattern is data; matching it (matcher.ts) changes nothing.
 *
 * The type parameter collects the names that a pattern captures. A name that stands in a pattern twice has to
 * be the same value both times.
 */
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantNumbers, constantScalar, constantTensor, rounding } from './constants.ts';

/** A condition: undefined when it holds, else the reason why it does not. */
export type Check<T> = (subject: T) => string | undefined;

export type ValuePattern<N extends string = string> =
  | { readonly kind: 'value'; readonly name?: N; readonly checks: readonly Check<Value>[] }
  | { readonly kind: 'either'; readonly alternatives: readonly ValuePattern<N>[] }
  | ProductPattern<N>
  | OpPattern<N>;

/**
 * `scale` times the factors, however Mul, Div, Reciprocal and Neg spell it: in any order and association, the
 * scale in one constant or in several.
 */
export interface ProductPattern<N extends string = string> {
  readonly kind: 'product';
  readonly factors: readonly Factor<N>[];
  readonly scale: number;
}

export interface Factor<N extends string = string> {
  readonly pattern: ValuePattern<N>;
  /** The value divides. */
  readonly inverted: boolean;
}

export interface OpPattern<N extends string = string> {
  readonly kind: 'op';
  /** `MatMul`, `com.microsoft::MatMulNBits`; the alternatives share inputs and their order. */
  readonly ops: readonly string[];
  /** null: the input has to be left out. Inputs beyond the list have to be left out too, unless `rest`. */
  readonly inputs: readonly (ValuePattern<N> | null)[];
  /** Captures the value that the node makes. */
  readonly name?: N;
  /** Which output of the node the value is. */
  readonly output: number;
  /** May have other readers than the nodes of the match: they keep the node alive. */
  readonly shared: boolean;
  readonly rest: boolean;
  readonly checks: readonly Check<Node>[];
}

export interface OpPatternOptions<N extends string> {
  readonly as?: N;
  readonly output?: number;
  readonly shared?: boolean;
  readonly rest?: boolean;
  readonly where?: Check<Node>;
  /** Integer attributes and their values; an attribute that is absent does not match. */
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** Operators whose two inputs may change places. */
export const commutativeOps: ReadonlySet<string> = new Set(['Add', 'Mul', 'And', 'Or', 'Equal']);

/** Any value at all. */
export function any<N extends string>(name?: N, where?: Check<Value>): ValuePattern<N> {
  return {
    kind: 'value',
    ...(name === undefined ? {} : { name }),
    checks: where === undefined ? [] : [where],
  };
}

/** A constant: an initializer that no caller can override, or a Constant node. */
export function constant<N extends string>(name?: N, where?: Check<Value>): ValuePattern<N> {
  return {
    kind: 'value',
    ...(name === undefined ? {} : { name }),
    checks: [
      (value) => (constantTensor(value) === undefined ? `${value.name} is not a constant` : undefined),
      ...(where === undefined ? [] : [where]),
    ],
  };
}

/** A constant with one element, in memory, that is `equals` as far as its type can tell. */
export function scalar<N extends string>(name?: N, equals?: number): ValuePattern<N> {
  return any(name, (value) => {
    const found = constantScalar(value);
    if (found === undefined) return `${value.name} is not a constant, or not one number in memory`;
    const slack = value.type?.kind === 'tensor' ? rounding(value.type.dtype) : 0;
    if (equals !== undefined && Math.abs(found - equals) > slack * Math.abs(equals)) {
      return `${value.name} is ${found}, not ${equals}`;
    }
    return undefined;
  });
}

/** This one number, as far as the constant's type can tell. */
export function number(equals: number): ValuePattern<never> {
  return scalar<never>(undefined, equals);
}

/** A small constant list of numbers, in memory, equal to `numbers`. */
export function numbers(expected: readonly number[]): ValuePattern<never> {
  return constant<never>(undefined, (value) => {
    const found = constantNumbers(value);
    return found !== undefined && sameNumbers(found, expected)
      ? undefined
      : `${value.name} is ${found === undefined ? 'not in memory' : `[${found}]`}, not [${expected}]`;
  });
}

/** The first alternative that lets the whole pattern match. */
export function either<N extends string>(...alternatives: readonly ValuePattern<N>[]): ValuePattern<N> {
  return { kind: 'either', alternatives };
}

/** Operators that spell products; see ProductPattern. */
export const productOps: readonly string[] = ['Mul', 'Div', 'Reciprocal', 'Neg'];

/** `product([any('x'), over(any('deviation'))], 0.5)` is x / (2 · deviation). */
export function product<N extends string>(
  factors: readonly (ValuePattern<N> | Factor<N>)[],
  scale = 1,
): ProductPattern<N> {
  return {
    kind: 'product',
    factors: factors.map((factor) => ('inverted' in factor ? factor : { pattern: factor, inverted: false })),
    scale,
  };
}

/** A divisor of a product. */
export function over<N extends string>(pattern: ValuePattern<N>): Factor<N> {
  return { pattern, inverted: true };
}

/** The output of an operator. */
export function op<N extends string = never>(
  ops: string | readonly string[],
  inputs: readonly (ValuePattern<N> | null)[],
  options: OpPatternOptions<N> = {},
): OpPattern<N> {
  const { as, output = 0, shared = false, rest = false, where, attributes = {} } = options;
  return {
    kind: 'op',
    ops: typeof ops === 'string' ? [ops] : ops,
    inputs,
    ...(as === undefined ? {} : { name: as }),
    output,
    shared,
    rest,
    checks: [
      ...Object.entries(attributes).map(([name, expected]) => attributeIs(name, expected)),
      ...(where === undefined ? [] : [where]),
    ],
  };
}

function attributeIs(name: string, expected: number | readonly number[]): Check<Node> {
  return (node) => {
    const wanted = typeof expected === 'number' ? [expected] : expected;
    const kind = node.attributes.get(name)?.kind;
    const found =
      kind === 'int' ? [node.int(name) ?? Number.NaN] : kind === 'ints' ? node.ints(name) : undefined;
    return found !== undefined && sameNumbers(found, wanted)
      ? undefined
      : `${name} of ${node.name} is ${found === undefined ? 'absent' : `[${found}]`}, not [${wanted}]`;
  };
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
