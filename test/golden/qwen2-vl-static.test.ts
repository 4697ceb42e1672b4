/** Qwen2-VL compiled for one size, through every level of parity, and its written graph over the recorded pictures of that size. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { convert } from '../../src/index.ts';
import { float32Value, toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from '../support/deviation.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';
import { get, withSession } from '../support/run-recipe.ts';
import { failedGates } from './convert-case.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-static-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const golden = goldenCase('qwen2-vl/tiny-two-images');
/** Of its first picture: 4 by 6 patches. */
const resolution = { width: 84, height: 56 };

const build = async (precision: 'fp32' | 'fp16' | 'int8' | 'int4') => {
  const output = join(folder, 'out');
  return { output, result: await convert({ checkpoint: golden.checkpoint, output, resolution, precision }) };
};

describe(`${golden.name} at 84x56`, () => {
  it.each(['fp16', 'int8', 'int4'] as const)('passes every gate in %s', async (precision) => {
    const { result } = await build(precision);
    expect(failedGates(result)).toEqual([]);
  });

  it('gives the recorded features in fp32, and says in its files what it was built for', async () => {
    const { output, result } = await build('fp32');
    expect(failedGates(result)).toEqual([]);
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const rows = float32Value([24, 1176], io.float32('in.pixel_values').slice(0, 24 * 1176));
    const graph = join(output, 'onnx/vision_encoder.onnx');
    const found = await withSession({}, graph, 'cpu', (session) =>
      session.run(new Map([['pixel_values', rows]])),
    );
    const hidden = io.get('out.image_features').shape[1] ?? 0;
    const wanted = io.float32('out.image_features').slice(0, 6 * hidden);
    expect(deviation(toFloat32(get(found, 'image_features')), wanted)).toBeLessThan(1e-4);

    const json = async (name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(output, name), 'utf8'));
    expect(await json('config.json')).toMatchObject({
      model_type: 'qwen2_vl',
      vision_config: { embed_dim: 48, image_size: [56, 84] },
    });
    // A processor keeps pictures of this size, and no others.
    expect(await json('preprocessor_config.json')).toMatchObject({
      min_pixels: 84 * 56,
      max_pixels: 84 * 56,
      patch_size: 14,
      merge_size: 2,
      temporal_patch_size: 2,
      vlm_convert: { input: { height: 56, width: 84 }, image_token_span: 6 },
    });
  });

  it('leaves the files of a graph for any size as they were', async () => {
    const output = join(folder, 'out');
    await convert({ checkpoint: golden.checkpoint, output, parity: false });
    const read = async (from: string, name: string): Promise<unknown> =>
      JSON.parse(await readFile(join(from, name), 'utf8'));
    expect(await read(output, 'config.json')).toEqual(await read(golden.checkpoint, 'config.json'));
    const processor = await read(golden.checkpoint, 'preprocessor_config.json');
    expect(await read(output, 'preprocessor_config.json')).toEqual(processor);
  });
});
