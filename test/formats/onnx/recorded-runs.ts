/**
 * Recorded inputs and outputs of an onnx-import case, run in onnxruntime. `in.<name>` feeds, `out.<name>` is to
 * be met; `alt.`, `run1.`, … are further runs. `ort.out.<name>`, where it is recorded, is what the runtime gives
 * with optimisation off; `out.` is then the float model's. Strings and integers beyond int64 stand in io_text.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { floatToHalf, halfToFloat } from '../../../src/kernels/half.ts';
import type { RunTensor } from '../../../src/runtime/values.ts';
import { readIo } from '../../support/read-io.ts';

interface CaseJson {
  /** Edge cases: `ok`, or why the runtime did not run the model. */
  readonly onnxruntime?: string;
  readonly variants?: Readonly<Record<string, { readonly onnxruntime: string }>>;
  readonly alt_refused_by_onnxruntime?: string | null;
  readonly io_text?: Readonly<Record<string, readonly string[]>>;
  readonly max_abs_diff_onnxruntime_vs_pytorch?: Readonly<Record<string, number>> | null;
}

export interface RecordedRun {
  readonly prefix: string;
  readonly inputs: ReadonlyMap<string, RunTensor | readonly string[]>;
  readonly outputs: ReadonlyMap<string, { readonly value: RunTensor; readonly tolerance: number }>;
}

/** Recorded outputs come from another version and machine than this one: a few times what was seen then. */
const margin = 4;
/** Where no difference was recorded: float32 rounding of values around one. */
const defaultTolerance = 1e-5;

/**
 * What is recorded for a model file of a case; empty when the recording runtime could not run it. `refused`: also the
 * run that the runtime refuses of the file as it is, whose outputs are PyTorch's.
 */
export async function recordedRuns(folder: string, file: string, refused = false): Promise<RecordedRun[]> {
  const json = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as CaseJson;
  const verdict = json.variants?.[file]?.onnxruntime ?? json.onnxruntime ?? 'ok';
  // We make the names unique, so what the runtime refused for this alone must run.
  if (verdict !== 'ok' && !verdict.includes('two nodes with same node name')) return [];
  if (!existsSync(join(folder, 'io.safetensors'))) return [];
  const io = await readIo(join(folder, 'io.safetensors'));
  const prefixes = new Set([...io.tensors.keys()].map((key) => /^(alt\.|run\d+\.)?/.exec(key)?.[0] ?? ''));
  if (json.alt_refused_by_onnxruntime && !refused) prefixes.delete('alt.');
  return [...prefixes].sort().map((prefix) => {
    const inputs = new Map<string, RunTensor | readonly string[]>();
    const outputs = new Map<string, { value: RunTensor; tolerance: number }>();
    for (const [key, value] of io.tensors) {
      const [, name] = /^in\.(.*)$/.exec(without(prefix, key)) ?? [];
      if (name !== undefined) inputs.set(name, value);
      const [, output] = /^out\.(.*)$/.exec(without(prefix, key)) ?? [];
      if (output === undefined) continue;
      const recorded = json.max_abs_diff_onnxruntime_vs_pytorch?.[`${prefix}${output}`];
      outputs.set(output, {
        value: io.tensors.get(`${prefix}ort.out.${output}`) ?? value,
        tolerance: Math.max(defaultTolerance, margin * (recorded ?? 0)),
      });
    }
    for (const [key, texts] of Object.entries(json.io_text ?? {})) {
      const [, name] = /^in\.(.*)$/.exec(without(prefix, key)) ?? [];
      if (name !== undefined) inputs.set(name, texts);
    }
    return { prefix, inputs, outputs };
  });
}

const without = (prefix: string, key: string): string =>
  key.startsWith(prefix) ? key.slice(prefix.length) : '';

/** What a model file gives on a recorded run, for the outputs that were recorded. */
export async function runOn(path: string, run: RecordedRun): Promise<ReadonlyMap<string, RunOutput>> {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 3,
  });
  try {
    const feeds: Record<string, Tensor> = {};
    for (const port of session.inputMetadata) {
      const value = run.inputs.get(port.name);
      if (value !== undefined) feeds[port.name] = feed(ort.Tensor, port, value);
    }
    const wanted = session.outputNames.filter((name) => run.outputs.has(name));
    const results = await session.run(feeds, wanted);
    return new Map(
      wanted.map((name) => {
        const result = results[name];
        if (result === undefined) throw new Error(`no output ${name}`);
        const data =
          result.type === 'float16'
            ? halfToFloat(result.data as Uint16Array)
            : (result.data as ArrayLike<unknown>);
        return [name, { shape: result.dims, data }];
      }),
    );
  } finally {
    await session.release();
  }
}

export interface RunOutput {
  readonly shape: readonly number[];
  readonly data: ArrayLike<unknown>;
}

/** Runs a model file on a recorded run; gives `output: largest difference` for the outputs beyond tolerance. */
export async function deviations(path: string, run: RecordedRun): Promise<string[]> {
  const found: string[] = [];
  for (const [name, { shape, data }] of await runOn(path, run)) {
    const expected = run.outputs.get(name);
    if (expected === undefined) throw new Error(`no output ${name}`);
    if (`${shape}` !== `${expected.value.shape}`) {
      found.push(`${name}: shape [${shape}] is not [${expected.value.shape}]`);
    }
    const difference = largestDifference(data, expected.value.data);
    if (!(difference <= expected.tolerance)) found.push(`${name}: ${difference} > ${expected.tolerance}`);
  }
  return found;
}

function feed(
  make: typeof Tensor,
  port: InferenceSession.ValueMetadata,
  value: RunTensor | readonly string[],
): Tensor {
  if (!('data' in value)) return new make('string', [...value], [value.length]);
  const type = port.isTensor ? port.type : 'float32';
  const { data, shape } = value;
  if (type === 'float16' && data instanceof Float32Array)
    return new make('float16', floatToHalf(data), shape);
  if (type === 'bool') return new make('bool', Uint8Array.from(data as BigInt64Array, Number), shape);
  if (type === 'int32') return new make('int32', Int32Array.from(data as BigInt64Array, Number), shape);
  if (data instanceof Float32Array) return new make('float32', data, shape);
  if (data instanceof BigInt64Array && type === 'int64') return new make('int64', data, shape);
  throw new TypeError(`${port.name} takes ${type}`);
}

function largestDifference(actual: ArrayLike<unknown>, expected: ArrayLike<number | bigint>): number {
  if (actual.length !== expected.length) return Number.NaN;
  let largest = 0;
  for (let i = 0; i < expected.length; i += 1) {
    const [a, b] = [Number(actual[i]), Number(expected[i])];
    if (Object.is(a, b)) continue;
    const difference = Math.abs(a - b) / Math.max(1, Math.abs(b));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
