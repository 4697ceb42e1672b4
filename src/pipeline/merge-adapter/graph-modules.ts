/**
 * Modules of an exported graph: which weight belongs to which layer of the source model. Layers are known by what
 * exporters leave: the scope of a node (`pkg.torch.onnx.name_scopes`, `/model/layers.0/q_proj/MatMul`), the names of the
 * nodes that a rewritten one came from, the name of the initializer. Tensors are given in the layout of checkpoints,
 * linear weights [out, in], whichever way round the graph holds them.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { staticShape } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { constantTensor } from '../../rewrite/constants.ts';
import { allNodes } from '../../rewrite/driver.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import { isFloat } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Where a constant is read. */
export interface Place {
  readonly node: Node;
  readonly index: number;
}

/** A tensor of the source model. */
export interface GraphTensor {
  /** `layers.0.q_proj.weight`, as the export calls it. */
  readonly name: string;
  /** The initializer. */
  readonly value: Value;
  /** In the layout of checkpoints. */
  readonly tensor: Tensor;
  readonly places: Place[];
  /** Gives a tensor of that layout the form in which the graph holds it. */
  stored(tensor: Tensor): Tensor;
}

export interface GraphModules {
  /** By name; those that two different weights claim are left out. */
  readonly tensors: ReadonlyMap<string, GraphTensor>;
  /** Layers that compute with weights nobody can add to, and why. */
  readonly fixed: ReadonlyMap<string, string>;
}

export function graphModules(graph: Graph): GraphModules {
  const found = [...allNodes(graph)].flatMap(weightsOf);
  const scopes = new Set(found.flatMap(({ scope }) => scope ?? []));
  const tensors = new Map<string, GraphTensor | null>();
  for (const each of found) {
    const { scope, weight, part } = each;
    const named = nameOf(weight.value, part);
    // Where two layers share a tensor it has the name of one: the scope says which layer reads it here.
    const names = new Set([scope, named === undefined || scopes.has(named) ? undefined : named]);
    for (const name of names) if (name !== undefined) add(tensors, `${name}.${part}`, weight);
  }
  for (const value of graph.initializers()) addNamed(tensors, value);
  const unique = [...tensors].flatMap(([name, tensor]) => (tensor === null ? [] : [[name, tensor] as const]));
  return { tensors: new Map(unique), fixed: fixedModules(graph) };
}

interface Weight extends Place {
  readonly value: Value;
  readonly tensor: Tensor;
  /** The checkpoint's layout is the transpose. */
  readonly turned: boolean;
}

interface Found {
  readonly scope: string | undefined;
  readonly part: 'weight' | 'bias';
  readonly weight: Weight;
}

/** What a node computes with, as a layer of the source model. */
function weightsOf(node: Node): Found[] {
  const scope = scopeOf(node);
  const layer = layers[node.op];
  if (layer === undefined) return [];
  const { index, columns } = layer(node);
  const weight = constantBehind(node, index, columns);
  if (weight === undefined) return [];
  const bias = biasOf(node);
  return [
    { scope, part: 'weight', weight },
    ...(bias === undefined ? [] : [{ scope, part: 'bias' as const, weight: bias }]),
  ];
}

/** Which input is the weight, and whether the outputs are its columns. */
const layers: Readonly<
  Record<string, (node: Node) => { readonly index: number; readonly columns: boolean }>
> = {
  MatMul: () => ({ index: 1, columns: true }),
  Gemm: (node) => ({ index: 1, columns: node.int('transB') !== 1 }),
  'com.microsoft::FusedMatMul': (node) => ({ index: 1, columns: node.int('transB') !== 1 }),
  Conv: () => ({ index: 1, columns: false }),
  Gather: () => ({ index: 0, columns: false }),
};

/** The constant that an input is, seen through casts and turns. */
function constantBehind(node: Node, index: number, columns: boolean): Weight | undefined {
  let place: Place = { node, index };
  let turned = columns;
  for (;;) {
    const value = place.node.input(place.index);
    const tensor = constantTensor(value);
    if (value !== undefined && tensor !== undefined) {
      const usable = isFloat(tensor.dtype) && tensor.shape.length >= (columns ? 2 : 1);
      return usable && !(turned && tensor.shape.length !== 2)
        ? { ...place, value, tensor, turned }
        : undefined;
    }
    const producer = value?.producer;
    if (producer?.op === 'Transpose' && isTurn(producer)) turned = !turned;
    else if (producer?.op !== 'Cast' && producer?.op !== 'Identity') return undefined;
    place = { node: producer, index: 0 };
  }
}

function isTurn(node: Node): boolean {
  const perm = node.ints('perm');
  return perm === undefined ? staticShape(node.output.type)?.length === 2 : perm.join() === '1,0';
}

/** Added to what a layer gives: an input of it, or the Add that follows. */
function biasOf(node: Node): Weight | undefined {
  const own = node.op === 'Gemm' || node.op === 'Conv' ? constantBehind(node, 2, false) : undefined;
  if (own !== undefined) return own.tensor.shape.length === 1 ? own : undefined;
  const [reader, ...others] = node.output.consumers();
  if (node.op !== 'MatMul' || reader?.op !== 'Add' || others.length > 0) return undefined;
  const added = constantBehind(reader, reader.input(0) === node.output ? 1 : 0, false);
  return added?.tensor.shape.length === 1 ? added : undefined;
}

function add(tensors: Map<string, GraphTensor | null>, name: string, weight: Weight): void {
  const { value, tensor, turned, node, index } = weight;
  const known = tensors.get(name);
  if (known === undefined) {
    tensors.set(name, {
      name,
      value,
      tensor: turned ? transpose2d(tensor) : tensor,
      places: [{ node, index }],
      stored: (changed) => cast(turned ? transpose2d(changed) : changed, tensor.dtype),
    });
  } else if (known === null || known.value !== value) tensors.set(name, null);
  else if (!known.places.some((place) => place.node === node && place.index === index)) {
    known.places.push({ node, index });
  }
}

/** Vectors that have their name in the graph: norms, and biases that stand elsewhere. */
function addNamed(
  tensors: Map<string, GraphTensor | null>,
  value: Value & { readonly initializer: Tensor },
): void {
  const tensor = value.initializer;
  if (!/\.(weight|bias)$/.test(value.name) || tensor.shape.length !== 1 || !isFloat(tensor.dtype)) return;
  if (value.isInput || tensors.has(value.name)) return;
  tensors.set(value.name, {
    name: value.name,
    value,
    tensor,
    places: [...value.uses],
    stored: (changed) => cast(changed, tensor.dtype),
  });
}

/** Layers whose weights are packed: nothing can be added to them. */
function fixedModules(graph: Graph): ReadonlyMap<string, string> {
  return new Map(
    [...allNodes(graph)].flatMap((node) => {
      const scope = packed.has(node.op) ? scopeOf(node) : undefined;
      return scope === undefined ? [] : [[scope, `its weight is quantized (${node.op})`] as const];
    }),
  );
}

const packed: ReadonlySet<string> = new Set([
  'com.microsoft::MatMulNBits',
  'com.microsoft::GatherBlockQuantized',
  'MatMulInteger',
  'ConvInteger',
  'QLinearMatMul',
  'QLinearConv',
]);

/** The layer's name in the source model, undefined where the export left none. */
export function scopeOf(node: Node): string | undefined {
  const scopes = node.metadata.get('pkg.torch.onnx.name_scopes');
  if (scopes !== undefined) {
    // A Python list; the last entry is the operator.
    const parts = [...scopes.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, one, other]) => one ?? other ?? '');
    return nonEmpty(parts.at(-2));
  }
  const from = node.metadata.get(metadataKeys.from)?.split(' ') ?? [];
  for (const name of [node.name, ...from]) {
    const scope = pathOf(name);
    if (scope !== undefined) return scope;
  }
  return nonEmpty(node.metadata.get(metadataKeys.scope));
}

/** `/model/layers.0/q_proj/MatMul` is `model.layers.0.q_proj`. */
function pathOf(name: string): string | undefined {
  const parts = name.split('/');
  return name.startsWith('/') && parts.length > 2 ? nonEmpty(parts.slice(1, -1).join('.')) : undefined;
}

/** Names that exporters make up say nothing. */
function nameOf({ name }: Value, part: string): string | undefined {
  return name.endsWith(`.${part}`) ? nonEmpty(name.slice(0, -part.length - 1)) : undefined;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
