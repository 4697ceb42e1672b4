/**
 * What Qwen2-VL's graphs are fed with, made here of pictures and videos, against what its own processor made: rows of
 * patches, grids, and the positions of the decoder in prefill and every step.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ImageGeometry } from '../../src/architectures/media.ts';
import { qwen2Vl } from '../../src/architectures/qwen2-vl/qwen2-vl.ts';
import type { EncoderRecipe } from '../../src/architectures/recipe.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { slotFeeds } from '../../src/parity/components.ts';
import { decodePicture } from '../../src/parity/inputs/decode-picture.ts';
import type { Picture } from '../../src/parity/inputs/picture.ts';
import { recordedSample } from '../../src/parity/inputs/recorded.ts';
import { drawSample, sampleMedia } from '../../src/parity/inputs/sample.ts';
import { summariseSample } from '../../src/parity/inputs/summary.ts';
import { fitPicture } from '../../src/parity/inputs/vision-inputs.ts';
import { readInputs } from '../../src/pipeline/read-inputs.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../src/runtime/values.ts';
import { type GoldenCase, goldenCase, goldenCases } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';
import { get } from '../support/run-recipe.ts';

interface Preprocessing {
  readonly pictures?: readonly { readonly file: string }[];
  readonly videos?: readonly { readonly frames: readonly string[] }[];
}

const cases = goldenCases(['qwen2-vl']);

async function build(golden: GoldenCase, resolution?: { width: number; height: number }) {
  const checkpoint = await openCheckpoint(golden.checkpoint);
  try {
    const options = { tiling: 'fit', loraTiles: 'nearest' } as const;
    const { recipe, image } = qwen2Vl.build(checkpoint, {
      ...options,
      ...(resolution === undefined ? {} : { resolution }),
    });
    if (recipe.encoder === undefined || image === undefined) throw new Error('no vision');
    return { recipe, image, vision: recipe.encoder };
  } finally {
    await checkpoint.close();
  }
}

/** The pictures of a case, each a list of frames. */
function files(golden: GoldenCase): readonly (readonly string[])[] {
  const json = golden.json as unknown as {
    readonly preprocessing: Preprocessing | null;
    readonly recorded?: readonly { readonly picture: string }[];
  };
  const [first] = json.recorded ?? [];
  if (first !== undefined) return [[first.picture]];
  const { pictures = [], videos = [] } = json.preprocessing ?? {};
  return [...pictures.map(({ file }) => [file]), ...videos.map(({ frames }) => frames)];
}

async function fitted(path: string, vision: EncoderRecipe, image: ImageGeometry): Promise<Picture> {
  const picture = fitPicture(await decodePicture(path), vision.feed, image);
  if (typeof picture === 'string') throw new Error(picture);
  return picture;
}

const shown = cases.filter((golden) => files(golden).length > 0);

it('has recorded pictures, a video, and pictures that are resized', () => {
  expect(shown.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['qwen2-vl/tiny-two-images', 'qwen2-vl/tiny-video-long']),
  );
});

describe.each(shown)('$name', (golden) => {
  it('becomes the rows and grids of the processor, from its files', async () => {
    const { vision, image } = await build(golden);
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const isVideo = io.has('in.pixel_values_videos');
    const wanted = io.float32(isVideo ? 'in.pixel_values_videos' : 'in.pixel_values');
    const found: number[] = [];
    const grids: number[] = [];
    for (const frames of files(golden)) {
      const pictures: Picture[] = [];
      for (const name of frames) pictures.push(await fitted(join(golden.folder, name), vision, image));
      const { feeds } = sampleMedia(isVideo ? 'video' : 'image', pictures, vision, image);
      found.push(...toFloat32(get(feeds, 'pixel_values')));
      grids.push(...Array.from(get(feeds, 'grid_thw').data, Number));
    }
    expect(grids).toEqual(io.ints(isVideo ? 'in.video_grid_thw' : 'in.image_grid_thw'));
    expect(found.length).toBe(wanted.length);
    const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - (wanted[i] ?? 0))), 0);
    // The last bit of a division: far below the 1/255 of one level.
    expect(worst).toBeLessThan(1e-6);
  });
});

describe.each(cases)('the positions of $name', (golden) => {
  it('are those of the release, in the prefill and in every step', async () => {
    const { recipe, image } = await build(golden);
    const values = await readInputs(join(golden.folder, 'io.safetensors'));
    const { prompts, media: pictures } = recordedSample(values, { recipe, image }, 1, 'io.safetensors');
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const [prompt] = prompts;
    if (prompt === undefined) throw new Error('no prompt');
    const [, , steps = 0] = io.get('in.decode_position_ids').shape;
    const positions = (step?: number) => get(slotFeeds(recipe, prompt, step), 'position_ids');
    expect(positions().shape).toEqual(io.get('in.position_ids').shape);
    expect(Array.from(positions().data, Number)).toEqual(io.ints('in.position_ids'));
    const decode = io.ints('in.decode_position_ids');
    for (let step = 0; step < steps; step += 1) {
      const own = [0, 1, 2].map((axis) => decode[axis * steps + step]);
      expect(Array.from(positions(step).data, Number)).toEqual(own);
    }
    expect(steps).toBeGreaterThan(3);
    const rows = io.has('in.pixel_values')
      ? io.float32('in.pixel_values')
      : io.has('in.pixel_values_videos')
        ? io.float32('in.pixel_values_videos')
        : undefined;
    if (rows === undefined) return;
    const own = pictures.flatMap(({ feeds }) => [...toFloat32(get(feeds, 'pixel_values'))]);
    expect(Float32Array.from(own)).toEqual(rows);
  });
});

describe('a drawn sample', () => {
  const golden = goldenCase('qwen2-vl/tiny-two-images');

  it('shows a picture and a video of other grids to a graph that takes any', async () => {
    const { recipe, image } = await build(golden);
    const sample = drawSample(recipe, image, 3);
    expect(sample.media.map(({ kind }) => kind)).toEqual(['image', 'video']);
    const grids = sample.media.map(({ feeds }) => Array.from(get(feeds, 'grid_thw').data, Number));
    expect(grids[1]).toEqual([2, 6, 8]);
    expect(grids[0]?.slice(1)).not.toEqual(grids[1]?.slice(1));
    const shows = sample.prompts.flatMap(({ spans }) => spans.map(({ media: picture }) => picture));
    expect(shows).toEqual([1, 0]);
    expect(summariseSample(sample, image, 8, 'picked', recipe)).toMatchObject({
      picture: image.input,
      video: { width: 112, height: 84, sha256: sample.media[1]?.sha256 },
    });
    const { splice } = recipe;
    const tokens = splice?.rule === 'image-token' ? [splice.tokenId, splice.videoTokenId] : [];
    for (const { ids, spans } of sample.prompts) {
      for (const { first, count, media: picture } of spans) {
        expect(new Set(ids.slice(first, first + count))).toEqual(new Set([tokens[picture]]));
        expect(count).toBe(sample.media[picture]?.layout.tokens);
      }
    }
    expect(drawSample(recipe, image, 3)).toEqual(sample);
  });

  it('shows a picture of its size to a graph that takes one', async () => {
    const { recipe, image } = await build(golden, { width: 84, height: 56 });
    const { media: pictures } = drawSample(recipe, image, 3);
    expect(pictures.map(({ feeds }) => [...feeds].map(([name, { shape }]) => [name, shape]))).toEqual([
      [['pixel_values', [24, 1176]]],
    ]);
  });
});

describe('recorded rows', () => {
  const golden = goldenCase('qwen2-vl/tiny-two-images');
  const rows = (count: number, length = 1176): RunTensor =>
    float32Value([count, length], new Float32Array(count * length));
  const grid = (...values: number[]): RunTensor => int64Value([values.length / 3, 3], values);

  it.each<[string, Record<string, RunTensor>, string]>([
    ['no grid', { pixel_values: rows(16) }, 'image_grid_thw'],
    [
      'fewer rows than the grids have',
      { pixel_values: rows(12), image_grid_thw: grid(1, 4, 4) },
      '16 patches',
    ],
    [
      'rows of another length',
      { pixel_values: rows(16, 588), image_grid_thw: grid(1, 4, 4) },
      '[patches,1176]',
    ],
    ['half a token', { pixel_values: rows(12), image_grid_thw: grid(1, 3, 4) }, 'multiples of 2'],
    ['no picture', { pixel_values: rows(0), image_grid_thw: grid() }, '[patches,1176]'],
    [
      'a video as long as none',
      { pixel_values_videos: rows(0), video_grid_thw: grid(0, 4, 4) },
      'multiples of 2',
    ],
  ])('are refused: %s', async (_what, values, says) => {
    const { recipe, image } = await build(golden);
    const take = () => recordedSample(new Map(Object.entries(values)), { recipe, image }, 1, 'io');
    expect(take).toThrow('VC6109');
    expect(take).toThrow(says);
  });

  it('are refused where the graph was built for another size', async () => {
    const { recipe, image } = await build(golden, { width: 84, height: 56 });
    const values = new Map([
      ['pixel_values', rows(24)],
      ['image_grid_thw', grid(1, 6, 4)],
    ]);
    expect(() => recordedSample(values, { recipe, image }, 1, 'io')).toThrow('[frames, 4, 6]');
  });
});
