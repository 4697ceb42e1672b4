/**
 * Features of several pictures of one prompt where the release pads all views to the longest of them: the same as it
 * recorded of them together, from the pictures' files.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { miniCpmV25 } from '../../src/architectures/minicpm-v/minicpm-v.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { decodePicture } from '../../src/parity/inputs/decode-picture.ts';
import { sampleMedia } from '../../src/parity/inputs/sample.ts';
import { pictureFeatures } from '../../src/parity/picture-features.ts';
import { openSession } from '../../src/runtime/session.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from '../support/deviation.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';
import { get } from '../support/run-recipe.ts';
import { writeModel } from '../support/write-models.ts';

const golden = goldenCase('minicpm-v-2.5/tiny-drop-last');

it.each([
  { padded: true, output: 'out.alt.vision_features', calls: 1 },
  { padded: false, output: 'out.vision_features', calls: 2 },
])('are those that were recorded, padded: $padded', async ({ padded, output, calls }) => {
  const checkpoint = await openCheckpoint(golden.checkpoint);
  const folder = await mkdtemp(join(tmpdir(), 'vlm-pictures-'));
  try {
    const source = { ...checkpoint, config: { ...checkpoint.config, batch_vision_input: padded } };
    const built = miniCpmV25.build(source, { tiling: 'fit', loraTiles: 'error' });
    const { encoder: vision } = built.recipe;
    const [tower] = built.components;
    if (vision === undefined || built.image === undefined || tower === undefined)
      throw new Error('no vision');
    const session = await openSession(await writeModel(folder, 'vision', tower.model), { device: 'cpu' });
    try {
      const { image } = built;
      const files = ['image0.png', 'image1.png'].map((file) => join(golden.folder, file));
      const pictures = await Promise.all(
        files.map(async (file) => sampleMedia('image', [await decodePicture(file)], vision, image)),
      );
      let made = 0;
      const features = await pictureFeatures(pictures, vision, async (feeds) => {
        made += 1;
        return get(await session.run(feeds), vision.output);
      });
      expect(made).toBe(calls);
      expect(features.length).toBe(2);
      const found = Float32Array.from(features.flatMap((own) => [...toFloat32(own)]));
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      expect(deviation(found, io.float32(output))).toBeLessThanOrEqual(1e-4);
    } finally {
      await session.release();
    }
  } finally {
    await checkpoint.close();
    await rm(folder, { recursive: true });
  }
});
