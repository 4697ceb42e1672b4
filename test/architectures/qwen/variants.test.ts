/**
 * What configs of the family may say besides the released values, in numbers: flags of the language model, and
 * sizes of Qwen-VL that are no multiple of the patch.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildOptions, BuiltModel } from '../../../src/architectures/architecture.ts';
import { qwenVl } from '../../../src/architectures/qwen-vl/qwen-vl.ts';
import { findArchitecture } from '../../../src/architectures/registry.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { float32Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { deviation } from '../../support/deviation.ts';
import { type GoldenCase, goldenCase } from '../../support/golden-cases.ts';
import { casePixels } from '../../support/pixel-values.ts';
import { readIo } from '../../support/read-io.ts';
import { get, runRecipe, withSession } from '../../support/run-recipe.ts';
import { writeComponents, writeModel } from '../../support/write-models.ts';

const options: BuildOptions = { tiling: 'fit', loraTiles: 'nearest' };

async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-variant-'));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Worst deviation of prefill and decode logits from those recorded, with a changed config. */
async function logitDeviation(golden: GoldenCase, changes: Changes): Promise<number> {
  const checkpoint = await openCheckpoint(golden.checkpoint);
  try {
    const architecture = findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys()));
    const built = architecture.build(changed(checkpoint, changes), options);
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const ids = io.ints('out.decode_ids');
    return await inFolder(async (folder) => {
      const run = await runRecipe({
        recipe: built.recipe,
        files: await writeComponents(folder, built.components),
        pixels: casePixels(golden),
        inputIds: io.get('in.input_ids'),
        attentionMask: io.get('in.attention_mask'),
        decodeIds: [ids],
      });
      const decoded = run.decodeLogits.flatMap((logits) => [...toFloat32(logits)]);
      return Math.max(
        deviation(toFloat32(run.logits), io.float32('out.logits')),
        deviation(Float32Array.from(decoded), io.float32('out.decode_logits')),
      );
    });
  } finally {
    await checkpoint.close();
  }
}

describe('flags of the language model', () => {
  // Prompt and decode of Monkey's stay below seq_length: neither flag may change anything.
  it.each([{ use_dynamic_ntk: false }, { use_logn_attn: false }])(
    '%o leaves short prompts alone',
    async (config) => {
      expect(await logitDeviation(goldenCase('monkey/tiny-896'), { config })).toBeLessThan(1e-4);
    },
  );

  it.each([
    { use_dynamic_ntk: false },
    { use_logn_attn: false },
    { rotary_pct: 0.5 },
    { rotary_emb_base: 20000 },
  ])('%o changes long prompts', async (config) => {
    expect(await logitDeviation(goldenCase('qwen-vl/tiny-long'), { config })).toBeGreaterThan(1e-2);
  });
});

describe('graphs', () => {
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    checkpoint = await openCheckpoint(goldenCase('qwen-vl/tiny-long').checkpoint);
  });
  afterAll(() => checkpoint.close());

  const component = (built: BuiltModel, id: string) => {
    const found = built.components.find((candidate) => candidate.id === id);
    if (found === undefined) throw new Error(`no ${id}`);
    return found;
  };

  it('are built without reading a weight', () => {
    let reads = 0;
    const counting = changed(checkpoint, {
      tensors: (map) => {
        for (const [name, entry] of map) {
          const read = (begin: number, end: number) => {
            reads += 1;
            return entry.tensor.read(begin, end);
          };
          map.set(name, { ...entry, tensor: { ...entry.tensor, read } });
        }
      },
    });
    expect(qwenVl.build(counting, options).unusedTensors).toEqual([]);
    expect(reads).toBe(0);
  });

  it('take rope_length only where the frequencies depend on it', () => {
    const inputs = (changes: Changes) => {
      const built = qwenVl.build(changed(checkpoint, changes), options);
      const names = component(built, 'decoder').model.graph.inputs.map((input) => input.name);
      return { scalars: built.recipe.decoder.scalars, has: names.includes('rope_length') };
    };
    expect(inputs({})).toEqual({ scalars: ['rope_length'], has: true });
    expect(inputs({ config: { use_dynamic_ntk: false } })).toEqual({ scalars: [], has: false });
  });

  it('use the embedding as head where the two are tied', () => {
    const built = qwenVl.build(
      changed(checkpoint, {
        config: { tie_word_embeddings: true },
        tensors: (map) => map.delete('lm_head.weight'),
      }),
      options,
    );
    const names = [...component(built, 'decoder').model.graph.initializers()].map((value) => value.name);
    expect(names).toContain('transformer.wte.weight');
    expect(names).not.toContain('lm_head.weight');
  });

  it('want biases where the config has them', () => {
    expect(() => qwenVl.build(changed(checkpoint, { config: { no_bias: false } }), options)).toThrowError(
      expect.objectContaining({ code: 'VC1221' }),
    );
  });

  /** Picture of another size: what the pixel at (row, column) is, `fill` beyond the source. */
  const repainted = (pixels: RunTensor, width: number, height: number, fill: number): RunTensor => {
    const [, , h = 0, w = 0] = pixels.shape;
    const source = toFloat32(pixels);
    const data = Float32Array.from({ length: 3 * height * width }, (_, i) => {
      const [channel, row, column] = [
        Math.floor(i / (height * width)),
        Math.floor(i / width) % height,
        i % width,
      ];
      return row < h && column < w ? (source[(channel * h + row) * w + column] ?? 0) : fill;
    });
    return float32Value([1, 3, height, width], data);
  };

  const features = (extra: Partial<BuildOptions>, pixels: RunTensor): Promise<RunTensor> =>
    inFolder(async (folder) => {
      const vision = component(qwenVl.build(checkpoint, { ...options, ...extra }), 'vision');
      const path = await writeModel(folder, vision.fileName, vision.model);
      return withSession({}, path, 'cpu', async (session) =>
        get(await session.run(new Map([['pixel_values', pixels]])), 'image_features'),
      );
    });

  it('ignore a rest under crop, and pad to the next patch with 0 under cover', async () => {
    const pixels = casePixels(goldenCase('qwen-vl/tiny-long'));
    const plain = toFloat32(await features({}, pixels));
    const larger = { width: 459, height: 450 };
    const cropped = await features(
      { resolution: larger, tiling: 'crop' },
      repainted(pixels, larger.width, larger.height, 9),
    );
    expect(deviation(toFloat32(cropped), plain)).toBeLessThan(1e-6);

    const smaller = { width: 440, height: 447 };
    const cut = repainted(pixels, smaller.width, smaller.height, 0);
    const covered = await features({ resolution: smaller, tiling: 'cover' }, cut);
    const padded = await features({}, repainted(cut, 448, 448, 0));
    expect(deviation(toFloat32(covered), toFloat32(padded))).toBeLessThan(1e-6);
  });

  it('run at sizes that are not square', async () => {
    const pixels = casePixels(goldenCase('qwen-vl/tiny-long'));
    const wide = await features({ resolution: { width: 448, height: 224 } }, repainted(pixels, 448, 224, 0));
    expect(wide.shape).toEqual([1, 16, 128]);
    expect(toFloat32(wide).every(Number.isFinite)).toBe(true);
  });
});
