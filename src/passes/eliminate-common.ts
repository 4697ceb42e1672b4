/**
 * Common subexpressions: of nodes that compute the same from the same, one stays, and small equal constants are one.
 * A node in a body may give way to one of the graphs around it, never the other way round.
 */
import type { Attribute } from '../graph/attribute.ts';
import type { Graph } from '../graph/graph.ts';
import type { IntEvaluator } from '../graph/infer/data.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';
import { elementCount } from '../tensor/dtype.ts';
import type { Derivation, Tensor } from '../tensor/tensor.ts';

/** Operators that give something else every time, or keep something. */
const impure: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Dropout',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
]);
/** Runtimes look for one of these around every operator that they run quantized. */
const repeated: ReadonlySet<string> = new Set(['QuantizeLinear', 'DequantizeLinear']);
/** Constants of more elements are weights, whose names matter. */
const longestList = 64;

/**
 * Returns how many nodes and constants gave way. What is no longer read stays for dead-code removal. `integers` tells
 * which integers hang on sizes in the same way, however they are computed.
 */
export function eliminateCommon(graph: Graph, integers: IntEvaluator): number {
  return eliminate(graph, new Map(), { numbers: new Numbers(), integers });
}

interface Known {
  readonly numbers: Numbers;
  readonly integers: IntEvaluator;
}

/** Numbers objects and recipes in the order in which they are met. */
class Numbers {
  readonly #known = new Map<object | string, number>();

  of(object: object | string): number {
    const known = this.#known.get(object) ?? this.#known.size;
    this.#known.set(object, known);
    return known;
  }

  find(object: object): number | undefined {
    return this.#known.get(object);
  }

  /** The object gets the number of its recipe, so that it is taken apart once. */
  alias(object: object, recipe: string): number {
    const number = this.of(recipe);
    this.#known.set(object, number);
    return number;
  }
}

type Scope = ReadonlyMap<string, readonly (Value | null)[]>;

function eliminate(graph: Graph, outer: Scope, known: Known): number {
  const seen = new Map(outer);
  let merged = 0;
  const settle = (key: string, values: readonly (Value | null)[]): void => {
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, values);
    else merged += replace(values, earlier) ? 1 : 0;
  };
  for (const value of graph.initializers()) {
    const key = value.isInput ? undefined : constantKey(value.initializer, known.numbers);
    if (key !== undefined) settle(key, [value]);
  }
  for (const node of graph.nodes()) {
    for (const [, body] of node.subgraphs()) merged += eliminate(body, seen, known);
    const key = sizesKey(node, known.integers) ?? nodeKey(node, known.numbers);
    if (key !== undefined) settle(key, node.outputs);
  }
  return merged;
}

/** False where an output of the graph would lose its name. */
function replace(values: readonly (Value | null)[], earlier: readonly (Value | null)[]): boolean {
  if (values.some((value) => value?.isOutput)) return false;
  if (!values.some((value) => (value?.uses.size ?? 0) > 0)) return false;
  for (const [index, value] of values.entries()) {
    const other = earlier[index];
    if (value !== null && other !== null && other !== undefined) value.graph.replaceAllUses(value, other);
  }
  return true;
}

/** Small lists of integers, single numbers, and what is derived alike from one weight. */
function constantKey(tensor: Tensor, numbers: Numbers): string | undefined {
  const { dtype, shape, origin } = tensor;
  const head = `${dtype}[${shape}]`;
  if (origin.kind === 'derived') return `${head} ${recipeNumber(tensor, numbers)}`;
  if (origin.kind !== 'inline' || dtype === 'string') return undefined;
  const count = elementCount(shape);
  if (count > (dtype.includes('int') || dtype === 'bool' ? longestList : 1)) return undefined;
  return `${head} ${Buffer.from(origin.bytes).toString('hex')}`;
}

/** Equal numbers for equal recipes over the same bytes. */
function recipeNumber(tensor: Tensor, numbers: Numbers): number {
  const { origin, dtype, shape } = tensor;
  switch (origin.kind) {
    case 'inline':
      return numbers.of(origin.bytes);
    case 'source':
      return numbers.of(`source ${numbers.of(origin.source)} ${origin.offset} ${dtype}[${shape}]`);
    case 'derived':
      return numbers.of(
        `${derivationNumber(origin.derivation, numbers)} ${origin.output} ${dtype}[${shape}]`,
      );
  }
}

function derivationNumber(derivation: Derivation, numbers: Numbers): number {
  const known = numbers.find(derivation);
  if (known !== undefined) return known;
  const { op, params, inputs } = derivation;
  const below = inputs.map((input) => recipeNumber(input, numbers));
  return numbers.alias(derivation, `${op} ${JSON.stringify(params)} (${below})`);
}

/** The sizes that a node computes; undefined where they are not known. */
function sizesKey(node: Node, integers: IntEvaluator): string | undefined {
  if (node.outputs.length !== 1) return undefined;
  const { output } = node;
  const data = output.type?.kind === 'tensor' ? integers.of(output) : undefined;
  if (output.type?.kind !== 'tensor' || data?.values.every((dim) => dim !== null) !== true) return undefined;
  if (output.type.shape?.length !== data.rank) return undefined;
  return `${output.type.dtype}[${data.rank}] ${JSON.stringify(data.values)}`;
}

/** What a node computes; undefined for what must not be shared. */
function nodeKey(node: Node, numbers: Numbers): string | undefined {
  if (node.domain !== '' && node.domain !== 'com.microsoft') return undefined;
  if (node.inputs.length === 0 || impure.has(node.opType) || repeated.has(node.opType)) return undefined;
  const attributes: string[] = [];
  for (const [name, attribute] of [...node.attributes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const text = attributeKey(attribute);
    if (text === undefined) return undefined;
    attributes.push(`${name}=${text}`);
  }
  return [
    node.op,
    node.overload,
    node.metadata.get(metadataKeys.precision) ?? '',
    node.inputs.map((input) => (input === null ? '-' : numbers.of(input))).join(','),
    node.outputs.map((output) => (output === null ? '-' : '+')).join(''),
    ...attributes,
  ].join('|');
}

function attributeKey(attribute: Attribute): string | undefined {
  switch (attribute.kind) {
    case 'int':
    case 'float':
      return Object.is(attribute.value, -0) ? '-0' : `${attribute.value}`;
    case 'ints':
    case 'floats':
      return `[${attribute.value.map((value) => (Object.is(value, -0) ? '-0' : value))}]`;
    case 'string':
      return Buffer.from(attribute.value).toString('hex');
    default:
      // Only Constant and ConstantOfShape hold tensors.
      if (attribute.kind !== 'tensor' || attribute.value.origin.kind !== 'inline') return undefined;
      if (attribute.value.byteLength > 256) return undefined;
      return `${attribute.value.dtype}[${attribute.value.shape}]${Buffer.from(attribute.value.origin.bytes).toString('hex')}`;
  }
}
