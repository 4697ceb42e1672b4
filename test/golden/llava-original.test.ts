/**
 * LLaVA in its original layout and its LoRA release: the written fp32 graphs against what the original code computed,
 * from the picture's file on, and the weights that its loader merges.
 */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConvertOptions, convert, type VlmError } from '../../src/index.ts';
import { decodePicture } from '../../src/parity/inputs/decode-picture.ts';
import { normalise } from '../../src/parity/inputs/picture.ts';
import { preprocess } from '../../src/parity/inputs/preprocess.ts';
import { openSource, type Source } from '../../src/pipeline/open-source.ts';
import { resolveOptions } from '../../src/pipeline/options.ts';
import { build } from '../../src/pipeline/plan.ts';
import { int64Value } from '../../src/runtime/values.ts';
import { cast } from '../../src/tensor/derived/cast.ts';
import { readAll } from '../../src/tensor/tensor.ts';
import { originalLlavaCases } from '../support/golden-cases.ts';
import { beyond, goldenDeviations } from '../support/golden-deviations.ts';
import { type Recorded, readIo } from '../support/read-io.ts';
import { failedGates } from './convert-case.ts';

const limit = 1e-4;
const imageTokens = 16;

/** What stands where a picture goes, in the original code. */
const pictureMark = -200;

describe.each(originalLlavaCases())('$name', (golden) => {
  const lora = golden.name.includes('lora');
  const checkpoint = lora ? join(golden.checkpoint, 'llava-v1.5-tiny-lora') : golden.checkpoint;
  let folder: string;
  let io: Recorded;
  let source: Source;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vlm-original-'));
    io = await readIo(join(golden.folder, 'io.safetensors'));
    source = await openSource(resolveOptions({ checkpoint }));
  });
  afterAll(async () => {
    await source.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (options: Omit<ConvertOptions, 'checkpoint' | 'output'>, name: string) =>
    convert({ checkpoint, output: join(folder, name), ...options });

  it('computes what the original computed', async () => {
    const result = await run({}, 'fp32');
    expect(failedGates(result)).toEqual([]);
    const { recipe, components } = build(source, resolveOptions({ checkpoint }));
    const files = components.map(({ id, fileName }) => [id, join(folder, 'fp32/onnx', `${fileName}.onnx`)]);
    const [id = 0] = recipe.splice?.rule === 'image-token' ? [recipe.splice.tokenId] : [];
    expect(id).toBe(320);
    const ids = io
      .ints('in.input_ids')
      .flatMap((one) => (one === pictureMark ? Array.from({ length: imageTokens }, () => id) : [one]));
    const shape = [1, ids.length];
    const deviations = await goldenDeviations({
      recipe,
      files: Object.fromEntries(files),
      inputs: {
        pixels: io.get('in.pixel_values'),
        inputIds: int64Value(shape, ids),
        attentionMask: int64Value(
          shape,
          ids.map(() => 1),
        ),
        decodeIds: [io.ints('out.decode_ids')],
      },
      io,
    });
    expect(Object.keys(deviations)).toEqual(['features', 'logits', 'decode', 'embeds', 'key', 'value']);
    expect(beyond(limit, deviations)).toEqual([]);
  });

  it('makes the pixels that the original made of the picture', async () => {
    const { image } = build(source, resolveOptions({ checkpoint }));
    if (image?.steps === undefined) throw new Error('no preprocessing');
    expect(image.steps.map(({ step }) => step)).toEqual(['pad-square', 'shortest-side', 'center-crop']);
    const { width, height, rgb } = preprocess(
      await decodePicture(join(golden.folder, 'image.png')),
      image,
      image.steps,
    );
    const pixels = normalise({ width, height, rgb }, image.mean, image.std);
    const recorded = io.float32('in.pixel_values');
    const worst = Math.max(...recorded.map((value, at) => Math.abs(value - (pixels[at] ?? Number.NaN))));
    expect(worst).toBeLessThan(1e-5);
  });

  it.each(['fp16', 'int8', 'int4'] as const)('passes every gate in %s', async (precision) => {
    expect(failedGates(await run({ precision }, precision))).toEqual([]);
  });

  it('writes a config of the layout that clients know, with the id of the picture', async () => {
    const { sideFiles } = build(source, resolveOptions({ checkpoint }));
    const written = (name: string) => {
      const file = sideFiles.find((one) => one.name === name);
      return file?.kind === 'json' ? file.value : undefined;
    };
    expect(written('config.json')).toMatchObject({
      architectures: ['LlavaForConditionalGeneration'],
      image_token_index: 320,
      text_config: { vocab_size: 320, model_type: 'llama' },
      vision_config: { image_size: 56, model_type: 'clip_vision_model' },
    });
    expect(written('added_tokens.json')).toEqual({ '<image>': 320 });
    expect(written('tokenizer_config.json')).toMatchObject({
      added_tokens_decoder: { 320: { content: '<image>', special: true } },
    });
    expect(written('preprocessor_config.json')).toMatchObject({ do_pad: true, size: { shortest_edge: 56 } });
    expect(sideFiles.map(({ name }) => name)).toContain('tokenizer.model');
  });

  if (!lora) return;

  it('merges as the original loader does, and leaves the tower alone', async () => {
    const recorded = [...io.tensors.keys()].filter((name) => name.startsWith('out.merged.'));
    expect(recorded.length).toBe(2);
    for (const name of recorded) {
      const tensor = source.tensors.get(name.slice('out.merged.'.length))?.tensor;
      if (tensor === undefined) throw new Error(`no ${name}`);
      const found = new Float32Array((await readAll(cast(tensor, 'float32'))).slice().buffer);
      const expected = io.float32(name);
      const scale = Math.max(...expected.map(Math.abs));
      const worst = Math.max(...expected.map((value, at) => Math.abs(value - (found[at] ?? Number.NaN))));
      expect(worst / scale).toBeLessThan(1e-6);
    }
    const tower = [...source.tensors].filter(([name]) => name.startsWith('vision_tower.'));
    expect(tower.length).toBeGreaterThan(10);
    for (const [, { tensor }] of tower) expect(tensor.origin.kind).toBe('source');
  });

  it('says where a base and a tower are looked for', async () => {
    const alone = join(folder, 'elsewhere/llava-v1.5-tiny-lora');
    await cp(checkpoint, alone, { recursive: true });
    const open = (options: Partial<ConvertOptions>) =>
      openSource(resolveOptions({ checkpoint: alone, ...options })).then(
        (opened) => opened.close().then(() => undefined),
        (error: VlmError) => error.record,
      );
    const base = join(golden.checkpoint, 'vicuna-tiny');
    expect(await open({})).toMatchObject({ code: 'VC1313', found: expect.stringContaining('vicuna-tiny') });
    // The tower stands beside the base.
    expect(await open({ base })).toBeUndefined();
    const moved = join(folder, 'base/vicuna-tiny');
    await cp(base, moved, { recursive: true });
    expect(await open({ base: moved })).toMatchObject({ code: 'VC1315' });
    expect(
      await open({ base: moved, visionTower: join(golden.checkpoint, 'clip-vit-tiny') }),
    ).toBeUndefined();
    expect(await open({ base: moved, visionTower: base })).toMatchObject({ code: 'VC1316' });
  });

  it('refuses trained weights that are only a pickle', async () => {
    const pickled = join(golden.checkpoint, '..', 'checkpoint', 'llava-v1.5-tiny-lora');
    const copy = join(folder, 'pickled');
    await cp(pickled, copy, { recursive: true });
    await rm(join(copy, 'non_lora_trainables.safetensors'));
    const base = join(golden.checkpoint, 'vicuna-tiny');
    const error = await openSource(resolveOptions({ checkpoint: copy, base })).catch(
      (cause: VlmError) => cause,
    );
    expect((error as VlmError).code).toBe('VC1131');
    expect((error as VlmError).record.hint).toContain('non_lora_trainables.safetensors');
    expect((await readFile(join(copy, 'non_lora_trainables.bin'))).byteLength).toBeGreaterThan(0);
  });
});
