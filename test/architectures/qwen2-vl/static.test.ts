/**
 * The vision graph of one size against features recorded from the original: each picture of a case by the graph of its
 * own size, the frames of a video as a batch, before and after attention is fused.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { qwen2Vl } from '../../../src/architectures/qwen2-vl/qwen2-vl.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { cloneModel } from '../../../src/graph/clone.ts';
import type { Model } from '../../../src/graph/model.ts';
import { formatType } from '../../../src/graph/types.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { runPasses } from '../../passes/run-pass.ts';
import { caseInputs } from '../../support/case-inputs.ts';
import { deviation } from '../../support/deviation.ts';
import { type GoldenCase, goldenCases } from '../../support/golden-cases.ts';
import { type Recorded, readIo } from '../../support/read-io.ts';
import { runModel } from '../../support/run-model.ts';
import { get } from '../../support/run-recipe.ts';

const limit = 1e-4;
const patch = 14;

/** The rows of one picture or video, the features recorded for it, and the size of its frames. */
interface Picture {
  readonly rows: Float32Array;
  readonly features: Float32Array;
  readonly frames: number;
  readonly width: number;
  readonly height: number;
}

function pictures(golden: GoldenCase, io: Recorded): Picture[] {
  const { pixels, grid } = caseInputs(golden, io);
  if (pixels === undefined || grid === undefined) return [];
  const all = toFloat32(pixels);
  const features = io.float32(io.has('out.image_features') ? 'out.image_features' : 'out.video_features');
  const length = pixels.shape[1] ?? 0;
  const merged = features.length / (all.length / length / 4);
  const grids = Array.from(grid.data, Number);
  let first = 0;
  return Array.from({ length: grids.length / 3 }, (_, index) => {
    const [t = 0, h = 0, w = 0] = grids.slice(index * 3);
    const count = t * h * w;
    const own = {
      rows: all.slice(first * length, (first + count) * length),
      features: features.slice((first / 4) * merged, ((first + count) / 4) * merged),
      frames: t,
      width: w * patch,
      height: h * patch,
    };
    first += count;
    return own;
  });
}

/** Values of which another dimension than the first is not known. */
function openShapes({ graph }: Model): string[] {
  const values = [...graph.nodes()].flatMap((node) => node.outputs.filter((value) => value !== null));
  return values
    .filter(({ type }) => {
      const shape = type?.kind === 'tensor' ? type.shape : undefined;
      return shape === undefined || shape.slice(1).some((dim) => typeof dim !== 'number');
    })
    .map(({ name, type }) => `${name}: ${formatType(type)}`);
}

const cases = goldenCases(['qwen2-vl']).filter(({ name }) => !name.includes('text-only'));

it('has recorded pictures and a video', () => {
  expect(cases.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['qwen2-vl/tiny-two-images', 'qwen2-vl/tiny-video-long']),
  );
});

describe.each(cases)('$name', (golden) => {
  it('computes the features of each picture by the graph of its size', async () => {
    const checkpoint = await openCheckpoint(golden.checkpoint);
    try {
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      for (const { rows, features, frames, width, height } of pictures(golden, io)) {
        const built = qwen2Vl.build(checkpoint, {
          resolution: { width, height },
          tiling: 'fit',
          loraTiles: 'nearest',
        });
        expect(built.warnings).toEqual([]);
        expect(built.image).toMatchObject({ input: { width, height } });
        expect((built.image?.tokens ?? 0) * frames * built.recipe.hiddenSize).toBe(features.length);
        const model = built.components.find(({ id }) => id === 'vision')?.model;
        if (model === undefined) throw new Error('no vision component');
        expect(model.graph.inputs.map(({ name }) => name)).toEqual(['pixel_values']);

        const fused = cloneModel(model);
        const { record } = await runPasses(fused, 'fold,dead-code,fuse-attention');
        expect(record.stats).toMatchObject({ attention: attentionLayers(checkpoint.config) });
        // How many pictures there are is all that is open.
        expect(openShapes(fused)).toEqual([]);
        const length = rows.length / ((width * height * frames) / patch ** 2);
        const feeds = { pixel_values: float32Value([rows.length / length, length], rows) };
        for (const graph of [model, fused]) {
          const found = toFloat32(get(await runModel(graph, feeds), 'image_features'));
          expect(deviation(found, features)).toBeLessThan(limit);
        }
      }
    } finally {
      await checkpoint.close();
    }
  });
});

function attentionLayers(config: { readonly [key: string]: unknown }): number {
  return (config.vision_config as { depth: number }).depth;
}
