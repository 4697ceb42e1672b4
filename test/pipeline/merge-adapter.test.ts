/**
 * PEFT adapters merged into exported graphs, against what PyTorch computes with the adapter beside its base. The graphs
 * are exports of the base alone, by either exporter of torch, inside a wrapper that the adapter does not know.
 */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Adapter, openAdapter } from '../../src/formats/checkpoint/adapters/open-adapter.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { verifyModel } from '../../src/graph/verify.ts';
import { type MergedWeight, mergeAdapterIntoGraph } from '../../src/pipeline/merge-adapter/merge-adapter.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { fixtures } from '../golden-folders.ts';
import { withModel } from '../graph/onnx-cases.ts';
import { deviation } from '../support/deviation.ts';
import { readIo } from '../support/read-io.ts';
import { buildModel, randomInput, randomWeight, runModel } from '../support/run-model.ts';
import { type Floats, floats, writeAdapter } from '../support/write-adapter.ts';

const root = process.env.LORA ?? join(fixtures, 'onnx-lora');

async function merged(
  name: string,
  use: (model: Model, weights: readonly MergedWeight[]) => Promise<void> | void,
): Promise<void> {
  const adapter = await openAdapter(join(root, name, 'adapter'));
  try {
    await withModel(join(root, name, 'model.onnx'), async (model) => {
      await use(model, mergeAdapterIntoGraph(model, { adapter, share: 1 }));
    });
  } finally {
    await adapter.close();
  }
}

describe('an adapter in an exported graph', () => {
  it.each(readdirSync(root))('%s', async (name) => {
    const io = await readIo(join(root, name, 'io.safetensors'));
    await merged(name, async (model) => {
      verifyModel(model);
      const [input] = [...io.tensors.keys()].flatMap((key) => /^in\.(.*)$/.exec(key)?.[1] ?? []);
      const outputs = await runModel(model, { [`${input}`]: io.get(`in.${input}`) });
      const data = outputs.get('out')?.data as Float32Array;
      expect(deviation(data, io.float32('merged.out'))).toBeLessThan(1e-4);
      // The base is far away: an adapter that is left out cannot pass.
      expect(deviation(io.float32('base.out'), io.float32('merged.out'))).toBeGreaterThan(0.5);
    });
  });
});

/** Two square layers of one input, under names that the test gives; `extra` stands beside them. */
function layers(
  names: readonly string[],
  extra: (b: GraphBuilder, x: Value) => readonly Value[] = () => [],
): Model {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['n', 6]));
    const parts = names.map((name, at) =>
      b.op('MatMul', [x, b.weight(`${name}.weight`, randomWeight(name, [6, 6], at + 1))]),
    );
    b.output(
      'out',
      [...parts, ...extra(b, x)].reduce((sum, part) => b.op('Add', [sum, part])),
    );
  });
}

let folder = '';
const opened: Adapter[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-adapter-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((adapter) => adapter.close()));
  await rm(folder, { recursive: true });
});

/** Factors [2, width] and [6, 2] for each module. */
async function merge(model: Model, modules: readonly string[], width = 6): Promise<readonly MergedWeight[]> {
  const tensors = modules.flatMap((module, at) => [
    [`${module}.lora_A.weight`, floats([2, width], 10 + at)] as const,
    [`${module}.lora_B.weight`, floats([6, 2], 20 + at)] as const,
  ]);
  const targets = [...new Set(modules.map((module) => module.split('.').at(-1)))];
  await writeAdapter(folder, { target_modules: targets }, Object.fromEntries(tensors));
  const adapter = await openAdapter(folder);
  opened.push(adapter);
  return mergeAdapterIntoGraph(model, { adapter, share: 1 });
}

const text = ['layers.0.q_proj', 'layers.0.v_proj'];

describe('what matches what', () => {
  it('is said of every weight', async () => {
    const merged = await merge(layers(['tower.layers.0.q_proj', 'tower.layers.0.v_proj']), text);
    expect(merged.map(({ module, weight }) => [module, weight])).toEqual([
      ['layers.0.q_proj', 'tower.layers.0.q_proj.weight'],
      ['layers.0.v_proj', 'tower.layers.0.v_proj.weight'],
    ]);
    expect(merged[0]?.change).toEqual({ kind: 'low-rank', rank: 2, scale: 2 });
  });

  it('nothing: VC1306 names the nearest', async () => {
    await expect(merge(layers(['layers.0.qproj', 'other']), ['layers.0.q_proj'])).rejects.toThrow(
      /VC1306.*1 of 1 modules.*"layers.0.q_proj" \(nearest: "layers.0.qproj"\)/s,
    );
  });

  it('a part: VC1307 says which is found where', async () => {
    await expect(merge(layers(['m.layers.0.q_proj', 'm.layers.0.k_proj']), text)).rejects.toThrow(
      /VC1307.*1 of 2 modules.*"layers.0.v_proj".*found: "layers.0.q_proj" as "m.layers.0.q_proj"/s,
    );
  });

  it('two towers: VC1307 says that it could be either', async () => {
    const model = layers(['text.layers.0.q_proj', 'vision.layers.0.q_proj']);
    await expect(merge(model, ['layers.0.q_proj'])).rejects.toThrow(/VC1307.*"text\.", "vision\."/s);
  });

  it('a layer that the adapter leaves out, and its config names: VC1314', async () => {
    const model = layers(['layers.0.q_proj', 'layers.1.q_proj']);
    await expect(merge(model, ['layers.0.q_proj'])).rejects.toThrow(/VC1314.*layers.1.q_proj/s);
  });

  it('factors of another width: VC1308', async () => {
    await expect(merge(layers(['layers.0.q_proj']), ['layers.0.q_proj'], 5)).rejects.toThrow(/VC1308/);
  });

  it('a quantized layer: VC1307 says so', async () => {
    const model = layers(['layers.0.q_proj'], (b, x) => [
      b.op('MatMulNBits', [x, b.weight('packed', inlineTensor('uint8', [6, 1, 8], new Uint8Array(48)))], {
        domain: 'com.microsoft',
        name: '/layers.0/v_proj/MatMul',
        attributes: { K: 6, N: 6, bits: 4, block_size: 16 },
      }),
    ]);
    await expect(merge(model, text)).rejects.toThrow(/VC1307.*v_proj" \(its weight is quantized/s);
  });
});

describe('a constant that two layers share', () => {
  it('stays as it is for the other one', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', ['n', 6]));
        const shared = b.weight('onnx::MatMul_7', randomWeight('shared', [6, 6], 1));
        const both = ['q_proj', 'v_proj'].map((name) =>
          b.op('MatMul', [x, shared], { name: `/layers.0/${name}/MatMul` }),
        );
        b.output('q', both[0] as Value);
        b.output('v', both[1] as Value);
      });
    const model = make();
    await merge(model, ['layers.0.q_proj']);
    const feeds = { x: randomInput([3, 6], 5) };
    const [found, before] = [await runModel(model, feeds), await runModel(make(), feeds)];
    const values = (outputs: typeof found, name: string) => outputs.get(name)?.data as Float32Array;
    expect(values(found, 'v')).toEqual(values(before, 'v'));
    expect(deviation(values(found, 'q'), values(before, 'q'))).toBeGreaterThan(0.1);
  });
});

describe('a layer that is spelled otherwise', () => {
  it('Gemm with its weight as stored, and a table that is the head, too', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', ['n', 6]));
        const ids = b.input('ids', tensorType('int64', ['n']));
        const table = b.weight('lm_head.weight', randomWeight('table', [5, 6], 1));
        const turned = b.op('Transpose', [table], { attributes: { perm: [1, 0] } });
        b.output('rows', b.op('Gather', [table, ids], { name: '/wte/Gather' }));
        b.output('logits', b.op('MatMul', [x, turned], { name: '/lm_head/MatMul' }));
        const stored = b.weight('fc.weight', randomWeight('stored', [6, 6], 2));
        b.output('gemm', b.op('Gemm', [x, stored], { attributes: { transB: 1 } }));
      });
    const model = make();
    const outputs = { lm_head: 5, fc: 6 };
    const tensors = Object.entries(outputs).flatMap(([module, count], at) => [
      [`${module}.lora_A.weight`, floats([2, 6], 30 + at)] as const,
      [`${module}.lora_B.weight`, floats([count, 2], 40 + at)] as const,
    ]);
    await writeAdapter(folder, { target_modules: ['lm_head', 'fc'] }, Object.fromEntries(tensors));
    const adapter = await openAdapter(folder);
    opened.push(adapter);
    mergeAdapterIntoGraph(model, { adapter, share: 0.5 });
    const feeds = {
      x: randomInput([3, 6], 5),
      ids: { dtype: 'int64', shape: [3], data: BigInt64Array.of(0n, 3n, 4n) },
    } as const;
    const [found, before] = [await runModel(model, feeds), await runModel(make(), feeds)];
    const values = (outputs: typeof found, name: string) => outputs.get(name)?.data as Float32Array;
    expect(values(found, 'rows')).toEqual(values(before, 'rows'));
    // scale 4 / 2, half of it: y + x · Aᵀ · Bᵀ
    const updated = (name: string, [a, b]: readonly [Floats, Floats]): Float32Array =>
      values(before, name).map((value, at) => {
        const count = b.shape[0] ?? 1;
        const [row, column] = [Math.floor(at / count), at % count];
        let sum = value;
        for (let r = 0; r < 2; r += 1) {
          for (let i = 0; i < 6; i += 1) {
            const product = (feeds.x.data[row * 6 + i] as number) * (a.data[r * 6 + i] ?? 0);
            sum += product * (b.data[column * 2 + r] ?? 0);
          }
        }
        return sum;
      });
    const factors = tensors.map(([, tensor]) => tensor);
    const [headA, headB, fcA, fcB] = factors as [Floats, Floats, Floats, Floats];
    expect(deviation(values(found, 'logits'), updated('logits', [headA, headB]))).toBeLessThan(1e-5);
    expect(deviation(values(found, 'gemm'), updated('gemm', [fcA, fcB]))).toBeLessThan(1e-5);
  });
});
