/** What a graph that is compiled for one picture size promises beside its numbers (golden.test.ts): shapes, operators. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { miniCpmV25 } from '../../../src/architectures/minicpm-v/minicpm-v.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { cloneModel } from '../../../src/graph/clone.ts';
import type { Model } from '../../../src/graph/model.ts';
import { runPipeline } from '../../../src/pipeline/pass-manager.ts';
import { parsePipeline } from '../../../src/pipeline/pipeline-text.ts';
import { openSession } from '../../../src/runtime/session.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { deviation } from '../../support/deviation.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { randomInput } from '../../support/run-model.ts';
import { writeModel } from '../../support/write-models.ts';

let checkpoint: Checkpoint;
let folder: string;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('minicpm-v-2.5/tiny-drop-last').checkpoint);
  folder = await mkdtemp(join(tmpdir(), 'vlm-minicpm-'));
});
afterAll(async () => {
  await checkpoint.close();
  await rm(folder, { recursive: true });
});

/** The vision graph for 96x190: a view of 10x5 patches and two of 7x7. */
function vision(padded: boolean): Model {
  const source = { ...checkpoint, config: { ...checkpoint.config, batch_vision_input: padded } };
  const built = miniCpmV25.build(source, {
    tiling: 'fit',
    loraTiles: 'error',
    resolution: { width: 96, height: 190 },
  });
  const [component] = built.components;
  if (component === undefined) throw new Error('no vision component');
  return component.model;
}

describe.each([true, false])('batch_vision_input %s', (padded) => {
  it('leaves nothing open but the number of views', () => {
    const open = [...vision(padded).graph.nodes()].flatMap((node) =>
      node.outputs.flatMap((value) => {
        const shape = value?.type?.kind === 'tensor' ? value.type.shape : undefined;
        if (shape === undefined) return [`${value?.name} of unknown rank`];
        return shape.slice(1).every((dim) => typeof dim === 'number') ? [] : [`${value?.name} [${shape}]`];
      }),
    );
    expect(open).toEqual([]);
  });

  it('attends by one operator per layer and group, without masks', async () => {
    const model = cloneModel(vision(padded));
    await runPipeline(model, parsePipeline('fuse-attention,dead-code'), {});
    const nodes = [...model.graph.nodes()];
    const fused = nodes.filter(({ op }) => op === 'com.microsoft::MultiHeadAttention');
    // Two layers and the resampler; padded views are all of one length in the tower.
    expect(fused.length).toBe(padded ? 2 + 2 : 2 * 2 + 2);
    expect(fused.every((node) => node.inputs.slice(3).every((input) => input === null))).toBe(true);
    expect(nodes.filter(({ op }) => op === 'Softmax')).toEqual([]);
  });

  it('keeps each weight once', () => {
    const names = [...vision(padded).graph.initializers()].map(({ name }) => name);
    const doubled = names.filter((name) => /_\d+$/.test(name) && /^(vpm|resampler)\./.test(name));
    expect(doubled).toEqual([]);
  });

  it('takes several pictures at once', async () => {
    const path = await writeModel(folder, `several-${padded}`, vision(padded));
    const session = await openSession(path, { device: 'cpu' });
    const run = async (pictures: readonly Float32Array[]): Promise<Float32Array> => {
      const data = Float32Array.from(pictures.flatMap((picture) => [...picture]));
      const feeds = new Map([['pixel_values', float32Value([3 * pictures.length, 3, 14, 700], data)]]);
      const features = (await session.run(feeds)).get('image_features');
      if (features === undefined) throw new Error('no features');
      expect(features.shape).toEqual([3 * pictures.length, 4, 128]);
      return toFloat32(features);
    };
    try {
      const [a, b] = [1, 2].map((seed) => toFloat32(randomInput([3, 3, 14, 700], seed)));
      if (a === undefined || b === undefined) throw new Error('no pictures');
      const alone = [await run([a]), await run([b])];
      const together = await run([a, b]);
      for (const [index, own] of alone.entries()) {
        expect(deviation(together.slice(index * own.length, (index + 1) * own.length), own)).toBeLessThan(
          1e-5,
        );
      }
      expect(deviation(alone[0] as Float32Array, alone[1] as Float32Array)).toBeGreaterThan(0.1);
    } finally {
      await session.release();
    }
  });
});
