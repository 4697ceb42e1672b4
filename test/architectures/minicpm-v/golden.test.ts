/**
 * The vision graph in both forms against what the release computed, for both values of batch_vision_input: of each case
 * the checkpoint's own and, where it was recorded, the other one. What the language model gives is golden.test.ts's matter.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import type { Size } from '../../../src/architectures/media.ts';
import { miniCpmV25 } from '../../../src/architectures/minicpm-v/minicpm-v.ts';
import type { JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { openSession } from '../../../src/runtime/session.ts';
import { type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { deviation } from '../../support/deviation.ts';
import { goldenCases } from '../../support/golden-cases.ts';
import { readIo } from '../../support/read-io.ts';
import { writeModel } from '../../support/write-models.ts';

const limit = 1e-4;
const cases = goldenCases(['minicpm-v-2.5']);

interface SlicedCase {
  readonly preprocessing: {
    readonly pictures: readonly (Size & { readonly first_view: number; readonly views: number })[];
    readonly tgt_sizes: readonly (readonly [number, number])[];
  };
}

it('has cases', () => {
  expect(cases.length).toBeGreaterThan(0);
});

/** image_features of a built model. */
async function features(
  built: BuiltModel,
  feeds: ReadonlyMap<string, RunTensor>,
): Promise<{ readonly shape: readonly number[]; readonly values: Float32Array }> {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-minicpm-'));
  try {
    const [vision] = built.components;
    if (vision === undefined) throw new Error('no vision component');
    const names = vision.model.graph.inputs.map(({ name }) => name);
    const session = await openSession(await writeModel(folder, vision.fileName, vision.model), {
      device: 'cpu',
    });
    try {
      const found = await session.run(new Map([...feeds].filter(([name]) => names.includes(name))));
      const output = found.get('image_features');
      if (output === undefined) throw new Error('no features');
      return { shape: output.shape, values: toFloat32(output) };
    } finally {
      await session.release();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe.each(cases)('$name', (golden) => {
  const { pictures, tgt_sizes } = (golden.json as unknown as SlicedCase).preprocessing;
  const longest = (sizes: readonly (readonly [number, number])[]): number =>
    Math.max(...sizes.map(([rows, columns]) => rows * columns));

  /** The model with batch_vision_input as given, and what was recorded of it. */
  async function withCase(
    padded: boolean,
    resolution: Size | undefined,
    body: (built: BuiltModel, io: Awaited<ReturnType<typeof readIo>>, output: string) => Promise<void>,
  ): Promise<void> {
    const checkpoint = await openCheckpoint(golden.checkpoint);
    try {
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const own = checkpoint.config.batch_vision_input;
      const config: JsonObject = { ...checkpoint.config, batch_vision_input: padded };
      // With one view nothing is padded.
      const output =
        own === padded || (pictures.length === 1 && pictures[0]?.views === 1)
          ? 'out.vision_features'
          : 'out.alt.vision_features';
      const built = miniCpmV25.build(
        { ...checkpoint, config },
        { tiling: 'fit', loraTiles: 'error', ...(resolution === undefined ? {} : { resolution }) },
      );
      await body(built, io, output);
    } finally {
      await checkpoint.close();
    }
  }

  it.each([true, false])('gives the features of views of any sizes, padded: %s', async (padded) => {
    await withCase(padded, undefined, async (built, io, output) => {
      const feeds = new Map([
        ['pixel_values', io.get('in.pixel_values')],
        ['tgt_sizes', io.get('in.tgt_sizes')],
      ]);
      const found = await features(built, feeds);
      expect(found.shape).toEqual(io.get(output).shape);
      expect(deviation(found.values, io.float32(output))).toBeLessThanOrEqual(limit);
    });
  });

  const compiled = pictures.flatMap((picture, index) => {
    const { first_view, views } = picture;
    // A graph for one picture pads to its longest view, the recorded features are padded to the longest of all.
    const own = longest(tgt_sizes.slice(first_view, first_view + views));
    const comparable = own === longest(tgt_sizes) ? [true, false] : [false];
    return comparable.map((padded) => ({ padded, index, picture }));
  });
  it.each(compiled)(
    'gives those of picture $index compiled for its size, padded: $padded',
    async ({ padded, picture }) => {
      const { width, height, first_view, views } = picture;
      await withCase(padded, { width, height }, async (built, io, output) => {
        const vision = built.components[0]?.model.graph.inputs[0]?.type;
        if (vision?.kind !== 'tensor') throw new Error('no pixels');
        const columns = Number(vision.shape?.[3]);
        const found = await features(
          built,
          new Map([['pixel_values', cut(io.get('in.pixel_values'), first_view, views, columns)]]),
        );
        const recorded = io.float32(output);
        const each = recorded.length / (io.get(output).shape[0] ?? 1);
        expect(found.shape).toEqual([views, ...io.get(output).shape.slice(1)]);
        expect(
          deviation(found.values, recorded.subarray(first_view * each, (first_view + views) * each)),
        ).toBeLessThanOrEqual(limit);
      });
    },
  );
});

/** Some views, with as many of their columns as a graph takes. */
function cut(pixels: RunTensor, first: number, views: number, columns: number): RunTensor {
  const [, channels = 0, rows = 0, all = 0] = pixels.shape;
  const data = toFloat32(pixels);
  const own = new Float32Array(views * channels * rows * columns);
  for (let row = 0; row < views * channels * rows; row += 1) {
    const from = (first * channels * rows + row) * all;
    own.set(data.subarray(from, from + columns), row * columns);
  }
  return { dtype: 'float32', shape: [views, channels, rows, columns], data: own };
}
