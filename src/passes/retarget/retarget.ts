/**
 * A graph that was exported for one size of picture, rewritten for another: what every dimension means is found out
 * (flow.ts), constants that hang on the size are replaced, and all shapes are inferred anew, which has to succeed.
 */
import type { Graph } from '../../graph/graph.ts';
import { inferCorrectedModel, inferModel, inferNode } from '../../graph/infer/infer.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { type Dim, formatType, staticShape, tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { bytesOf } from '../../kernels/bytes.ts';
import { fail, VlmError } from '../../report/diagnostics.ts';
import { constantNumbers } from '../../rewrite/constants.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import { allNodes, applyRules } from '../../rewrite/driver.ts';
import { inlineTensor, type Tensor } from '../../tensor/tensor.ts';
import { constantBranches } from '../fold/branches.ts';
import { constantNodes } from '../fold/constant-nodes.ts';
import { sequenceFolds } from '../fold/sequences.ts';
import {
  type Change,
  changedTensor,
  countingConstants,
  placeOf,
  plannedChanges,
  refuseCoincidences,
} from './constants.ts';
import { type Extent, number, type Sizes } from './extent.ts';
import { Extents } from './extents.ts';
import { type Flow, followPicture, type ScaledResize } from './flow.ts';
import { type PictureInput, pictureSize, setSize } from './picture-input.ts';
import { tableSources } from './table-sources.ts';

/** Splits of which the other reading is tried; each costs a walk over the graph. */
const mostReadings = 16;

const layers: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'Conv']);

export interface Retargeted {
  /** Constants by what became of them. */
  readonly counts: number;
  readonly tables: readonly string[];
  readonly uniform: number;
}

/** A picture's input, and its size before and after. */
interface Resized {
  readonly picture: PictureInput;
  readonly from: Sizes;
  readonly to: Sizes;
}

interface Plan {
  readonly flow: Flow;
  readonly extents: Extents;
  readonly changes: readonly Change[];
  readonly scales: readonly { readonly node: Node; readonly values: readonly number[] }[];
}

/**
 * Rewrites a graph for pictures of another size.
 * @throws VlmError VC3204 to VC3206 where that cannot be done with certainty
 */
export async function retarget(model: Model, picture: PictureInput, to: Sizes): Promise<Retargeted> {
  const { graph } = model;
  applyRules(graph, [constantNodes, ...sequenceFolds, constantBranches], inferNode);
  removeDeadCode(graph);
  inferCorrectedModel(model);
  const from = pictureSize(model, picture);
  const sizes = { picture, from: from === 'any' ? to : from, to };
  setSize(picture, sizes.from);
  inferCorrectedModel(model);
  if (sizes.from.height === to.height && sizes.from.width === to.width)
    return { counts: 0, tables: [], uniform: 0 };
  const counting = await countingConstants([...graph.initializers()].map(({ initializer }) => initializer));
  const made = plan(graph, sizes, counting);
  refuseOtherReadings(graph, sizes, counting, made.extents.splits);
  const changing = new Set(made.changes.map(({ leaf }) => leaf));
  // Weights of layers are no tables.
  const others = made.flow.leaves.filter((leaf) => !changing.has(leaf) && !layers.has(leaf.node.op));
  const sources = tableSources(new Map(others.map(({ value, tensor }) => [value.name, tensor])));
  const replacements: { readonly change: Change; readonly tensor: Tensor; readonly how: string }[] = [];
  for (const change of made.changes) {
    replacements.push({ change, ...(await changedTensor(change, made.extents, counting, sources)) });
  }
  apply(model, sizes, made, replacements);
  const how = (kind: string): number => replacements.filter((each) => each.how === kind).length;
  return {
    counts: how('count'),
    uniform: how('uniform'),
    tables: replacements.flatMap(({ change, how: kind }) =>
      kind === 'count' || kind === 'uniform' ? [] : [`${change.leaf.value.name}: ${kind}`],
    ),
  };
}

function plan(graph: Graph, { picture, from, to }: Resized, counting: ReadonlySet<Tensor>): Plan {
  const extents = new Extents(from, to);
  const flow = followPicture(graph, picture, extents, counting);
  const changes = plannedChanges(flow, extents);
  refuseCoincidences(flow, extents);
  const scales = flow.resizes.flatMap((resize) => newScales(resize, extents));
  return { flow, extents, changes, scales };
}

/**
 * A side that a Reshape splits can be read in two ways. Both must not lead to a graph, for sizes that divide as the old
 * one does: that the new one does not says nothing about what is meant.
 */
function refuseOtherReadings(
  graph: Graph,
  sizes: Resized,
  counting: ReadonlySet<Tensor>,
  splits: number,
): void {
  if (splits > mostReadings) {
    throw fail('VC3204', { where: graph.name, found: `${splits} dimensions of the grid are split` });
  }
  const { from, picture } = sizes;
  const to = { height: 2 * from.height, width: 3 * from.width };
  const read = (flipped?: number): readonly Change[] => {
    const extents = new Extents(from, to, flipped);
    return plannedChanges(followPicture(graph, picture, extents, counting), extents);
  };
  const usual = splits === 0 ? [] : read();
  for (let split = 0; split < splits; split += 1) {
    let other: readonly Change[];
    try {
      other = read(split);
    } catch (cause) {
      if (cause instanceof VlmError) continue;
      throw cause;
    }
    const difference = firstDifference(usual, other);
    if (difference === undefined) continue;
    throw fail('VC3204', {
      where: placeOf(difference.leaf),
      found: 'a part of the grid or a constant, both would fit',
    });
  }
}

function firstDifference(changes: readonly Change[], others: readonly Change[]): Change | undefined {
  const key = ({ leaf, ...rest }: Change): string =>
    JSON.stringify([leaf.node.name, leaf.index, rest.kind === 'numbers' ? rest.values : rest.shape]);
  const known = new Set(changes.map(key));
  const other = others.find((change) => !known.has(key(change)));
  return other ?? (changes.length > others.length ? changes[0] : undefined);
}

/** Scales that give the new output: of the sizes themselves, or of sizes a tenth larger as DINO asks for them. */
function newScales({ node, input, output }: ScaledResize, extents: Extents): Plan['scales'] {
  const scales = constantNumbers(node.input(2));
  if (scales === undefined) return [];
  const axes = node.ints('axes') ?? [...input.keys()];
  const values = scales.map((scale, index) => {
    const axis = (axes[index] ?? 0) + ((axes[index] ?? 0) < 0 ? input.length : 0);
    const [from, to] = [input[axis] ?? number(1), output[axis] ?? number(1)];
    const [before, after] = [extents.old(from), extents.old(to)];
    const [beforeNew, afterNew] = [extents.new(from), extents.new(to)];
    if (before === undefined || after === undefined || beforeNew === undefined || afterNew === undefined)
      return scale;
    if (before === beforeNew && after === afterNew) return scale;
    const margin = [0, 0.1].find((more) => Math.abs((after + more) / before - scale) <= 1e-6 * scale);
    if (margin === undefined) {
      throw fail('VC3204', {
        where: `scales of node ${node.name} (Resize)`,
        found: `${scale} for ${before} to ${after}`,
      });
    }
    return (afterNew + margin) / beforeNew;
  });
  return values.every((value, index) => value === scales[index]) ? [] : [{ node, values }];
}

function apply(
  model: Model,
  { picture, to }: Resized,
  { flow, extents, scales }: Plan,
  replacements: readonly { readonly change: Change; readonly tensor: Tensor }[],
): void {
  const { graph } = model;
  const known = new Map<string, Value>();
  const constant = (name: string, tensor: Tensor, key: string): Value => {
    const made = known.get(key) ?? graph.addInitializer(graph.freshName(name), tensor);
    known.set(key, made);
    return made;
  };
  for (const { change, tensor } of replacements) {
    const { node, index, value } = change.leaf;
    const detail = change.kind === 'numbers' ? change.values : change.shape;
    const key = `${value.name} ${change.kind} ${detail}`;
    node.graph.setInput(node, index, constant(`${value.name}@${to.width}x${to.height}`, tensor, key));
  }
  for (const { node, values } of scales) {
    const tensor = inlineTensor('float32', [values.length], bytesOf(Float32Array.from(values)));
    node.graph.setInput(node, 2, constant(`${node.name}/scales`, tensor, `${node.name} scales`));
  }
  const resized = (value: Value, shape: readonly Dim[]): void => {
    const { type } = value;
    if (type?.kind === 'tensor') graph.setType(value, tensorType(type.dtype, shape));
  };
  const declared = (value: Value): readonly Dim[] =>
    value.type?.kind === 'tensor' ? (value.type.shape ?? []) : [];
  for (const value of [...graph.inputs, ...graph.outputs]) {
    const shape = flow.shapeOf(value);
    if (shape === undefined || shape.length !== declared(value).length) continue;
    resized(
      value,
      declared(value).map((dim, axis) =>
        typeof dim === 'number' ? newSize(extents, shape[axis], dim) : dim,
      ),
    );
  }
  for (const node of allNodes(graph)) {
    for (const output of node.outputs) {
      if (output !== null && !output.isOutput) output.graph.setType(output, undefined);
    }
  }
  removeDeadCode(graph);
  try {
    inferModel(model);
  } catch (cause) {
    if (!(cause instanceof VlmError)) throw cause;
    throw fail('VC3205', { where: picture.value.name, found: cause.message, cause });
  }
  checkShapes(graph, flow, extents);
}

function newSize(extents: Extents, extent: Extent | undefined, dim: number): number {
  return (extent && extents.new(extent)) ?? dim;
}

/** What inference finds is what was foreseen. */
function checkShapes(graph: Graph, flow: Flow, extents: Extents): void {
  for (const node of graph.nodes()) {
    for (const output of node.outputs) {
      const found = output === null ? undefined : staticShape(output.type);
      const foreseen =
        output === null ? undefined : flow.shapeOf(output)?.map((extent) => extents.new(extent));
      if (output === null || found === undefined || foreseen === undefined) continue;
      if (found.length === foreseen.length && found.every((size, axis) => (foreseen[axis] ?? size) === size))
        continue;
      throw fail('VC3205', {
        where: `node ${node.name} (${node.op})`,
        found: formatType(output.type),
        expected: `[${foreseen.map((size) => size ?? '?')}]`,
      });
    }
  }
}
