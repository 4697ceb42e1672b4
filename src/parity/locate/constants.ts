/**
 * The constants that nodes work with, as the runtime reads them: initializers, what is computed from initializers
 * alone (a table that is resized, a weight that is de-quantized by nodes of its own), and the parts of a
 * block-quantized weight, which stand for one matrix.
 */
import { cloneModel } from '../../graph/clone.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { dequantizeRows } from '../../kernels/quantize.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import type { Session } from '../../runtime/session.ts';
import { float32Value, type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { withSession } from './first-deviation.ts';

/** One matrix [rows, columns] in blocks along its columns, as MatMulNBits and GatherBlockQuantized store it. */
export interface Blocks {
  readonly bits: 4 | 8;
  readonly block: number;
  readonly values: Uint8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Uint8Array | undefined;
}

export interface Constant {
  /** Of the initializer; a block-quantized weight's without what its parts add. */
  readonly name: string;
  /** Float32; what it stands for where it is quantized: [rows, columns]. */
  readonly value: RunTensor;
  /** The operators that compute it from initializers, in order; empty for one that is read as it is. */
  readonly computedBy: readonly string[];
  readonly blocks?: Blocks;
}

/** Larger ones are not looked at: they would have to be held twice. */
const largestConstant = 256 << 20;

interface Wanted {
  readonly name: string;
  readonly values: readonly (Value | undefined)[];
  readonly computedBy: readonly string[];
  readonly quantizedBy?: Node;
}

/** Float constants that nodes of the main graph read from without them. `open` gets a model without inputs. */
export async function constantsOf(
  model: Model,
  nodes: readonly Node[],
  open: (model: Model) => Promise<Session>,
): Promise<readonly Constant[]> {
  const constant = constantTest();
  const all = nodes
    .filter((node) => !node.outputs.every((value) => value !== null && constant(value)))
    .flatMap((node) => wantedOf(node, constant));
  const wanted = [...new Map(all.map((one) => [one.name, one])).values()];
  if (wanted.length === 0) return [];
  const names = new Set(wanted.flatMap(({ values }) => values.flatMap((value) => value?.name ?? [])));
  const found = await read(model, [...names], open);
  return wanted.flatMap((one) => {
    const [value, scales, zeroPoints] = one.values.map((each) => each && found.get(each.name));
    if (value === undefined) return [];
    if (one.quantizedBy !== undefined)
      return scales === undefined ? [] : [dequantized(one, value, scales, zeroPoints)];
    if (!isFloat(value.dtype)) return [];
    const floats = float32Value(value.shape, toFloat32(value));
    return [{ name: one.name, value: floats, computedBy: one.computedBy }];
  });
}

function wantedOf(node: Node, constant: (value: Value) => boolean): readonly Wanted[] {
  if (node.opType === 'MatMulNBits' || node.opType === 'GatherBlockQuantized') {
    const isProduct = node.opType === 'MatMulNBits';
    const [values, scales, zeroPoints, bias] = isProduct
      ? [node.input(1), node.input(2), node.input(3), node.input(5)]
      : [node.input(0), node.input(2), node.input(3), undefined];
    if (values === undefined || sizeOf(values) > largestConstant / 8) return [];
    const name = values.name.replace(/\.values$/, '');
    const matrix = { name, values: [values, scales, zeroPoints], computedBy: [], quantizedBy: node };
    return [matrix, ...(bias === undefined ? [] : [{ name: bias.name, values: [bias], computedBy: [] }])];
  }
  return node.inputs.flatMap((value) => {
    if (value === null || !constant(value) || sizeOf(value) > largestConstant) return [];
    const { name, operators } = rootOf(value);
    return [{ name, values: [value], computedBy: operators }];
  });
}

/** The initializer that a constant is computed from first, and what computes it. */
function rootOf(value: Value): { readonly name: string; readonly operators: readonly string[] } {
  const operators: string[] = [];
  let at: Value = value;
  while (at.initializer === undefined && at.producer !== undefined) {
    operators.unshift(at.producer.op);
    const next = at.producer.inputs.find((input) => input !== null);
    if (next === undefined || next === null) break;
    at = next;
  }
  return { name: at.name, operators };
}

/** Whether a value follows from initializers alone. */
function constantTest(): (value: Value) => boolean {
  const known = new Map<Value, boolean>();
  const test = (value: Value): boolean => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const { producer, initializer } = value;
    const result =
      !value.isInput &&
      (initializer !== undefined ||
        (producer !== undefined &&
          producer.inputs.length > 0 &&
          [...producer.subgraphs()].length === 0 &&
          producer.inputs.every((input) => input === null || test(input))));
    known.set(value, result);
    return result;
  };
  return test;
}

function sizeOf({ type, initializer }: Value): number {
  if (initializer !== undefined) return initializer.byteLength;
  const shape = type?.kind === 'tensor' ? type.shape : undefined;
  return 4 * (shape ?? []).reduce<number>((size, dim) => size * (typeof dim === 'number' ? dim : 1), 1);
}

async function read(
  model: Model,
  names: readonly string[],
  open: (model: Model) => Promise<Session>,
): Promise<ReadonlyMap<string, RunTensor>> {
  const copy = cloneModel(model);
  const { graph } = copy;
  const outputs = names.map((name) => {
    const value = graph.value(name);
    if (value === undefined) throw new RangeError(`there is no value ${name}`);
    const node = graph.addNode({ op: 'Identity', inputs: [value], name: graph.freshName(`${name}.read`) });
    const type = value.initializer && tensorType(value.initializer.dtype, value.initializer.shape);
    graph.setType(node.output, value.type ?? type);
    return node.output;
  });
  graph.setOutputs(outputs);
  removeDeadCode(graph);
  for (const input of graph.inputs) graph.removeInput(input);
  const found = await withSession(open(copy), (session) => session.run(new Map()));
  return new Map(
    names.flatMap((name, index) => {
      const value = found.get(outputs[index]?.name ?? '');
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

function dequantized(
  { name, quantizedBy: node }: Wanted,
  values: RunTensor,
  scales: RunTensor,
  zeroPoints: RunTensor | undefined,
): Constant {
  const bits = node?.int('bits') === 8 ? 8 : 4;
  const block = node?.int('block_size') ?? 32;
  const [rows = 0, ...rest] = values.shape;
  const columns = node?.int('K') ?? (rest.reduce((size, dim) => size * dim, 1) * 8) / bits;
  const blocks: Blocks = {
    bits,
    block,
    values: bytesOf(values),
    scales: toFloat32(scales),
    zeroPoints: zeroPoints && bytesOf(zeroPoints),
  };
  const value = float32Value([rows, columns], dequantizeRows(blocks, columns, blocks));
  return { name, value, computedBy: [], blocks };
}

function bytesOf({ data }: RunTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
