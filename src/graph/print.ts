/**
 * Models as text for people: one line per node with the types of what it makes, weights with where their bytes
 * come from, bodies indented, nodes of one scope under one heading. The text depends on nothing but the model.
 */
import type { Origin, Tensor } from '../tensor/tensor.ts';
import type { Attribute } from './attribute.ts';
import type { Graph } from './graph.ts';
import { intsOf } from './infer/data.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import { formatType } from './types.ts';
import type { Value } from './value.ts';

/** Where builders keep the scope that a node was made in. */
const scopeKey = 'vlm-convert.scope';
/** Elements of small integer constants, members of lists, and steps of origins that are shown. */
const maxShown = 8;
const maxOriginDepth = 6;
/** Floats that are shown: parameters of an operator, not weights. */
const maxFloats = 4;

const utf8 = new TextDecoder();

export function printModel(model: Model): string {
  const opsets = [...model.opsetImports].map(
    ([domain, version]) => `${domain === '' ? 'ai.onnx' : domain} ${version}`,
  );
  const lines = [`model ${opsets.join(', ')}`];
  for (const { domain, name, overload, body } of model.functions) {
    const title = [domain, name, overload].filter((part) => part !== '').join('::');
    lines.push(...printGraph('function', title, body, ''));
  }
  lines.push(...printGraph('graph', model.graph.name, model.graph, ''));
  return `${lines.join('\n')}\n`;
}

function printGraph(keyword: string, title: string, graph: Graph, indent: string): string[] {
  const inner = `${indent}  `;
  const inputs = graph.inputs.map((value) => `${inner}in  ${declared(value)}`);
  const outputs = graph.outputs.map((value) => `${inner}out ${declared(value)}`);
  const weights = [...graph.initializers()].map(
    (value) => `${inner}weight ${declared(value)} = ${printTensor(value.initializer)}`,
  );
  const sparse = [...graph.sparseInitializers].map(
    ([name, { values, shape }]) => `${inner}sparse ${quote(name)}: ${values.dtype}[${shape}]`,
  );
  const nodes: string[] = [];
  let scope = '';
  for (const node of graph.nodes()) {
    const now = node.metadata.get(scopeKey) ?? '';
    if (now !== scope) nodes.push(`${inner}# ${now === '' ? '-' : now}`);
    scope = now;
    nodes.push(...printNode(node, inner));
  }
  return [
    `${indent}${keyword} ${quote(title)} {`,
    ...inputs,
    ...outputs,
    ...weights,
    ...sparse,
    ...nodes,
    `${indent}}`,
  ];
}

function printNode(node: Node, indent: string): string[] {
  const outputs = node.outputs.map((value) => (value === null ? '-' : declared(value)));
  const inputs = node.inputs.map((value) => (value === null ? '-' : quote(value.name)));
  const plain = [...node.attributes].filter(([, { kind }]) => kind !== 'graph' && kind !== 'graphs');
  const attributes = plain.map(([name, attribute]) => `${quote(name)}=${printAttribute(attribute)}`);
  const operator = node.overload === '' ? node.op : `${node.op}::${node.overload}`;
  const listed = attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`;
  const lines = [`${indent}${outputs.join(', ')} = ${operator}(${inputs.join(', ')})${listed}`];
  for (const [name, body] of node.subgraphs())
    lines.push(...printGraph(name, body.name, body, `${indent}  `));
  return lines;
}

function declared(value: Value): string {
  return `${quote(value.name)}: ${formatType(value.type)}`;
}

/** Names with anything unusual in them are quoted. */
function quote(name: string): string {
  return /^[\w./:-]+$/.test(name) ? name : JSON.stringify(name);
}

function list<T>(items: readonly T[], print: (item: T) => string): string {
  const shown = items.slice(0, maxShown).map(print);
  return `[${[...shown, ...(items.length > maxShown ? [`… ${items.length}`] : [])].join(', ')}]`;
}

function printAttribute(attribute: Attribute): string {
  switch (attribute.kind) {
    case 'int':
      return String(attribute.value);
    case 'float':
      return `${attribute.value}f`;
    case 'string':
      return JSON.stringify(utf8.decode(attribute.value));
    case 'ints':
      return list(attribute.value, String);
    case 'floats':
      return list(attribute.value, (value) => `${value}f`);
    case 'strings':
      return list(attribute.value, (value) => JSON.stringify(utf8.decode(value)));
    case 'tensor':
      return `${attribute.value.dtype}[${attribute.value.shape}] ${printTensor(attribute.value)}`;
    case 'tensors':
      return list(attribute.value, ({ dtype, shape }) => `${dtype}[${shape}]`);
    case 'sparse-tensor':
      return `sparse ${attribute.value.values.dtype}[${attribute.value.shape}]`;
    case 'sparse-tensors':
      return list(attribute.value, ({ values, shape }) => `sparse ${values.dtype}[${shape}]`);
    case 'type':
      return formatType(attribute.value);
    case 'types':
      return list(attribute.value, formatType);
    case 'ref':
      return `@${attribute.ref}`;
    case 'graph':
    case 'graphs':
      return attribute.kind;
  }
}

/** A few numbers by value, others by where their bytes come from. */
function printTensor(tensor: Tensor): string {
  const ints = intsOf(tensor)?.values;
  if (ints !== undefined && ints.length <= maxShown) return list(ints, String);
  const { dtype, byteLength, origin } = tensor;
  if (dtype === 'float32' && origin.kind === 'inline' && byteLength <= 4 * maxFloats) {
    const { buffer, byteOffset } = origin.bytes;
    const view = new DataView(buffer, byteOffset, byteLength);
    return list(
      Array.from({ length: byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true)),
      shortest,
    );
  }
  return printOrigin(origin, 0);
}

/** The fewest digits that are this float32: 1e-5, not 0.000009999999747378752. */
function shortest(value: number): string {
  if (Object.is(value, -0)) return '-0f';
  for (let digits = 1; digits < 9; digits += 1) {
    const rounded = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(rounded), value)) return `${rounded}f`;
  }
  return `${value}f`;
}

/** `transpose2d(cast(model.safetensors:visual.proj))`. */
function printOrigin(origin: Origin, depth: number): string {
  switch (origin.kind) {
    case 'inline':
      return 'inline';
    case 'source':
      return `${origin.source.name}:${origin.name}`;
    case 'derived': {
      const { op, inputs, outputs } = origin.derivation;
      const which = outputs.length > 1 ? `.${origin.output}` : '';
      if (depth >= maxOriginDepth) return `${op}${which}(…)`;
      const shown = inputs.slice(0, maxShown).map((input) => printOrigin(input.origin, depth + 1));
      const more = inputs.length > maxShown ? [`… ${inputs.length}`] : [];
      return `${op}${which}(${[...shown, ...more].join(', ')})`;
    }
  }
}
