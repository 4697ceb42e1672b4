/**
 * Where in a graph the first value arises that is not finite, or that its type has no finite number for: the runtime
 * may compute float16 in float32 (on the CPU it does), and then carries on what a GPU would have lost.
 */
import { cloneModel } from '../../graph/clone.ts';
import type { Model } from '../../graph/model.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import type { Session } from '../../runtime/session.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { withSession } from '../locate/first-deviation.ts';
import { measurable } from './choose.ts';
import { instrument, readRanges } from './instrument.ts';

/** The first value, in the order of the graph, with an element that is not finite. */
export interface NonFinite {
  readonly value: string;
  readonly node: string;
  readonly operator: string;
  /** The module, where the architecture names one. */
  readonly scope: string | undefined;
  /** How many elements, of so many. */
  readonly count: number;
  readonly elements: number;
  /** The first of them, as a flat index into `shape`. */
  readonly index: number;
  readonly shape: readonly number[];
}

/** Opens a model whose weights are those of the one that is searched. */
export type OpenModel = (model: Model) => Promise<Session>;

/** Looks through every value that nodes of the main graph make; undefined when all are finite. */
export async function locateNonFinite(
  model: Model,
  feeds: ReadonlyMap<string, RunTensor>,
  open: OpenModel,
): Promise<NonFinite | undefined> {
  const screen = instrument(model, measurable(model.graph), []);
  const outputs = await withSession(open(screen.model), (session) => session.run(feeds));
  const suspects = [...readRanges(screen, outputs)].filter(([, { suspect }]) => suspect);
  const names = suspects.map(([name]) => name);
  return pinNonFinite(model, names, feeds, open);
}

/** The same among values that are suspect, in the order of the graph. */
export async function pinNonFinite(
  model: Model,
  names: readonly string[],
  feeds: ReadonlyMap<string, RunTensor>,
  open: OpenModel,
): Promise<NonFinite | undefined> {
  // One after the other: the first one mostly is it, and a value may be large.
  for (const name of names) {
    const copy = cloneModel(model);
    const value = copy.graph.value(name);
    const node = value?.producer;
    if (value === undefined || node === undefined) throw new RangeError(`no node makes ${name}`);
    copy.graph.setOutputs([value]);
    const outputs = await withSession(open(copy), (session) => session.run(feeds));
    const found = outputs.get(name);
    const place = found === undefined ? undefined : scan(found);
    if (found === undefined || place === undefined) continue;
    const scope = node.metadata.get(metadataKeys.scope);
    const elements = found.data.length;
    return { value: name, node: node.name, operator: node.op, scope, elements, shape: found.shape, ...place };
  }
  return undefined;
}

function scan(value: RunTensor): { readonly count: number; readonly index: number } | undefined {
  const elements = toFloat32(value);
  let count = 0;
  let index = -1;
  for (let at = 0; at < elements.length; at += 1) {
    if (Number.isFinite(elements[at])) continue;
    if (count === 0) index = at;
    count += 1;
  }
  return count === 0 ? undefined : { count, index };
}
