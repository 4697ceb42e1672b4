/**
 * Compares two models by meaning: names, types, nodes in order, attributes, metadata, what formats carried, and
 * every byte of every tensor (in blocks, so large weights cost time but no memory). Not compared: the order of
 * initializers and of metadata entries, and where tensor bytes come from.
 */
import type { Tensor } from '../tensor/tensor.ts';
import type { Attribute, SparseTensor } from './attribute.ts';
import type { Graph } from './graph.ts';
import type { Model, ModelFunction } from './model.ts';
import type { Node } from './node.ts';
import { formatType } from './types.ts';
import type { Value } from './value.ts';

const blockBytes = 1 << 20;

/** The first difference as `path: a is not b`, or undefined where the models say the same. */
export async function compareModels(a: Model, b: Model): Promise<string | undefined> {
  try {
    await models(a, b);
    return undefined;
  } catch (error) {
    if (error instanceof Difference) return error.message;
    throw error;
  }
}

class Difference extends Error {}

async function models(a: Model, b: Model): Promise<void> {
  for (const key of [
    'irVersion',
    'producerName',
    'producerVersion',
    'domain',
    'modelVersion',
    'docString',
    'opsetImports',
    'metadata',
    'carry',
  ] as const) {
    plain(`model.${key}`, a[key], b[key]);
  }
  await graphs('graph', a.graph, b.graph);
  await lists('functions', a.functions, b.functions, functions);
}

async function functions(path: string, a: ModelFunction, b: ModelFunction): Promise<void> {
  for (const key of ['name', 'domain', 'overload', 'opsetImports', 'attributes', 'carry'] as const) {
    plain(`${path}.${key}`, a[key], b[key]);
  }
  await attributeMaps(`${path}.attributeDefaults`, a.attributeDefaults, b.attributeDefaults);
  await graphs(`${path}.body`, a.body, b.body);
}

async function graphs(path: string, a: Graph, b: Graph): Promise<void> {
  for (const key of ['name', 'docString', 'metadata', 'carry'] as const) {
    plain(`${path}.${key}`, a[key], b[key]);
  }
  plain(`${path}.inputs`, names(a.inputs), names(b.inputs));
  plain(`${path}.outputs`, names(a.outputs), names(b.outputs));
  plain(`${path} values`, names([...a.values()]).sort(), names([...b.values()]).sort());
  for (const value of a.values()) {
    const other = b.value(value.name);
    if (other !== undefined) await values(`${path} value ${value.name}`, value, other);
  }
  plain(`${path} sparse initializers`, [...a.sparseInitializers.keys()], [...b.sparseInitializers.keys()]);
  for (const [name, sparse] of a.sparseInitializers) {
    const other = b.sparseInitializers.get(name);
    if (other !== undefined) await sparseTensors(`${path} sparse initializer ${name}`, sparse, other);
  }
  await lists(`${path}.nodes`, [...a.nodes()], [...b.nodes()], nodes);
}

async function values(path: string, a: Value, b: Value): Promise<void> {
  plain(`${path} type`, formatType(a.type), formatType(b.type));
  plain(`${path} metadata`, a.metadata, b.metadata);
  plain(`${path} carry`, a.carry, b.carry);
  plain(`${path} is an initializer`, a.initializer !== undefined, b.initializer !== undefined);
  if (a.initializer !== undefined && b.initializer !== undefined) {
    await tensors(path, a.initializer, b.initializer);
  }
}

async function nodes(path: string, a: Node, b: Node): Promise<void> {
  for (const key of ['name', 'op', 'overload', 'metadata', 'carry'] as const) {
    plain(`${path} ${a.name}.${key}`, a[key], b[key]);
  }
  plain(`${path} ${a.name}.inputs`, names(a.inputs), names(b.inputs));
  plain(`${path} ${a.name}.outputs`, names(a.outputs), names(b.outputs));
  await attributeMaps(`${path} ${a.name}`, a.attributes, b.attributes);
}

async function attributeMaps(
  path: string,
  a: ReadonlyMap<string, Attribute>,
  b: ReadonlyMap<string, Attribute>,
): Promise<void> {
  plain(`${path} attributes`, [...a.keys()].sort(), [...b.keys()].sort());
  for (const [name, attribute] of a) {
    const other = b.get(name);
    if (other !== undefined) await attributes(`${path}.${name}`, attribute, other);
  }
}

async function attributes(path: string, a: Attribute, b: Attribute): Promise<void> {
  plain(`${path} kind`, a.kind, b.kind);
  plain(`${path} carry`, a.carry, b.carry);
  if (a.kind === 'tensor' && b.kind === 'tensor') await tensors(path, a.value, b.value);
  else if (a.kind === 'graph' && b.kind === 'graph') await graphs(path, a.value, b.value);
  else if (a.kind === 'sparse-tensor' && b.kind === 'sparse-tensor')
    await sparseTensors(path, a.value, b.value);
  else if (a.kind === 'tensors' && b.kind === 'tensors') await lists(path, a.value, b.value, tensors);
  else if (a.kind === 'graphs' && b.kind === 'graphs') await lists(path, a.value, b.value, graphs);
  else if (a.kind === 'sparse-tensors' && b.kind === 'sparse-tensors')
    await lists(path, a.value, b.value, sparseTensors);
  else if (a.kind === 'ref' && b.kind === 'ref') plain(path, [a.ref, a.of], [b.ref, b.of]);
  else if (a.kind !== 'ref' && b.kind !== 'ref') plain(path, a.value, b.value);
}

async function sparseTensors(path: string, a: SparseTensor, b: SparseTensor): Promise<void> {
  plain(`${path} shape`, a.shape, b.shape);
  await tensors(`${path} values`, a.values, b.values);
  await tensors(`${path} indices`, a.indices, b.indices);
}

async function tensors(path: string, a: Tensor, b: Tensor): Promise<void> {
  plain(`${path} dtype`, a.dtype, b.dtype);
  plain(`${path} shape`, a.shape, b.shape);
  plain(`${path} byte length`, a.byteLength, b.byteLength);
  for (let begin = 0; begin < a.byteLength; begin += blockBytes) {
    const end = Math.min(begin + blockBytes, a.byteLength);
    const [left, right] = await Promise.all([a.read(begin, end), b.read(begin, end)]);
    const at = left.findIndex((byte, index) => byte !== right[index]);
    if (at !== -1) throw new Difference(`${path}: byte ${begin + at} is ${left[at]} and ${right[at]}`);
  }
}

async function lists<T>(
  path: string,
  a: readonly T[],
  b: readonly T[],
  compare: (path: string, a: T, b: T) => Promise<void>,
): Promise<void> {
  plain(`${path} count`, a.length, b.length);
  for (const [index, item] of a.entries()) await compare(`${path}[${index}]`, item, b[index] as T);
}

const names = (list: readonly (Value | null)[]): string[] => list.map((value) => value?.name ?? '');

function plain(path: string, a: unknown, b: unknown): void {
  if (Object.is(a, b)) return;
  if (a instanceof Map && b instanceof Map) {
    plain(`${path} keys`, [...a.keys()].sort(), [...b.keys()].sort());
    for (const [key, value] of a) plain(`${path}.${key}`, value, b.get(key));
    return;
  }
  if (typeof a === 'object' && a !== null && typeof b === 'object' && b !== null) {
    // Not Object.keys: decoders hide unknown fields in properties that do not enumerate.
    plain(`${path} keys`, fieldsOf(a).join(), fieldsOf(b).join());
    for (const key of fieldsOf(a)) {
      plain(`${path}.${key}`, (a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]);
    }
    return;
  }
  throw new Difference(`${path}: ${String(a)} is not ${String(b)}`);
}

/** Own fields that say something: a list that is empty, or null, says as much as none. */
function fieldsOf(object: object): string[] {
  return Object.getOwnPropertyNames(object)
    .filter((key) => {
      const value = (object as Record<string, unknown>)[key];
      return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
    })
    .sort();
}
