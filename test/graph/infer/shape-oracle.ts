/**
 * Inferred types against what onnxruntime computes: every value of a model is made an output, the model runs, and
 * each shape must be the inferred one, symbols evaluated with the sizes that were fed.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect } from 'vitest';
import { inferredTypes } from '../../../src/graph/infer/infer.ts';
import type { Model } from '../../../src/graph/model.ts';
import type { Dim } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import type { Recorded } from '../../support/read-io.ts';

/** Cases in fixtures/, of whose values every shape must be inferred in full. */
export const fullyInferred: ReadonlySet<string> = new Set([
  'bert-ts14-eager-mask',
  'gpt2-ts14-eager',
  'ort-dynamic-int8-vit',
  'ort-matmul4bits-llama',
  'resnet-ts14-batch',
]);

/** The fraction of the values whose shape was inferred in full; fails where one is wrong. */
export async function knownShapes(
  path: string,
  model: Model,
  feeds: Record<string, Tensor>,
): Promise<number> {
  const types = inferredTypes(model);
  // The runtime for Node gives out tensors only.
  const values = [...model.graph.nodes()]
    .flatMap((node) => node.outputs.filter((output) => output !== null))
    .filter((value) => types.get(value)?.kind !== 'sequence');
  const folder = mkdtempSync(join(tmpdir(), 'vlm-convert-'));
  cpSync(dirname(path), folder, { recursive: true });
  writeFileSync(join(folder, 'probe.onnx'), withOutputs(readFileSync(path), values));
  const session = await InferenceSession.create(join(folder, 'probe.onnx'), {
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  const results = await session.run(feeds);
  await session.release();
  rmSync(folder, { recursive: true });

  const sizes = new Map<string, number>();
  for (const { name, type } of model.graph.inputs) {
    if (type?.kind !== 'tensor') continue;
    for (const [axis, dim] of (type.shape ?? []).entries()) {
      if (typeof dim === 'string') sizes.set(dim, feeds[name]?.dims[axis] ?? Number.NaN);
    }
  }
  let known = 0;
  for (const value of values) {
    const type = types.get(value);
    const result = results[value.name];
    if (type?.kind !== 'tensor' || result === undefined) continue;
    const where = `${value.name} of ${value.producer?.op}`;
    expect(type.dtype, where).toBe(result.type);
    if (type.shape === undefined) continue;
    const shape = type.shape.map((dim) => evaluate(dim, sizes));
    expect(shape.length, where).toBe(result.dims.length);
    expect(
      shape.map((dim, axis) => dim ?? result.dims[axis]),
      where,
    ).toEqual(result.dims);
    if (shape.every((dim) => dim !== undefined)) known += 1;
  }
  return known / values.length;
}

/** Messages that are written one after the other are merged: appends `graph.output { name }` for every value. */
function withOutputs(bytes: Uint8Array, values: readonly Value[]): Uint8Array {
  const outputs = values
    .filter((value) => !value.isOutput)
    .map(({ name }) => field(12, field(1, Buffer.from(name))));
  return Buffer.concat([bytes, field(7, Buffer.concat(outputs))]);
}

function field(number: number, content: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let rest = content.byteLength; ; rest = Math.floor(rest / 128)) {
    length.push(rest < 128 ? rest : (rest % 128) + 128);
    if (rest < 128) break;
  }
  return Buffer.concat([Uint8Array.of(number * 8 + 2, ...length), content]);
}

/** Sums, products and rounded quotients (as exporters write them, too) of symbols that have a size; undefined for anything else. */
function evaluate(dim: Dim, sizes: ReadonlyMap<string, number>): number | undefined {
  if (typeof dim !== 'string') return dim ?? undefined;
  const tokens = [...dim.matchAll(/[\p{L}_][\p{L}\p{N}_.]*|\d+|\/\/|[()+*/-]/gu)].map(([token]) => token);
  const take = (token: string): boolean => tokens[0] === token && tokens.shift() !== undefined;
  const factor = (): number => {
    if (take('floor')) return Math.floor(factor());
    if (take('-')) return -factor();
    if (take('(')) {
      const inner = sum();
      return take(')') ? inner : Number.NaN;
    }
    const token = tokens.shift() ?? '';
    return sizes.get(token) ?? Number(token || Number.NaN);
  };
  const product = (): number => {
    let value = factor();
    while (['*', '/', '//'].includes(tokens[0] ?? '')) value = take('*') ? value * factor() : quotient(value);
    return value;
  };
  const quotient = (value: number): number =>
    take('//') ? Math.floor(value / factor()) : take('/') ? value / factor() : Number.NaN;
  const sum = (): number => {
    let value = product();
    while (tokens[0] === '+' || tokens[0] === '-') value += take('+') ? product() : negative();
    return value;
  };
  const negative = (): number => (take('-') ? -product() : Number.NaN);
  const total = sum();
  return tokens.length > 0 || Number.isNaN(total) ? undefined : total;
}

/** What the model takes, by the recorded names; undefined where the run was not recorded. */
export function feedsOf(
  model: Model,
  recorded: Recorded,
  prefix: string,
): Record<string, Tensor> | undefined {
  const feeds: Record<string, Tensor> = {};
  for (const { name, type, initializer } of model.graph.inputs) {
    if (initializer !== undefined) continue;
    if (!recorded.has(`${prefix}${name}`) || type?.kind !== 'tensor') return undefined;
    const { data, shape } = recorded.get(`${prefix}${name}`);
    if (!(data instanceof Float32Array || data instanceof BigInt64Array)) return undefined;
    if (type.dtype === 'float32' && data instanceof Float32Array)
      feeds[name] = new Tensor('float32', data, [...shape]);
    else if (type.dtype === 'int64' && data instanceof BigInt64Array)
      feeds[name] = new Tensor('int64', data, [...shape]);
    else if (type.dtype === 'bool')
      feeds[name] = new Tensor('bool', Uint8Array.from(data, Number), [...shape]);
    else return undefined;
  }
  return feeds;
}
