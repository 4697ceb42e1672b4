/**
 * Which nodes of a graph give other values than the graph it was made from, when they are given the same: every value
 * that both have is an input of the second graph, fed with what the first one makes, so that an error is of the nodes
 * between two such values alone, and does not come from those before them.
 */
import { cloneModel } from '../../graph/clone.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import type { Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { pairValues } from './pairs.ts';
import { exceeds, type ValueError, valueError } from './value-error.ts';

/** The first of two models that share value names, and the one that passes made of it. */
export type Side = 'before' | 'after';

export interface DeviationRequest {
  readonly before: Model;
  readonly after: Model;
  /** Inputs of both. */
  readonly feeds: ReadonlyMap<string, RunTensor>;
  /** Opens one of the two with more inputs and outputs; at most one session is open at a time. */
  readonly open: (side: Side, model: Model) => Promise<Session>;
  /** What an error has to exceed to be one. */
  readonly limits: DeviationLimits;
  readonly signal?: AbortSignal | undefined;
}

export interface DeviationLimits {
  /** ‖error‖ / ‖value‖ */
  readonly relative: number;
  /** max |error| / std */
  readonly max: number;
}

/** Nodes between values that both graphs have, whose result differs though what they are given does not. */
export interface Deviation {
  /** Names of the value in the first and in the second graph. */
  readonly value: { readonly before: string; readonly after: string };
  readonly error: ValueError;
  /** What the first graph makes, and the second. */
  readonly wanted: RunTensor;
  readonly found: RunTensor;
  /** In order; the last one makes the value. */
  readonly nodes: { readonly before: readonly Node[]; readonly after: readonly Node[] };
}

/** Values of a part that are larger stay inside of what is compared, and so does what is not paired. */
const largestValue = 256 << 20;

/**
 * In the order of the second graph; none where what differs adds up from nodes that are all within the limits. Throws
 * what `open` and runs throw.
 */
export async function deviations(request: DeviationRequest): Promise<readonly Deviation[]> {
  const { before, after, feeds, open, limits } = request;
  const pairs = pairValues(before.graph, after.graph);
  const wanted = await withSession(
    open(
      'before',
      withOutputs(
        before,
        pairs.map((pair) => pair.before.name),
      ),
    ),
    (session) => session.run(new Map(pick(feeds, before)), unique(pairs.map((pair) => pair.before.name))),
  );
  request.signal?.throwIfAborted();
  const kept = pairs.filter(({ before: { name }, after: { type } }) => {
    const value = wanted.get(name);
    return value !== undefined && value.data.byteLength <= largestValue && sameKind(value, type);
  });
  const fed = feedEach(
    after,
    kept.map((pair) => pair.after.name),
  );
  const given = new Map(
    kept.flatMap((pair): [string, RunTensor][] => {
      const input = fed.inputs.get(pair.after.name);
      const value = wanted.get(pair.before.name);
      return input === undefined || value === undefined ? [] : [[input, value]];
    }),
  );
  const found = await withSession(open('after', fed.model), (session) =>
    session.run(new Map([...pick(feeds, fed.model), ...given])),
  );
  const known = {
    before: new Set(kept.map((pair) => pair.before)),
    after: new Set(kept.map((pair) => pair.after)),
  };
  return kept.flatMap((pair): Deviation[] => {
    const [mine, theirs] = [wanted.get(pair.before.name), found.get(pair.after.name)];
    if (mine === undefined || theirs === undefined) return [];
    const error = valueError(mine, theirs);
    if (!exceeds(error, limits)) return [];
    return [
      {
        value: { before: pair.before.name, after: pair.after.name },
        error,
        wanted: mine,
        found: theirs,
        nodes: { before: region(pair.before, known.before), after: region(pair.after, known.after) },
      },
    ];
  });
}

/** The first one in the order of the second graph. */
export async function firstDeviation(request: DeviationRequest): Promise<Deviation | undefined> {
  return (await deviations(request))[0];
}

export async function withSession<T>(
  opening: Promise<Session>,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await opening;
  try {
    return await body(session);
  } finally {
    await session.release();
  }
}

/** A copy with more outputs. */
export function withOutputs(model: Model, names: readonly string[]): Model {
  const copy = cloneModel(model);
  copy.graph.setOutputs(
    unique([...copy.graph.outputs, ...names.map((name) => namedValue(copy.graph, name))]),
  );
  return copy;
}

/** A copy that is given each of the values where it reads them, and gives what it makes of them itself. */
function feedEach(
  model: Model,
  names: readonly string[],
): { readonly model: Model; readonly inputs: ReadonlyMap<string, string> } {
  const copy = cloneModel(model);
  const { graph } = copy;
  const inputs = new Map<string, string>();
  for (const name of names) {
    const value = namedValue(graph, name);
    if (value.consumers().length === 0) continue;
    const input = graph.addInput(graph.freshName(`${name}.given`), value.type);
    for (const reader of value.consumers()) {
      for (const [index, read] of reader.inputs.entries()) {
        if (read === value) reader.graph.setInput(reader, index, input);
      }
    }
    // What a body reads as its own output cannot be given.
    if (input.uses.size > 0) inputs.set(name, input.name);
    else graph.removeInput(input);
  }
  graph.setOutputs(unique(names.map((name) => namedValue(graph, name))));
  return { model: copy, inputs };
}

/** Nodes that a value is computed by, back to values that are known. */
function region(value: Value, known: ReadonlySet<Value>): readonly Node[] {
  const nodes = new Set<Node>();
  const pending = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { producer } = next;
    if (producer === undefined || nodes.has(producer)) continue;
    nodes.add(producer);
    for (const input of producer.inputs) if (input !== null && !known.has(input)) pending.push(input);
  }
  return [...value.graph.nodes()].filter((node) => nodes.has(node));
}

function sameKind(value: RunTensor, type: Value['type']): boolean {
  if (type?.kind !== 'tensor') return false;
  const float = (dtype: string): boolean => dtype === 'float32' || dtype === 'float16';
  return type.dtype === value.dtype || (float(type.dtype) && float(value.dtype));
}

/** What the model still has an input for: some were read by nodes that are given their result now. */
function pick(feeds: ReadonlyMap<string, RunTensor>, { graph }: Model): readonly [string, RunTensor][] {
  const names = new Set(graph.inputs.map(({ name }) => name));
  return [...feeds].filter(([name]) => names.has(name));
}

function namedValue(graph: Graph, name: string): Value {
  const value = graph.value(name);
  if (value === undefined) throw new RangeError(`there is no value ${name}`);
  return value;
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}
