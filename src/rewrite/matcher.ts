/**
 * Matches a pattern at a node. Pure: the graph is only read, and everything that a rewrite needs is in the
 * match. The search backtracks over the orders of commutative inputs and over alternatives; its work is
 * bounded by the pattern's size, not the graph's.
 */
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import {
  beforeCasts,
  beforeRounding,
  constantScalar,
  isFloatCast,
  mostInRow,
  rounding,
} from './constants.ts';
import {
  commutativeOps,
  type Factor,
  type OpPattern,
  type ProductPattern,
  productOps,
  type ValuePattern,
} from './pattern.ts';

export class Match<N extends string = string> {
  readonly root: Node;
  /** Every node that the pattern covers, the root first. */
  readonly nodes: readonly Node[];
  readonly #values: ReadonlyMap<string, Value>;

  constructor(root: Node, nodes: readonly Node[], values: ReadonlyMap<string, Value>) {
    this.root = root;
    this.nodes = nodes;
    this.#values = values;
  }

  /** A captured value; RangeError when the alternative that matched does not capture it. */
  value(name: N): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw new RangeError(`the match at ${this.root.name} has no value ${name}`);
    return value;
  }

  find(name: N): Value | undefined {
    return this.#values.get(name);
  }

  /** The node that makes a captured value. */
  node(name: N): Node {
    const node = this.value(name).producer;
    if (node === undefined) throw new RangeError(`${name} of the match at ${this.root.name} has no node`);
    return node;
  }
}

/** Why a pattern did not match. */
export interface MatchFailure {
  readonly reason: string;
  /** Nodes that did match before the search got stuck: a high number is a near miss. */
  readonly depth: number;
}

export function isFailure(result: object): result is MatchFailure {
  return 'reason' in result && 'depth' in result;
}

/** What has matched so far; a persistent list, so that backtracking costs nothing. */
interface State {
  readonly nodes: readonly Covered[];
  readonly values: ReadonlyMap<string, Value>;
}

interface Covered {
  readonly node: Node;
  readonly shared: boolean;
}

type Goal = ValueGoal | ProductGoal;

interface ValueGoal {
  readonly pattern: ValuePattern | null;
  readonly value: Value | undefined;
  readonly next: Goal | undefined;
}

/** What is left of a product: terms of the graph to account for, factors of the pattern to find among them. */
interface ProductGoal {
  readonly product: ProductPattern;
  readonly terms: readonly Term[];
  readonly factors: readonly Factor[];
  /** The constants met so far. */
  readonly scale: number;
  /** How far off they may be together, relative. */
  readonly slack: number;
  /** Nodes taken apart so far. */
  readonly depth: number;
  readonly next: Goal | undefined;
}

/** Nodes that one product may be spelled in. */
const longestProduct = 16;

interface Term {
  readonly value: Value;
  readonly inverted: boolean;
}

/**
 * What may stand between the nodes of a pattern. `nothing`; `casts`: from one float type to another, so that types may
 * change inside; `rounding`: quantization, too, and others may read what is inside. A match of that kind says what the
 * nodes mean; it cannot be rewritten.
 */
export type Between = 'nothing' | 'casts' | 'rounding';

/** Matches with `root` as the pattern's outermost operator. */
export function matchPattern<N extends string>(
  pattern: OpPattern<N> | ProductPattern<N>,
  root: Node,
  between: Between = 'nothing',
): Match<N> | MatchFailure {
  const search = new Search(root, between);
  const value = root.outputs[pattern.kind === 'op' ? pattern.output : 0] ?? undefined;
  const state = search.solve({ pattern, value, next: undefined }, { nodes: [], values: new Map() });
  if (state === undefined) return search.failure;
  return new Match<N>(
    root,
    state.nodes.map(({ node }) => node),
    state.values,
  );
}

class Search {
  readonly #root: Node;
  readonly #between: Between;
  failure: MatchFailure;

  constructor(root: Node, between: Between) {
    this.#root = root;
    this.#between = between;
    this.failure = { reason: 'nothing matched', depth: 0 };
  }

  solve(goal: Goal | undefined, state: State): State | undefined {
    if (goal === undefined) return this.#exclusive(state);
    if ('product' in goal) return this.#solveProduct(goal, state);
    const { pattern, next } = goal;
    const value = goal.value === undefined ? undefined : this.#seen(goal.value);
    if (pattern === null) {
      return value === undefined
        ? this.solve(next, state)
        : this.#fail(state, `${value.name} was not expected`);
    }
    if (value === undefined) return this.#fail(state, `an input of the pattern is left out`);
    switch (pattern.kind) {
      case 'either':
        for (const alternative of pattern.alternatives) {
          const found = this.solve({ pattern: alternative, value, next }, state);
          if (found !== undefined) return found;
        }
        return undefined;
      case 'value': {
        const reason = firstReason(pattern.checks, value);
        if (reason !== undefined) return this.#fail(state, reason);
        const bound = this.#bind(state, pattern.name, value);
        return bound === undefined ? undefined : this.solve(next, bound);
      }
      case 'op':
        return this.#solveOp(pattern, value, next, state);
      case 'product': {
        const terms = [{ value, inverted: false }];
        const { factors } = pattern;
        return this.#solveProduct(
          { product: pattern, terms, factors, scale: 1, slack: 0, depth: 0, next },
          state,
        );
      }
    }
  }

  /** The first term is one of the factors, or a number, or a product itself. */
  #solveProduct(goal: ProductGoal, state: State): State | undefined {
    const { product, factors, scale, slack } = goal;
    const [term, ...terms] = goal.terms;
    if (term === undefined) {
      if (factors.length > 0) return this.#fail(state, `a factor is missing`);
      if (Math.abs(scale - product.scale) > slack * Math.abs(product.scale)) {
        return this.#fail(state, `the factors are multiplied by ${scale}, not by ${product.scale}`);
      }
      return this.solve(goal.next, state);
    }
    const { inverted } = term;
    const value = this.#seen(term.value);
    for (const [index, factor] of factors.entries()) {
      if (factor.inverted !== inverted) continue;
      const next: ProductGoal = { ...goal, terms, factors: factors.toSpliced(index, 1) };
      const found = this.solve({ pattern: factor.pattern, value, next }, state);
      if (found !== undefined) return found;
    }
    const number = constantScalar(value);
    if (number !== undefined) {
      const off = value.type?.kind === 'tensor' ? rounding(value.type.dtype) : 0;
      const scaled = inverted ? scale / number : scale * number;
      return this.#solveProduct({ ...goal, terms, scale: scaled, slack: slack + off }, state);
    }
    const node = value.producer;
    if (node === undefined || !productOps.includes(node.op)) {
      return this.#fail(state, `${value.name} from ${node?.op ?? 'no node'} is none of the factors`);
    }
    if (node.graph !== this.#root.graph) {
      return this.#fail(state, `${node.name} stands in another graph`);
    }
    const inner = factorsOf(node, inverted);
    const open = [...inner, ...terms].filter((each) => constantScalar(this.#seen(each.value)) === undefined);
    if (open.length > factors.length || goal.depth === longestProduct) {
      return this.#fail(state, `${node.name} has more factors`);
    }
    return this.#solveProduct(
      {
        ...goal,
        terms: [...inner, ...terms],
        scale: node.op === 'Neg' ? -scale : scale,
        depth: goal.depth + 1,
      },
      { ...state, nodes: [...state.nodes, { node, shared: false }] },
    );
  }

  #solveOp(pattern: OpPattern, value: Value, next: Goal | undefined, state: State): State | undefined {
    const node = value.producer;
    const wanted = pattern.ops.join(' or ');
    if (node === undefined || !pattern.ops.includes(node.op)) {
      return this.#fail(state, `${value.name} comes from ${node?.op ?? 'no node'}, not from ${wanted}`);
    }
    if (value.outputIndex !== pattern.output) {
      return this.#fail(state, `${value.name} is output ${value.outputIndex} of ${node.name}`);
    }
    if (node.graph !== this.#root.graph) {
      return this.#fail(state, `${node.name} stands in another graph`);
    }
    const reason = firstReason(pattern.checks, node);
    if (reason !== undefined) return this.#fail(state, reason);
    if (!pattern.rest && node.inputs.slice(pattern.inputs.length).some((input) => input !== null)) {
      return this.#fail(state, `${node.name} has more inputs than the pattern`);
    }
    const bound = this.#bind(state, pattern.name, value);
    if (bound === undefined) return undefined;
    const inner = { ...bound, nodes: [...bound.nodes, { node, shared: pattern.shared }] };
    const [first, second] = pattern.inputs;
    const orders =
      commutativeOps.has(node.op) &&
      pattern.inputs.length === 2 &&
      first !== undefined &&
      second !== undefined
        ? [pattern.inputs, [second, first]]
        : [pattern.inputs];
    for (const order of orders) {
      let goals = next;
      for (let index = order.length - 1; index >= 0; index -= 1) {
        goals = { pattern: order[index] ?? null, value: node.input(index), next: goals };
      }
      const found = this.solve(goals, inner);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #seen(value: Value): Value {
    if (this.#between === 'nothing') return value;
    return this.#between === 'casts' ? beforeCasts(value) : beforeRounding(value);
  }

  /** Nodes inside the match must not be read from outside: replacing the root would not free them. */
  #exclusive(state: State): State | undefined {
    if (this.#between === 'rounding') return state;
    const covered = new Set(state.nodes.map(({ node }) => node));
    for (const { node, shared } of state.nodes) {
      if (node === this.#root || shared) continue;
      for (const output of node.outputs) {
        const reason = output === null ? undefined : this.#readOutside(output, covered);
        if (reason !== undefined) return this.#fail(state, reason, true);
      }
    }
    return state;
  }

  /** Who reads a value beside the nodes that are covered, and the casts between them. */
  #readOutside(value: Value, covered: ReadonlySet<Node>, casts = 0): string | undefined {
    if (value.isOutput) return `${value.name} is also an output of the graph`;
    for (const { node } of value.uses) {
      if (covered.has(node)) continue;
      const cast = this.#between === 'casts' && casts < mostInRow && isFloatCast(node);
      const reason = cast
        ? this.#readOutside(node.output, covered, casts + 1)
        : `${value.name} is also read by ${node.name}`;
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  #bind(state: State, name: string | undefined, value: Value): State | undefined {
    if (name === undefined) return state;
    const known = state.values.get(name);
    if (known === value) return state;
    if (known !== undefined) return this.#fail(state, `${name} is both ${known.name} and ${value.name}`);
    return { ...state, values: new Map(state.values).set(name, value) };
  }

  /** Keeps the failure of the attempt that came furthest; one that had matched whole is further than its nodes. */
  #fail(state: State, reason: string, whole = false): undefined {
    const depth = state.nodes.length + (whole ? 1 : 0);
    if (depth >= this.failure.depth) this.failure = { reason, depth };
    return undefined;
  }
}

/** The inputs of a node that spells a product; the second one of Div and that of Reciprocal divide. */
function factorsOf(node: Node, inverted: boolean): readonly Term[] {
  return node.inputs.flatMap((value, index) => {
    const divides = node.op === 'Reciprocal' || (node.op === 'Div' && index === 1);
    return value === null ? [] : [{ value, inverted: divides !== inverted }];
  });
}

function firstReason<T>(
  checks: readonly ((subject: T) => string | undefined)[],
  subject: T,
): string | undefined {
  for (const check of checks) {
    const reason = check(subject);
    if (reason !== undefined) return reason;
  }
  return undefined;
}
