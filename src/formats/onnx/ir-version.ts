/**
 * The lowest IR version that holds a model: runtimes refuse versions newer than they know, so we never ask for
 * more than the graph uses. Source: the release table and IR history of the ONNX specification (1.23).
 */
import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { ValueType } from '../../graph/types.ts';
import type { DType } from '../../tensor/dtype.ts';

/** domain -> [IR version, newest operator set released with it], ascending. */
const releases: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  '': [
    [3, 8],
    [4, 9],
    [5, 10],
    [6, 11],
    [7, 14],
    [8, 18],
    [9, 20],
    [10, 22],
    [11, 23],
    [12, 24],
    [13, 27],
    [14, 28],
  ],
  'ai.onnx.ml': [
    [3, 1],
    [6, 2],
    [8, 3],
    [9, 4],
    [10, 5],
  ],
  'ai.onnx.training': [[7, 1]],
};

/** Newest IR version that we read and write. */
export const newestIrVersion = 14;

const dtypeVersions: Partial<Record<DType, number>> = {
  bfloat16: 4,
  float8e4m3fn: 9,
  float8e4m3fnuz: 9,
  float8e5m2: 9,
  float8e5m2fnuz: 9,
  uint4: 10,
  int4: 10,
  float4e2m1: 11,
  float8e8m0: 12,
  uint2: 13,
  int2: 13,
  float6e2m3: 14,
  float6e3m2: 14,
};

/** Lowest IR version that holds `model`, whatever `model.irVersion` says. */
export function lowestIrVersion(model: Model): number {
  let version = 3;
  const need = (least: number): void => {
    version = Math.max(version, least);
  };
  for (const [domain, opset] of model.opsetImports) need(opsetVersion(domain, opset));
  graphNeeds(model.graph, need);
  for (const local of model.functions) {
    need(8);
    if (local.overload !== '' || local.body.metadata.size > 0) need(10);
    for (const [domain, opset] of local.opsetImports) need(opsetVersion(domain, opset));
    graphNeeds(local.body, need);
  }
  return version;
}

function opsetVersion(domain: string, opset: number): number {
  const rows = releases[domain];
  if (rows === undefined) return 3;
  return rows.find(([, newest]) => newest >= opset)?.[0] ?? newestIrVersion;
}

function graphNeeds(graph: Graph, need: (version: number) => void): void {
  if (graph.metadata.size > 0) need(10);
  if (graph.sparseInitializers.size > 0) need(5);
  const inputs = new Set(graph.inputs);
  for (const value of graph.values()) {
    if (value.metadata.size > 0) need(10);
    if (value.type !== undefined) typeNeeds(value.type, need);
    if (value.initializer !== undefined) {
      need(dtypeVersions[value.initializer.dtype] ?? 3);
      // Before IR 4 every initializer had to be a graph input too.
      if (!inputs.has(value)) need(4);
    }
  }
  for (const node of graph.nodes()) nodeNeeds(node, need);
}

function nodeNeeds(node: Node, need: (version: number) => void): void {
  if (node.metadata.size > 0 || node.overload !== '') need(10);
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'tensor') need(dtypeVersions[attribute.value.dtype] ?? 3);
    if (attribute.kind === 'tensors') {
      for (const tensor of attribute.value) need(dtypeVersions[tensor.dtype] ?? 3);
    }
    if (attribute.kind === 'sparse-tensor' || attribute.kind === 'sparse-tensors') need(5);
    if (attribute.kind === 'type' || attribute.kind === 'types') need(8);
  }
  for (const [, graph] of node.subgraphs()) graphNeeds(graph, need);
}

function typeNeeds(type: ValueType, need: (version: number) => void): void {
  switch (type.kind) {
    case 'tensor':
    case 'sparse-tensor':
      need(dtypeVersions[type.dtype] ?? 3);
      if (type.kind === 'sparse-tensor') need(5);
      return;
    case 'map':
      typeNeeds(type.value, need);
      return;
    default:
      if (type.kind === 'optional') need(8);
      typeNeeds(type.element, need);
  }
}
