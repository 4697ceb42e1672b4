/** The plan: exact about files, honest about adapters, and made from headers alone. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConvertOptions } from '../../src/pipeline/options.ts';
import { planConversion } from '../../src/pipeline/plan-conversion.ts';
import { VlmError } from '../../src/report/diagnostics.ts';
import type { ByteSource } from '../../src/tensor/byte-source.ts';
import { fixtures } from '../golden-folders.ts';
import { goldenCase } from '../support/golden-cases.ts';

/** Ranges read from each source, by its name. */
const reads = vi.hoisted(() => new Map<string, [number, number][]>());
vi.mock('../../src/tensor/byte-source.ts', async (original) => {
  const real = await original<typeof import('../../src/tensor/byte-source.ts')>();
  return {
    ...real,
    fileSource: async (path: string, name: string): Promise<ByteSource> => {
      const source = await real.fileSource(path, name);
      const ranges: [number, number][] = [];
      reads.set(name, ranges);
      return {
        name: source.name,
        size: source.size,
        read: (begin, end) => {
          ranges.push([begin, end]);
          return source.read(begin, end);
        },
        close: () => source.close(),
      };
    },
  };
});

const monkey = join(fixtures, 'monkey/tiny-896/checkpoint');
const out = join(fixtures, 'never-written');

beforeEach(() => reads.clear());

describe('the plan', () => {
  it.each(['fp32', 'fp16', 'int4'] as const)('reads headers and nothing else (%s)', async (precision) => {
    const { plan } = await planConversion({
      checkpoint: monkey,
      output: out,
      resolution: { width: 1544, height: 896 },
      precision,
    });
    expect(plan.bytes.output).toBeGreaterThan(0);
    const file = readFileSync(join(monkey, 'model.safetensors'));
    const header = 8 + Number(file.readBigUInt64LE(0));
    const ranges = reads.get('model.safetensors') ?? [];
    expect(ranges.length).toBeGreaterThan(0);
    for (const [, end] of ranges) expect(end).toBeLessThanOrEqual(header);
  });

  it('judges passes that are given as text by the least exact of them', async () => {
    const { plan } = await planConversion({
      checkpoint: monkey,
      output: out,
      precision: 'fp16',
      passes: { vision: 'merge-lora,float16,int4{block=32}', embed: 'float16', decoder: 'fuse-attention' },
    });
    expect(plan.components.map(({ precision }) => precision)).toEqual(['int4', 'fp16', 'fp32']);
    const one = await planConversion({ checkpoint: monkey, output: out, passes: { decoder: 'int8' } });
    expect(one.plan.components.map(({ precision }) => precision)).toEqual(['fp32', 'fp32', 'int8']);
  });

  it('counts one checkpoint in full and the same twice', async () => {
    const options = { checkpoint: monkey, output: out, precision: 'int8' } as const;
    const first = await planConversion(options);
    expect(await planConversion(options)).toEqual(first);
    expect(first.plan.checkpoint).toMatchObject({ name: 'checkpoint', tensors: 181, unusedTensors: [] });
    expect(first.plan.image?.views).toHaveLength(5);
    expect(first.plan.components.map(({ id, precision }) => [id, precision])).toEqual([
      ['vision', 'int8'],
      ['embed', 'int8'],
      ['decoder', 'int8'],
    ]);
    expect(first.plan.warnings).toEqual([]);
  });

  it('accounts in its coverage for every weight byte that a component holds', async () => {
    const { plan } = await planConversion({ checkpoint: monkey, output: out, precision: 'int4' });
    const embed = plan.components.find(({ id }) => id === 'embed');
    expect(embed?.coverage).toHaveLength(1);
    // 504 rows of 128: four bits each, a float32 scale and half a byte of zero point per block of 32.
    expect(embed?.coverage[0]).toMatchObject({
      weights: 1,
      bytesBefore: 504 * 128 * 4,
      bytesAfter: 504 * (64 + 4 * 4 + 2),
    });
    expect(embed?.tensorBytes).toBe(504 * (64 + 4 * 4 + 2));
  });

  it('needs scratch and memory for a check only when there is one', async () => {
    const options = { checkpoint: monkey, output: out } as const;
    const checked = (await planConversion(options)).plan;
    const unchecked = (await planConversion({ ...options, parity: false })).plan;
    expect(checked.bytes.scratch).toBeGreaterThan(checked.checkpoint.tensorBytes);
    expect(unchecked.bytes.scratch).toBe(0);
    expect(unchecked.memory.parity).toBe(0);
    expect(unchecked.bytes.output).toBe(checked.bytes.output);
  });

  it('takes components by kind, and by modality and kind', async () => {
    const plan = async (options: Partial<ConvertOptions>) =>
      (await planConversion({ checkpoint: monkey, output: out, ...options })).plan;
    const { components } = await plan({
      precision: { image_encoder: 'int8', embed: 'fp16' },
      passes: { text_decoder: 'int4{block=16}' },
    });
    expect(components.map(({ id, precision }) => [id, precision])).toEqual([
      ['vision', 'int8'],
      ['embed', 'fp16'],
      ['decoder', 'int4'],
    ]);
    expect(components.map(({ holds }) => holds)).toEqual([
      [
        { kind: 'encoder', modality: 'image' },
        { kind: 'projector', modality: 'image' },
      ],
      [{ kind: 'embed', modality: 'text' }],
      [{ kind: 'decoder', modality: 'text' }],
    ]);
  });

  it('takes kinds that several components are of, and those of sounds and of drawing', async () => {
    const precisions = async (name: string, precision: ConvertOptions['precision']) => {
      const { checkpoint } = goldenCase(name);
      const { plan } = await planConversion({ checkpoint, output: out, precision });
      return Object.fromEntries(plan.components.map((one) => [one.id, one.precision]));
    };
    expect(await precisions('qwen2-audio/tiny', { encoder: 'fp16', decoder: 'int4' })).toEqual({
      audio_encoder: 'fp16',
      embed: 'fp32',
      decoder: 'int4',
    });
    const drawing = { generator: 'fp16', 'output-projector': 'int8', image_embed: 'int4' } as const;
    expect(await precisions('janus/tiny-hf', drawing)).toEqual({
      vision: 'fp32',
      embed: 'fp32',
      decoder: 'fp32',
      gen_head: 'int8',
      gen_embed: 'int4',
      image_decoder: 'fp16',
    });
    expect(await precisions('qwen2-vl/tiny-video-long', { video_encoder: 'int8' })).toMatchObject({
      vision: 'int8',
      decoder: 'fp32',
    });
    const refused = precisions('qwen2-audio/tiny', { image_encoder: 'fp16' });
    await expect(refused).rejects.toThrow(/VC4006[\s\S]*audio encoder \+ projector/);
  });

  it('lets each component have targets of its own', async () => {
    const fused = async (target: ConvertOptions['target']) => {
      const { plan } = await planConversion({ checkpoint: monkey, output: out, target });
      return plan.components
        .filter(({ records }) =>
          records.some(({ name, stats }) => name === 'fuse-attention' && (stats.attention ?? 0) > 0),
        )
        .map(({ id }) => id);
    };
    expect(await fused(['cpu'])).toEqual(['vision', 'decoder']);
    // Operators of ai.onnx alone.
    expect(await fused({ image_encoder: ['generic'] })).toEqual(['decoder']);
    expect(await fused({ image_encoder: ['cpu'], decoder: ['cpu', 'generic'] })).toEqual(['vision']);
    expect(await fused(['generic'])).toEqual([]);
    await expect(fused({ decoder: ['toaster'] })).rejects.toThrow('VC4405');
    await expect(fused({ audio_encoder: ['cpu'] })).rejects.toThrow(
      /VC4006[\s\S]*--target[\s\S]*image encoder/,
    );
  });

  it('refuses gates of components that are not there, or that give no such output', async () => {
    const gated = (key: string) => planConversion({ checkpoint: monkey, output: out, gate: { [key]: 1 } });
    await expect(gated('image_encoder.features.max')).resolves.toMatchObject({ plan: { schema: 1 } });
    await expect(gated('generator.blocks.max')).rejects.toThrow(/VC4006[\s\S]*--gate generator/);
    await expect(gated('decoder.features.max')).rejects.toThrow(/VC6105[\s\S]*features of decoder/);
  });

  it('names the component that an option gets wrong', async () => {
    const refused = planConversion({ checkpoint: monkey, output: out, passes: { decodre: 'int4' } });
    await expect(refused).rejects.toThrow(VlmError);
    await expect(refused).rejects.toThrow(/VC4006[\s\S]*--passes[\s\S]*did you mean "decoder"/);
  });
});
