/** Faults that are planted in the builds of a check, and the findings that a report then has. */
import { expect } from 'vitest';
import type { Model } from '../../../src/graph/model.ts';
import type { Node } from '../../../src/graph/node.ts';
import type { Value } from '../../../src/graph/value.ts';
import { runParity } from '../../../src/parity/index.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { inlineTensor, readAll } from '../../../src/tensor/tensor.ts';
import { type StreamedCase, withStreamedCheck } from '../../support/streamed-check.ts';

export const check = (one: StreamedCase): Promise<ParityReport> => withStreamedCheck(one, runParity);

/** The nodes of one kind in a module, in order. */
export function nodesOf(model: Model, scope: string, op: string): readonly Node[] {
  return [...model.graph.nodes()].filter(
    (node) => node.op === op && node.metadata.get('vlm-convert.scope') === scope,
  );
}

export function nodeOf(model: Model, scope: string, op: string, index = 0): Node {
  const node = nodesOf(model, scope, op)[index];
  if (node === undefined) throw new Error(`${scope} has no ${op} ${index}`);
  return node;
}

/** Changes the bytes of a constant, wherever they come from. */
export async function changeConstant(
  value: Value | undefined,
  change: (bytes: Uint8Array, shape: readonly number[]) => void,
): Promise<void> {
  const tensor = value?.initializer;
  if (value === undefined || tensor === undefined) throw new Error('there is no such constant');
  const bytes = Uint8Array.from(await readAll(tensor));
  change(bytes, tensor.shape);
  value.graph.setInitializer(value, inlineTensor(tensor.dtype, tensor.shape, bytes));
}

/** The same for float32. */
export function changeFloats(
  value: Value | undefined,
  change: (values: Float32Array, shape: readonly number[]) => void,
): Promise<void> {
  return changeConstant(value, (bytes, shape) => change(new Float32Array(bytes.buffer), shape));
}

/** The square weight of a module that is multiplied first. */
export function squareWeight(model: Model, scope: string): Value {
  const weights = nodesOf(model, scope, 'MatMul').flatMap((node) => node.input(1) ?? []);
  const found = weights.find(
    ({ initializer }) => initializer?.shape[0] === initializer?.shape[1] && initializer,
  );
  if (found === undefined) throw new Error(`${scope} has no square weight`);
  return found;
}

export function transpose(values: Float32Array, [rows = 0, columns = 0]: readonly number[]): void {
  expect(rows).toBe(columns);
  const from = values.slice();
  for (let i = 0; i < rows; i += 1) {
    for (let j = 0; j < columns; j += 1) values[j * rows + i] = from[i * columns + j] ?? 0;
  }
}

/** Everybody who reads `value` reads what `make` makes of it. */
export function insertAfter(value: Value, make: (value: Value, before: Node | undefined) => Value): void {
  const readers = value.consumers();
  const changed = make(value, readers[0]);
  for (const reader of readers) {
    for (const [index, input] of reader.inputs.entries()) {
      if (input === value) reader.graph.setInput(reader, index, changed);
    }
  }
}

export function constant(
  model: Model,
  name: string,
  values: readonly number[],
  shape: readonly number[],
): Value {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return model.graph.addInitializer(model.graph.freshName(name), inlineTensor('float32', shape, bytes));
}

export function int64(model: Model, name: string, values: readonly number[]): Value {
  const bytes = new Uint8Array(BigInt64Array.from(values, (value) => BigInt(value)).buffer);
  return model.graph.addInitializer(
    model.graph.freshName(name),
    inlineTensor('int64', [values.length], bytes),
  );
}

/** Levels with a gate that failed. */
export function failedLevels(report: ParityReport): readonly string[] {
  return [...new Set(report.gates.filter(({ passed }) => !passed).map(({ level }) => level))];
}
