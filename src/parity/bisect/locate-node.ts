/** Which node of a part a pass got wrong, and which of its weights. */
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import type { Session } from '../../runtime/session.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { constantsOf } from '../locate/constants.ts';
import { type Deviation, deviations, withOutputs, withSession } from '../locate/first-deviation.ts';
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
  const { before, after: made } = found.nodes;
  const tensors = await wrongTensors(fair, before, after, made, open);
  const culprit =
    readerOf(made, tensors[0]?.name) ??
    (found.error.nonFinite > 0 ? await firstNonFinite(made, request) : undefined) ??
    likeliest(made, before);
  return {
    culprit: nodeRef(culprit),
    value: found.value.after,
    error: { max: size(found), relative: found.error.relative },
    nodes: made.map(nodeRef),
    before: before.map(nodeRef),
    tensors,
  };
}

/** Weights that a pass made of several others have none that they should be equal to, unless it is known how. */
async function wrongTensors(
  fair: Model,
  before: readonly Node[],
  after: Model,
  made: readonly Node[],
  open: LocateRequest['open'],
): Promise<readonly TensorFault[]> {
  const wanted = await constantsOf(fair, before, open);
  const faults = tensorFaults(wanted, await constantsOf(after, made, open));
  const known = new Set(wanted.map(({ name }) => name));
  return faults.filter(({ name, kind }) => known.has(name) || kind === 'adapter');
}

/** The node that reads a weight, or the weight's values where it is quantized. */
function readerOf(nodes: readonly Node[], weight: string | undefined): Node | undefined {
  if (weight === undefined) return undefined;
  const names = [weight, `${weight}.values`];
  return nodes.find((node) => node.inputs.some((input) => input !== null && names.includes(input.name)));
}

/** The first of some nodes whose result is not finite, when the part runs as it is. */
async function firstNonFinite(
  nodes: readonly Node[],
  { after, feeds, open }: Omit<LocateRequest, 'limit'>,
): Promise<Node | undefined> {
  const floats = nodes.filter(
    ({ outputs: [value] }) => value?.type?.kind === 'tensor' && isFloat(value.type.dtype),
  );
  const names = floats.map(({ output }) => output.name);
  const values = await withSession(open(withOutputs(after, names)), (session) => session.run(feeds, names));
  return floats.find(({ output }) => {
    const value = values.get(output.name);
    return value !== undefined && !toFloat32(value).every(Number.isFinite);
  });
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
function likeliest(nodes: readonly Node[], before: readonly Node[]): Node {
  const known = new Set(before.map(({ name }) => name));
  const made = nodes.filter(({ name }) => !known.has(name));
  const computing = (all: readonly Node[]) => all.filter(({ op }) => !layoutOps.has(op)).at(-1);
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
