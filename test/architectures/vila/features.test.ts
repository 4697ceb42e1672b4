/**
 * Features in the forms that recorded cases do not show by themselves: the other order of tokens, another size of pictures
 * (against torch: positions resized bicubically, blocks joined on the new grid), tiles that a graph is compiled for.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openSession } from '../../../src/runtime/session.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { changed } from '../../support/changed-checkpoint.ts';
import { deviation } from '../../support/deviation.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { openCase } from '../../support/open-case.ts';
import { type Recorded, readIo } from '../../support/read-io.ts';
import { writeModel } from '../../support/write-models.ts';

const limit = 1e-4;

async function features(
  { components: [vision] }: BuiltModel,
  feeds: Readonly<Record<string, RunTensor>>,
): Promise<RunTensor> {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-vila-'));
  try {
    if (vision === undefined) throw new Error('no vision component');
    const file = await writeModel(folder, vision.fileName, vision.model);
    const session = await openSession(file, { device: 'cpu' });
    try {
      const found = (await session.run(new Map(Object.entries(feeds)))).get('image_features');
      if (found === undefined) throw new Error('no features');
      return found;
    } finally {
      await session.release();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function withCase(
  name: string,
  body: (
    build: (options?: object, change?: (c: Checkpoint) => Checkpoint) => BuiltModel,
    io: Recorded,
  ) => Promise<void>,
): Promise<void> {
  const golden = goldenCase(name);
  const { source, architecture } = await openCase(golden);
  try {
    const build = (options = {}, change = (c: Checkpoint) => c): BuiltModel =>
      architecture.build(change(source), { tiling: 'crop', loraTiles: 'error', ...options });
    await body(build, await readIo(join(golden.folder, 'io.safetensors')));
  } finally {
    await source.close();
  }
}

it('go row by row where a config is of the newer code', async () => {
  await withCase('vila/tiny-mlp_downsample', async (build, io) => {
    const rowMajor = build({}, (checkpoint) =>
      changed(checkpoint, {
        config: { image_encoder: { end_tokens: null } },
        json: { 'added_tokens.json': { '<image>': 319 } },
      }),
    );
    const found = await features(rowMajor, { pixel_values: io.get('in.pixel_values') });
    const wanted = io.float32('mid.alt.image_features_rowmajor');
    expect(deviation(toFloat32(found), wanted)).toBeLessThan(limit);
    expect(deviation(toFloat32(found), io.float32('out.image_features'))).toBeGreaterThan(0.5);
    expect(rowMajor.image?.tokenGrid).toEqual({ rows: 3, columns: 3, leading: 0 });
    // Down the columns is no order that reports could lay over a picture.
    expect(build().image?.tokenGrid).toBeUndefined();
  });
});

/** The first three channels of every token, from torch. */
const resized = {
  'vila/tiny-mlp_downsample': [
    [-0.65505, 0.01435, 0.61276],
    [0.76601, -0.30194, 0.7059],
    [0.05739, -0.20731, 0.7616],
    [0.33933, -0.39275, 0.39691],
    [0.23718, 0.38904, 0.37199],
    [1.32507, -0.73828, -0.11037],
    [-1.03182, -0.18645, 0.67062],
    [0.65614, -0.59977, 0.51456],
    [-0.50933, -0.07661, 0.36799],
    [-0.95027, -0.39595, 0.9915],
    [0.64081, 0.04007, -0.20735],
    [-0.8259, -0.0067, 0.62524],
    [1.27143, -0.2497, 0.79732],
    [0.33437, -0.02897, -0.09104],
    [-0.42751, 0.45539, 0.37064],
  ],
  'vila/tiny-mlp_downsample_3x3_fix': [
    [0.08175, -0.33892, 0.58714],
    [0.83906, -0.80255, 0.23234],
    [0.46021, -0.36725, -0.91536],
    [0.96453, 0.43828, -0.5469],
    [0.04235, 0.06488, 0.7041],
    [0.97474, -0.55751, -1.00907],
  ],
} as const;

describe.each(Object.entries(resized))('%s at 130x84', (name, wanted) => {
  it('computes what torch computes: 9x6 patches, what is beyond them left out', async () => {
    await withCase(name, async (build) => {
      const [width, height] = [130, 84];
      const built = build({ resolution: { width, height } });
      const data = new Float32Array(3 * height * width);
      for (let at = 0; at < data.length; at += 1) {
        const [c, y, x] = [Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width];
        data[at] = Math.sin(0.9 * c + 0.113 * y + 0.071 * x * (1 + c));
      }
      const found = await features(built, { pixel_values: float32Value([1, 3, height, width], data) });
      expect(found.shape).toEqual([1, wanted.length, 96]);
      expect(built.image?.tokens).toBe(wanted.length);
      const rows = toFloat32(found);
      const chosen = wanted.flatMap((_, row) => [...rows.subarray(row * 96, row * 96 + 3)]);
      const worst = Math.max(...wanted.flat().map((value, at) => Math.abs(value - (chosen[at] ?? 9))));
      expect(worst).toBeLessThan(2e-5);
    });
  });
});

describe('tiles that a graph is compiled for', () => {
  it('are those of a picture of that size, any number of pictures at once', async () => {
    await withCase('vila/nvila-dynamic_s2', async (build, io) => {
      const built = build({ resolution: { width: 150, height: 70 } });
      const wanted = io.float32('out.image_features');
      const { shape, data } = io.get('in.pixel_values');
      const [vision] = built.components;
      expect(vision?.model.graph.inputs.map(({ name }) => name)).toEqual(['pixel_values']);
      expect([...(vision?.model.graph.nodes() ?? [])].map(({ op }) => op)).not.toContain('Range');
      const twice = new Float32Array(2 * data.length);
      twice.set(data as Float32Array);
      twice.set((data as Float32Array).toReversed(), data.length);
      const found = await features(built, { pixel_values: float32Value([30, ...shape.slice(1)], twice) });
      expect(found.shape).toEqual([2, 40, 96]);
      expect(deviation(toFloat32(found).slice(0, wanted.length), wanted)).toBeLessThan(limit);
    });
  });

  it.each([0, 1, -1])('give what the graph for any gives, brought to scale %d', async (index) => {
    await withCase('vila/nvila-dynamic_s2', async (build, io) => {
      const scale = (checkpoint: Checkpoint) =>
        changed(checkpoint, { config: { s2_resize_output_to_scale_idx: index } });
      const pixel_values = io.get('in.pixel_values');
      const grids = int64Value([3, 2], [1, 1, 2, 2, 2, 5]);
      const open = await features(build({}, scale), { pixel_values, tile_grids: grids });
      const known = await features(build({ resolution: { width: 150, height: 70 } }, scale), {
        pixel_values,
      });
      expect(known.shape).toEqual([1, [4, 16, 40].at(index), 96]);
      expect(open.shape).toEqual(known.shape);
      expect(deviation(toFloat32(known), toFloat32(open))).toBeLessThan(1e-5);
    });
  });
});

it('of a picture that is not cut stand for all scales', async () => {
  await withCase('vila/nvila-dynamic_s2', async (build, io) => {
    const { data } = io.get('in.pixel_values');
    const tile = (data as Float32Array).slice(0, 3 * 56 * 56);
    const whole = build({}, (checkpoint) =>
      changed(checkpoint, { config: { image_aspect_ratio: 'resize' } }),
    );
    expect(whole.recipe.encoder?.feed).toEqual({ form: 'pixels' });
    const found = await features(whole, { pixel_values: float32Value([1, 3, 56, 56], tile) });
    const copies = float32Value([3, 3, 56, 56], Float32Array.from([...tile, ...tile, ...tile]));
    const tile_grids = int64Value([3, 2], [1, 1, 1, 1, 1, 1]);
    const joined = await features(build(), { pixel_values: copies, tile_grids });
    expect(found.shape).toEqual([1, 4, 96]);
    expect(deviation(toFloat32(found), toFloat32(joined))).toBeLessThan(1e-5);
  });
});
