/**
 * `--lora runtime`: one graph, fed with the adapter that it was made with, with none (rank 0), and with both at once in
 * two rows of a batch, against the logits that PEFT recorded with and without the adapter.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConvertOptions, convert, recheck, type VlmError } from '../../src/index.ts';
import { readInputs } from '../../src/pipeline/read-inputs.ts';
import { openSession } from '../../src/runtime/session.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from '../support/deviation.ts';
import { peftCase } from '../support/peft-cases.ts';
import { type Recorded, readIo } from '../support/read-io.ts';
import { failedGates } from './convert-case.ts';

const limit = 1e-4;
const golden = peftCase('gpt2-fan-in-fan-out');
const cache = { layers: 2, heads: 4, headDim: 16 };

let folder: string;
let output: string;
let io: Recorded;
let factors: ReadonlyMap<string, RunTensor>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-runtime-'));
  output = join(folder, 'out');
  io = await readIo(join(golden.folder, 'io.safetensors'));
  const result = await converted(output, {});
  expect(failedGates(result)).toEqual([]);
  factors = await readInputs(join(output, 'adapter.safetensors'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const converted = (target: string, options: Partial<ConvertOptions>) =>
  convert({
    checkpoint: golden.checkpoint,
    adapter: [{ path: golden.adapter, share: 1 }],
    output: target,
    lora: 'runtime',
    ...options,
  });

/** Logits of the recorded ids, in as many equal rows as asked for. */
async function logitsOf(adapter: ReadonlyMap<string, RunTensor>, rows = 1): Promise<Float32Array> {
  const ids = Array.from({ length: rows }, () => io.ints('in.input_ids')).flat();
  const shape = [rows, ids.length / rows];
  const embed = await openSession(join(output, 'onnx/embed_tokens.onnx'), { device: 'cpu' });
  const decoder = await openSession(join(output, 'onnx/decoder_model_merged.onnx'), { device: 'cpu' });
  try {
    const embeds = (await embed.run(new Map([['input_ids', int64Value(shape, ids)]]))).get('inputs_embeds');
    if (embeds === undefined) throw new Error('no embeddings');
    const mask = int64Value(
      shape,
      ids.map(() => 1),
    );
    const empty = float32Value([rows, cache.heads, 0, cache.headDim], new Float32Array(0));
    const past = Array.from({ length: cache.layers }, (_, layer) =>
      ['key', 'value'].map((part) => [`past_key_values.${layer}.${part}`, empty] as const),
    ).flat();
    const feeds = new Map([['inputs_embeds', embeds], ['attention_mask', mask], ...past, ...adapter]);
    const logits = (await decoder.run(feeds)).get('logits');
    if (logits === undefined) throw new Error('no logits');
    return toFloat32(logits);
  } finally {
    await embed.release();
    await decoder.release();
  }
}

/** A tensor of each input, made of the adapter's own. */
function mapFactors(make: (name: string, tensor: RunTensor) => RunTensor): ReadonlyMap<string, RunTensor> {
  return new Map([...factors].map(([name, tensor]) => [name, make(name, tensor)]));
}

describe('the graphs of --lora runtime', () => {
  it('name an input for each factor', () => {
    const module = 'lora.transformer.h.0.attn.c_attn';
    expect([...factors.keys()].filter((name) => name.startsWith(module)).sort()).toEqual([
      `${module}.A`,
      `${module}.B`,
      `${module}.scale`,
    ]);
    expect(factors.size).toBe(3 * 4);
    expect(factors.get(`${module}.A`)?.shape).toEqual([1, 64, 4]);
    expect(factors.get(`${module}.B`)?.shape).toEqual([1, 4, 192]);
  });

  it('give what PEFT gives with the adapter', async () => {
    expect(deviation(await logitsOf(factors), io.float32('out.logits'))).toBeLessThanOrEqual(limit);
  });

  it('give the base at rank 0', async () => {
    const none = mapFactors((name, { shape: [, first = 0, last = 0] }) =>
      name.endsWith('.scale')
        ? float32Value([1, 1, 1], Float32Array.of(1))
        : float32Value(name.endsWith('.A') ? [1, first, 0] : [1, 0, last], new Float32Array(0)),
    );
    expect(deviation(await logitsOf(none), io.float32('mid.logits_base'))).toBeLessThanOrEqual(limit);
  });

  it('run another adapter in each row of a batch', async () => {
    const both = mapFactors((name, tensor) => {
      const [, first = 0, last = 0] = tensor.shape;
      const own = toFloat32(tensor);
      const data = new Float32Array(2 * own.length);
      data.set(own);
      // The second row runs without: its scale stays 0.
      if (!name.endsWith('.scale')) data.set(own, own.length);
      return float32Value([2, first, last], data);
    });
    const logits = await logitsOf(both, 2);
    const half = logits.length / 2;
    expect(deviation(logits.slice(0, half), io.float32('out.logits'))).toBeLessThanOrEqual(limit);
    expect(deviation(logits.slice(half), io.float32('mid.logits_base'))).toBeLessThanOrEqual(limit);
  });

  it.each(['fp16', 'int4'] as const)('keep their factors apart in %s', async (precision) => {
    const target = join(folder, precision);
    const result = await converted(target, { precision, parity: false });
    expect(result.passed).toBe(true);
    const own = await readInputs(join(target, 'adapter.safetensors'));
    expect([...own.keys()].sort()).toEqual([...factors.keys()].sort());
    const dtypes = new Set([...own.values()].map(({ dtype }) => dtype));
    expect([...dtypes]).toEqual([precision === 'fp16' ? 'float16' : 'float32']);
  });

  it('are checked again from their folder and the adapter', async () => {
    const adapter = [{ path: golden.adapter, share: 1 }];
    const result = await recheck({ output, checkpoint: golden.checkpoint, adapter });
    expect(result.passed).toBe(true);
    const other = await recheck({ output, checkpoint: golden.checkpoint }).catch((error: VlmError) => error);
    expect((other as VlmError).code).toBe('VC1132');
  });
});

describe('what cannot be switched', () => {
  const code = (options: Partial<ConvertOptions>) =>
    converted(join(folder, 'refused'), options).then(
      () => undefined,
      (error: VlmError) => error.code,
    );

  it('is refused', async () => {
    const one = { path: golden.adapter, share: 1 };
    expect(await code({ adapter: [one, one] })).toBe('VC1317');
    await expect(converted(join(folder, 'refused'), { adapter: [] })).rejects.toMatchObject({
      record: { code: 'VC1317', hint: 'name it: --adapter <folder>' },
    });
    expect(await code({ format: 'transformers.js' })).toMatch(/^VC4/);
    const dora = peftCase('llama-dora');
    expect(await code({ checkpoint: dora.checkpoint, adapter: [{ path: dora.adapter, share: 1 }] })).toBe(
      'VC1317',
    );
  });
});
