/** Which node of a part a pass got wrong, and which of its weights. */
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import type { Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { constantsOf } from '../locate/constants.ts';
import { type Deviation, deviations } from '../locate/first-deviation.ts';
import { type TensorFault, tensorFaults } from '../locate/weights.ts';
import type { StageError } from './stage-errors.ts';

export interface LocateRequest {
  /** The part before the pass, with the weights' effective values, and after it. */
  readonly fair: Model;
  readonly after: Model;
  readonly feeds: ReadonlyMap<string, RunTensor>;
  /** max |error| / std */
  readonly limit: number;
  readonly open: (model: Model) => Promise<Session>;
  readonly signal: AbortSignal | undefined;
}

export interface NodeRef {
  readonly name: string;
  readonly operator: string;
  /** The module, as the architecture names it. */
  readonly scope?: string;
  /** Nodes of the plain graph that it came from. */
  readonly from?: readonly string[];
}

export interface LocatedNode {
  /** The first value that is off though what it is computed from is not. */
  readonly value: string;
  readonly error: StageError;
  /** The node among them that says most. */
  readonly culprit: NodeRef;
  /** What computes it after the pass, in order; the last one makes the value. */
  readonly nodes: readonly NodeRef[];
  /** The same before the pass. */
  readonly before: readonly NodeRef[];
  /** Weights of these nodes that are not what they were, the worst first. */
  readonly tensors: readonly TensorFault[];
}

/** Undefined where no value inside has a partner before the pass that it differs from. */
export async function locateNode({ limit, ...request }: LocateRequest): Promise<LocatedNode | undefined> {
  const { fair, after, open } = request;
  const all = await deviations({
    before: fair,
    after,
    feeds: request.feeds,
    open: (_side, model) => open(model),
    limits: { relative: 0, max: 0 },
    signal: request.signal,
  });
  // Where each is within the limit the fault adds up; the largest says most.
  const size = ({ error }: Deviation): number => (error.nonFinite > 0 ? Number.POSITIVE_INFINITY : error.max);
  const found = all.find((one) => size(one) > limit) ?? all.toSorted((a, b) => size(b) - size(a))[0];
  if (found === undefined) return undefined;
  const tensors = tensorFaults(
    await constantsOf(fair, found.nodes.before, open),
    await constantsOf(after, found.nodes.after, open),
  );
  const nodes = found.nodes.after.map(nodeRef);
  const before = found.nodes.before.map(nodeRef);
  return {
    culprit: culpritOf(nodes, before),
    value: found.value.after,
    error: { max: size(found), relative: found.error.relative },
    nodes,
    before,
    tensors,
  };
}

/** Operators that compute nothing. */
const layoutOps: ReadonlySet<string> = new Set([
  ...[
    'Reshape',
    'Transpose',
    'Cast',
    'Identity',
    'Squeeze',
    'Unsqueeze',
    'Flatten',
    'Expand',
    'Concat',
    'Slice',
  ],
]);

/** A node that the pass made, where it made some, and one that computes. */
function culpritOf(nodes: readonly NodeRef[], before: readonly NodeRef[]): NodeRef {
  const known = new Set(before.map(({ name }) => name));
  const made = nodes.filter(({ name }) => !known.has(name));
  const computing = (all: readonly NodeRef[]) =>
    all.filter(({ operator }) => !layoutOps.has(operator)).at(-1);
  const found = computing(made) ?? made.at(-1) ?? computing(nodes) ?? nodes.at(-1);
  if (found === undefined) throw new RangeError('a value without a node');
  return found;
}

function nodeRef(node: Node): NodeRef {
  const scope = node.metadata.get(metadataKeys.scope);
  const from = node.metadata.get(metadataKeys.from)?.split(' ');
  return {
    name: node.name,
    operator: node.op,
    ...(scope === undefined ? {} : { scope }),
    ...(from === undefined ? {} : { from }),
  };
}
