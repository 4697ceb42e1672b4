/**
 * Matches a pattern at a node. Pure: the graph is only read, and everything that a rewrite needs is in the
 * match. The search backtracks over the orders of commutative inputs and over alternatives; its work is
 * bounded by the pattern's size, not the graph's.
 */
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { commutativeOps, type OpPattern, type ValuePattern } from './pattern.ts';

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

interface Goal {
  readonly pattern: ValuePattern | null;
  readonly value: Value | undefined;
  readonly next: Goal | undefined;
}

/** Matches with `root` as the pattern's outermost operator. */
export function matchPattern<N extends string>(pattern: OpPattern<N>, root: Node): Match<N> | MatchFailure {
  const search = new Search(root);
  const value = root.outputs[pattern.output] ?? undefined;
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
  failure: MatchFailure;

  constructor(root: Node) {
    this.#root = root;
    this.failure = { reason: 'nothing matched', depth: 0 };
  }

  solve(goal: Goal | undefined, state: State): State | undefined {
    if (goal === undefined) return this.#exclusive(state);
    const { pattern, value, next } = goal;
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
    }
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

  /** Nodes inside the match must not be read from outside: replacing the root would not free them. */
  #exclusive(state: State): State | undefined {
    const covered = new Set(state.nodes.map(({ node }) => node));
    for (const { node, shared } of state.nodes) {
      if (node === this.#root || shared) continue;
      for (const output of node.outputs) {
        if (output === null) continue;
        if (output.isOutput) return this.#fail(state, `${output.name} is also an output of the graph`);
        for (const use of output.uses) {
          if (!covered.has(use.node))
            return this.#fail(state, `${output.name} is also read by ${use.node.name}`);
        }
      }
    }
    return state;
  }

  #bind(state: State, name: string | undefined, value: Value): State | undefined {
    if (name === undefined) return state;
    const known = state.values.get(name);
    if (known === value) return state;
    if (known !== undefined) return this.#fail(state, `${name} is both ${known.name} and ${value.name}`);
    return { ...state, values: new Map(state.values).set(name, value) };
  }

  /** Keeps the failure of the attempt that came furthest. */
  #fail(state: State, reason: string): undefined {
    if (state.nodes.length >= this.failure.depth) this.failure = { reason, depth: state.nodes.length };
    return undefined;
  }
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
