/**
 * What a graph is made of and what it means: operators with the weights they read, shapes, and what the default passes
 * find in it. The passes run on a copy; nothing is written.
 */

import { cloneModel } from '../graph/clone.ts';
import type { Model } from '../graph/model.ts';
import { formatType, type ValueType } from '../graph/types.ts';
import type { Value } from '../graph/value.ts';
import { census, type Meaning, meanings } from '../passes/census.ts';
import { type DiagnosticRecord, VlmError } from '../report/diagnostics.ts';
import { allNodes } from '../rewrite/driver.ts';
import { targets } from '../targets/registry.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { optimizePasses } from './optimize-passes.ts';
import { type PassRecord, runPipeline } from './pass-manager.ts';
import { parsePipeline } from './pipeline-text.ts';

export interface InspectedOperator {
  readonly nodes: number;
  /** Of constants; one that several nodes read counts for the first. */
  readonly bytes: number;
}

/** Bytes and count of the tensors of one dtype. */
export interface DTypeTotal {
  readonly dtype: string;
  readonly tensors: number;
  readonly bytes: number;
}

export interface InspectedShapes {
  /** Values whose dimensions are all numbers. */
  readonly static: number;
  /** Values with dimensions that have a name or are computed from such. */
  readonly symbolic: number;
  /** Values of unknown rank, or with dimensions of which nothing is known. */
  readonly unknown: number;
  /** What dimensions of inputs are called, and the inputs that have them, as `input[axis]`. */
  readonly symbols: Readonly<Record<string, readonly string[]>>;
}

export interface InspectedMeaning {
  /** Operators of the file that stand for it. */
  readonly found: number;
  /** How many the default passes know. */
  readonly optimized: number;
  /** Operators that stand for it after them, and how many. */
  readonly operators: Readonly<Record<string, number>>;
}

export interface InspectedPass extends Pick<PassRecord, 'name' | 'changed' | 'stats' | 'notes'> {
  /** Nodes of the main graph after it. */
  readonly nodes: number;
}

export interface InspectedGraph {
  readonly nodes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Bodies counted in; most frequent first. */
  readonly operators: Readonly<Record<string, InspectedOperator>>;
  readonly weights: readonly DTypeTotal[];
  readonly shapes: InspectedShapes;
  /** What the graph means; kinds that are not in it are left out. */
  readonly meanings: Readonly<Partial<Record<Meaning, InspectedMeaning>>>;
  /** What the default passes do to it, in their order. */
  readonly passes: readonly InspectedPass[];
}

export interface GraphInspection {
  readonly graph: InspectedGraph;
  /** What went wrong in passes: no fault of the graph. */
  readonly problems: readonly DiagnosticRecord[];
}

/** `sound`: the model is verified and its types are inferred; passes run over no other. */
export async function inspectGraph(model: Model, sound: boolean): Promise<GraphInspection> {
  const { graph } = model;
  const optimized = cloneModel(model);
  const passes: InspectedPass[] = [];
  const problems: DiagnosticRecord[] = [];
  try {
    await runPipeline(optimized, sound ? parsePipeline(optimizePasses) : [], {
      targets,
      onPass: ({ name, changed, stats, notes }, made) =>
        passes.push({ name, changed, stats, notes, nodes: made.graph.nodeCount }),
    });
  } catch (error) {
    if (!(error instanceof VlmError)) throw error;
    problems.push({ ...error.record, severity: 'warning' });
  }
  return {
    graph: {
      nodes: graph.nodeCount,
      inputs: graph.inputs.map(portText),
      outputs: graph.outputs.map(portText),
      operators: operatorsOf(model),
      weights: totals(tensorsOf(model)),
      shapes: shapesOf(model),
      meanings: meaningsOf(model, optimized),
      passes,
    },
    problems,
  };
}

const portText = (value: Value): string => `${value.name} ${formatType(value.type)}`;

/** By bytes, largest first. */
export function totals(tensors: Iterable<{ readonly dtype: string; readonly bytes: number }>): DTypeTotal[] {
  const byType = new Map<string, DTypeTotal>();
  for (const { dtype, bytes } of tensors) {
    const known = byType.get(dtype) ?? { dtype, tensors: 0, bytes: 0 };
    byType.set(dtype, { dtype, tensors: known.tensors + 1, bytes: known.bytes + bytes });
  }
  return [...byType.values()].sort((a, b) => b.bytes - a.bytes || (a.dtype < b.dtype ? -1 : 1));
}

/** Constants of the main graph and of bodies, by the node that reads each first. */
function* constantsRead(model: Model): Generator<readonly [operator: string, tensor: Tensor]> {
  const seen = new Set<Value>();
  for (const node of allNodes(model.graph)) {
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'tensor') yield [node.op, attribute.value];
    }
    for (const input of node.inputs) {
      if (input?.initializer === undefined || seen.has(input)) continue;
      seen.add(input);
      yield [node.op, input.initializer];
    }
  }
}

function* tensorsOf(model: Model): Generator<{ dtype: string; bytes: number }> {
  for (const [, { dtype, byteLength }] of constantsRead(model)) yield { dtype, bytes: byteLength };
}

function operatorsOf(model: Model): Record<string, InspectedOperator> {
  const found = new Map<string, { nodes: number; bytes: number }>();
  const entry = (op: string): { nodes: number; bytes: number } => {
    const known = found.get(op) ?? { nodes: 0, bytes: 0 };
    found.set(op, known);
    return known;
  };
  for (const node of allNodes(model.graph)) entry(node.op).nodes += 1;
  for (const [op, tensor] of constantsRead(model)) entry(op).bytes += tensor.byteLength;
  return Object.fromEntries([...found].sort(([a, m], [b, n]) => n.nodes - m.nodes || (a < b ? -1 : 1)));
}

function shapesOf(model: Model): InspectedShapes {
  const counts = { static: 0, symbolic: 0, unknown: 0 };
  for (const value of model.graph.values()) counts[knowledge(value.type)] += 1;
  const symbols = new Map<string, string[]>();
  for (const { name, type } of model.graph.inputs) {
    if (type?.kind !== 'tensor') continue;
    for (const [axis, dim] of (type.shape ?? []).entries()) {
      if (typeof dim === 'string') symbols.set(dim, [...(symbols.get(dim) ?? []), `${name}[${axis}]`]);
    }
  }
  return { ...counts, symbols: Object.fromEntries(symbols) };
}

function knowledge(type: ValueType | undefined): 'static' | 'symbolic' | 'unknown' {
  if (type?.kind !== 'tensor' || type.shape === undefined) return 'unknown';
  if (type.shape.includes(null)) return 'unknown';
  return type.shape.every((dim) => typeof dim === 'number') ? 'static' : 'symbolic';
}

function meaningsOf(model: Model, optimized: Model): Partial<Record<Meaning, InspectedMeaning>> {
  const [before, after] = [census(model), census(optimized)];
  return Object.fromEntries(
    meanings.flatMap((meaning) => {
      const [found, known] = [before.get(meaning)?.found ?? 0, after.get(meaning)];
      if (found === 0 && (known?.found ?? 0) === 0) return [];
      const operators = Object.fromEntries(known?.operators ?? []);
      return [[meaning, { found, optimized: known?.found ?? 0, operators }]];
    }),
  );
}
