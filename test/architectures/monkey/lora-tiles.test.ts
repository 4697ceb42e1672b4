/**
 * A 4-adapter checkpoint at 1544x896, which needs six: the features of every window under every policy against
 * the recorded table of window × adapter. The published code fails there.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoraTiles } from '../../../src/architectures/architecture.ts';
import type { View } from '../../../src/architectures/media.ts';
import { monkey } from '../../../src/architectures/monkey/monkey.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { unstack } from '../../../src/tensor/derived/join.ts';
import { deviation } from '../../support/deviation.ts';
import { goldenCase, pixelFormula } from '../../support/golden-cases.ts';
import { picturePixels } from '../../support/pixel-values.ts';
import { type Recorded, readIo } from '../../support/read-io.ts';
import { get, withSession } from '../../support/run-recipe.ts';
import { writeModel } from '../../support/write-models.ts';

const golden = goldenCase('monkey/tiny-896');
const resolution = { width: 1544, height: 896 };
const [windows, tokens, hidden] = [6, 16, 128];
/** The table's row for no adapter. */
const without = 4;

let checkpoint: Checkpoint;
let io: Recorded;
let pixels: RunTensor;

beforeAll(async () => {
  checkpoint = await openCheckpoint(golden.checkpoint);
  io = await readIo(join(golden.folder, 'io-1544x896.safetensors'));
  const { mean, std } = pixelFormula(golden);
  pixels = picturePixels([join(golden.folder, 'image.resized-1544x896.png')], mean, std, [
    '2d31c9c2a45ee600d7460d361962ac5789da3a50286f2874d8d5476c5674863f',
  ]);
});
afterAll(() => checkpoint.close());

const build = (loraTiles: LoraTiles) => monkey.build(checkpoint, { resolution, tiling: 'crop', loraTiles });

/** Recorded features of a window under an adapter. */
function expected(window: number, adapter: number): Float32Array {
  const size = tokens * hidden;
  const from = (window * 5 + adapter) * size;
  return io.float32('mid.window_features_by_adapter').subarray(from, from + size);
}

describe.each([
  { policy: 'nearest', adapters: [0, 1, 2, 3, 3, 3], untrained: 3 },
  { policy: 'base', adapters: [0, 1, 2, 3, without, without], untrained: 4 },
] as const)('--lora-tiles $policy', ({ policy, adapters, untrained }) => {
  it('computes each window with the adapter it says', async () => {
    const built = build(policy);
    const views = built.image?.views ?? [];
    const chosen = (view: View) => view.adapter ?? without;
    expect(views.slice(0, windows).map(chosen)).toEqual(adapters);
    expect(built.warnings.map((warning) => warning.code)).toEqual(
      Array.from({ length: untrained }, () => 'VC4301'),
    );
    const vision = built.components.find((component) => component.id === 'vision');
    if (vision === undefined) throw new Error('no vision component');
    const folder = await mkdtemp(join(tmpdir(), 'vlm-tiles-'));
    try {
      const path = await writeModel(folder, vision.fileName, vision.model);
      const features = await withSession({}, path, 'cpu', async (session) =>
        toFloat32(get(await session.run(new Map([['pixel_values', pixels]])), 'image_features')),
      );
      const size = tokens * hidden;
      const view = (index: number) => features.subarray(index * size, (index + 1) * size);
      for (const [window, adapter] of adapters.entries()) {
        expect(deviation(view(window), expected(window, adapter))).toBeLessThan(1e-4);
      }
      expect(deviation(view(windows), io.float32('mid.global_features'))).toBeLessThan(1e-4);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

it('shows with the table that the adapters differ: a wrong one would not pass', () => {
  for (let window = 0; window < windows; window += 1) {
    for (let adapter = 1; adapter <= without; adapter += 1) {
      expect(deviation(expected(window, adapter), expected(window, adapter - 1))).toBeGreaterThan(1e-3);
    }
  }
});

it('refuses under --lora-tiles error', () => {
  expect(() => build('error')).toThrowError(expect.objectContaining({ code: 'VC4302' }));
});

it('lets views with the same adapter share its tensors', () => {
  const vision = build('nearest').components.find((component) => component.id === 'vision');
  const name = 'transformer.visual.transformer.resblocks.0.attn.in_proj_lora';
  for (const factor of ['a', 'b', 'scale']) {
    const stacked = vision?.model.graph.value(`${name}.${factor}`)?.initializer;
    const parts = stacked === undefined ? undefined : unstack(stacked);
    expect(parts).toHaveLength(7);
    expect(parts?.[4]).toBe(parts?.[3]);
    expect(parts?.[5]).toBe(parts?.[3]);
    expect(parts?.[2]).not.toBe(parts?.[3]);
  }
});
