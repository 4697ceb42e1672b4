/**
 * A small model on which a pass shows the fault that it shows in a large one: some nodes of the graph before the pass,
 * fed with the values that they read there. Nodes are left out as long as the pass, run over what is left, still goes
 * wrong in the same way.
 */
import { extractModel, readsOf } from '../../graph/extract.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { type Code, VlmError } from '../../report/diagnostics.ts';
import type { Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { withOutputs, withSession } from '../locate/first-deviation.ts';
import { valueError } from '../locate/value-error.ts';
import { reduce } from './reduce.ts';
import type { Applied } from './stage.ts';

/** What goes wrong: values are off, the runtime refuses the graph or fails, or the pass throws. */
export type Symptom =
  | { readonly kind: 'values'; readonly limit: number }
  | { readonly kind: 'runtime'; readonly code: Code }
  | { readonly kind: 'pass'; readonly code: Code };

export interface ReproduceRequest {
  /** What the pass is given. */
  readonly before: Model;
  /** The same with the values that weights have after the pass, whose values are what is fed. */
  readonly fair: Model;
  /** Names of nodes of `before` that are thought to be enough; all are tried where they are not. */
  readonly suspects: readonly string[];
  readonly feeds: ReadonlyMap<string, RunTensor>;
  readonly symptom: Symptom;
  readonly apply: (model: Model) => Promise<Applied>;
  readonly open: (model: Model) => Promise<Session>;
  readonly mostTests: number;
  readonly signal: AbortSignal | undefined;
}

export interface Reproduction {
  /** What the pass is given; its weights are the original ones. */
  readonly before: Model;
  /** Left out where the pass throws. */
  readonly applied?: Applied;
  readonly inputs: ReadonlyMap<string, RunTensor>;
  /** Of the graph before the pass, with the weights' effective values. */
  readonly expected: ReadonlyMap<string, RunTensor>;
  readonly found: ReadonlyMap<string, RunTensor>;
  readonly nodes: number;
  readonly tests: number;
  /** Of the output that is furthest off. */
  readonly error?: { readonly output: string; readonly max: number; readonly relative: number };
  readonly thrown?: VlmError;
}

/** Undefined where the fault does not show in the part alone. Throws what a run of the part throws. */
export async function reproduce(request: ReproduceRequest): Promise<Reproduction | undefined> {
  const values = new RecordedValues(request);
  const all = [...request.before.graph.nodes()];
  let best: Omit<Reproduction, 'tests' | 'nodes'> | undefined;
  const shows = async (nodes: readonly Node[]): Promise<boolean> => {
    request.signal?.throwIfAborted();
    const found = await attempt(request, nodes, values);
    best = found ?? best;
    return found !== undefined;
  };
  const suspects = all.filter(({ name }) => request.suspects.includes(name));
  const starts = [suspects, neighbours(suspects), all].filter((nodes) => nodes.length > 0);
  let tests = 0;
  for (const start of starts) {
    tests += 1;
    if (!(await shows(start))) continue;
    const { items, tests: more } = await reduce(start, shows, request.mostTests);
    if (best === undefined) throw new RangeError('a reduction without a failure');
    return { ...best, nodes: items.length, tests: tests + more };
  }
  return undefined;
}

/** The nodes with those that make what they read, and those that read what they make. */
function neighbours(nodes: readonly Node[]): readonly Node[] {
  const near = new Set(nodes);
  for (const node of nodes) {
    for (const value of readsOf(node)) if (value.producer !== undefined) near.add(value.producer);
    for (const value of node.outputs) for (const reader of value?.consumers() ?? []) near.add(reader);
  }
  const [graph] = new Set(nodes.map((node) => node.graph));
  return graph === undefined ? [] : [...graph.nodes()].filter((node) => near.has(node));
}

/** Values of the graph before the pass; each is computed once. */
class RecordedValues {
  readonly #request: ReproduceRequest;
  readonly #known: Map<string, RunTensor>;

  constructor(request: ReproduceRequest) {
    this.#request = request;
    this.#known = new Map(request.feeds);
  }

  async get(names: readonly string[]): Promise<ReadonlyMap<string, RunTensor>> {
    const { fair, open, feeds } = this.#request;
    const missing = names.filter((name) => !this.#known.has(name));
    // There are none of a part that never ran.
    if (missing.length > 0 && feeds.size > 0) {
      const ran = await withSession(open(withOutputs(fair, missing)), (session) =>
        session.run(feeds, missing),
      );
      for (const [name, value] of ran) this.#known.set(name, value);
    }
    return new Map(
      names.flatMap((name) => {
        const value = this.#known.get(name);
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
  }
}

/** Undefined where these nodes do not show the fault. */
async function attempt(
  request: ReproduceRequest,
  nodes: readonly Node[],
  values: RecordedValues,
): Promise<Omit<Reproduction, 'tests' | 'nodes'> | undefined> {
  const { symptom, apply, open } = request;
  const model = extract(request.before, new Set(nodes));
  let applied: Applied;
  try {
    applied = await apply(model);
  } catch (error) {
    if (symptom.kind !== 'pass' || !(error instanceof VlmError) || error.code !== symptom.code)
      return undefined;
    return { before: model, inputs: new Map(), expected: new Map(), found: new Map(), thrown: error };
  }
  if (symptom.kind === 'pass') return undefined;
  const inputs = await values.get(model.graph.inputs.map(({ name }) => name));
  const expected = await orRefusal(open, applied.fair, inputs);
  if (expected instanceof VlmError) return undefined;
  const known = { before: model, applied, inputs, expected };
  const found = await orRefusal(open, applied.after, inputs);
  if (found instanceof VlmError) {
    const same = symptom.kind === 'runtime' && found.code === symptom.code;
    return same ? { ...known, found: new Map(), thrown: found } : undefined;
  }
  const error = worstOutput(expected, found);
  if (symptom.kind !== 'values' || error === undefined || error.max <= symptom.limit) return undefined;
  return { ...known, found, error };
}

/** The outputs, or what the runtime says to the model. */
async function orRefusal(
  open: ReproduceRequest['open'],
  model: Model,
  inputs: ReadonlyMap<string, RunTensor>,
): Promise<ReadonlyMap<string, RunTensor> | VlmError> {
  try {
    return await withSession(open(model), (session) => session.run(pick(inputs, model)));
  } catch (error) {
    if (error instanceof VlmError) return error;
    throw error;
  }
}

/** Some nodes as a model: it takes what they read, and gives what none of them reads. */
function extract(model: Model, nodes: ReadonlySet<Node>): Model {
  const read = new Set([...nodes].flatMap(readsOf));
  const made = new Set([...nodes].flatMap(({ outputs }) => outputs.filter((value) => value !== null)));
  const isConstant = (value: Value): boolean =>
    !value.isInput && (value.initializer !== undefined || model.graph.sparseInitializers.has(value.name));
  const inputs = [...read].filter((value) => !made.has(value) && !isConstant(value));
  const outputs = [...made].filter((value) => !read.has(value) && value.name !== '');
  return extractModel(model, { nodes, inputs, outputs });
}

function worstOutput(
  expected: ReadonlyMap<string, RunTensor>,
  found: ReadonlyMap<string, RunTensor>,
): Reproduction['error'] {
  let worst: Reproduction['error'];
  for (const [output, value] of expected) {
    const other = found.get(output);
    if (other === undefined || !isFloat(value.dtype)) continue;
    const { max, relative, nonFinite } = valueError(value, other);
    const size = nonFinite > 0 ? Number.POSITIVE_INFINITY : max;
    if (worst === undefined || size > worst.max) worst = { output, max: size, relative };
  }
  return worst;
}

/** What the model takes: a pass may drop inputs. */
function pick(values: ReadonlyMap<string, RunTensor>, { graph }: Model): ReadonlyMap<string, RunTensor> {
  const names = new Set(graph.inputs.map(({ name }) => name));
  return new Map([...values].filter(([name]) => names.has(name)));
}
