/** What Janus's output holds beside the graphs, names that older saves have, and features at another size. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import { janus } from '../../../src/architectures/janus/janus.ts';
import type { Size } from '../../../src/architectures/media.ts';
import type { Checkpoint, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { get, withSession } from '../../support/run-recipe.ts';
import { writeComponents } from '../../support/write-models.ts';

let original: Checkpoint;
let newer: Checkpoint;
beforeAll(async () => {
  original = await openCheckpoint(goldenCase('janus/tiny-generate').checkpoint);
  newer = await openCheckpoint(goldenCase('janus/tiny-hf').checkpoint);
});
afterAll(() => Promise.all([original.close(), newer.close()]));

function build(checkpoint: Checkpoint, resolution?: Size, changes: Changes = {}): BuiltModel {
  const options = { tiling: 'fit', loraTiles: 'nearest' } as const;
  const source = changed(checkpoint, changes);
  return janus.build(source, resolution === undefined ? options : { ...options, resolution });
}

function json(built: BuiltModel, name: string): JsonObject {
  const file = built.sideFiles.find((candidate) => candidate.name === name);
  if (file?.kind !== 'json') throw new Error(`${name} is not written`);
  return file.value as JsonObject;
}

const copies = (built: BuiltModel) =>
  built.sideFiles.flatMap((file) => (file.kind === 'copy' ? [file.from] : [])).sort();

describe('side files', () => {
  it('of the original layout keep all but the tokenizer at the own size', () => {
    const built = build(original);
    expect(json(built, 'config.json')).toEqual(original.config);
    expect(json(built, 'preprocessor_config.json')).toMatchObject(
      original.json.get('preprocessor_config.json') as JsonObject,
    );
    expect(json(built, 'processor_config.json')).toEqual(original.json.get('processor_config.json'));
    expect(copies(built)).toEqual(['special_tokens_map.json', 'tokenizer_config.json']);
    const { post_processor: added, ...tokenizer } = json(built, 'tokenizer.json');
    const { post_processor: none, ...own } = original.json.get('tokenizer.json') as JsonObject;
    expect(none).toBeNull();
    expect(tokenizer).toEqual(own);
    const begin = '<｜begin▁of▁sentence｜>';
    expect(added).toEqual({
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: begin, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: begin, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: begin, type_id: 1 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { [begin]: { id: begin, ids: [380], tokens: [begin] } },
    });
  });

  it('leave a tokenizer alone that adds nothing, or says itself what it adds', () => {
    const settings = original.json.get('tokenizer_config.json') as JsonObject;
    const unadded = { 'tokenizer_config.json': { ...settings, add_bos_token: false } };
    expect(copies(build(original, undefined, { json: unadded }))).toContain('tokenizer.json');
    const other = { 'tokenizer_config.json': { ...settings, tokenizer_class: 'PreTrainedTokenizerFast' } };
    expect(copies(build(original, undefined, { json: other }))).toContain('tokenizer.json');
    expect(copies(build(newer))).toEqual([
      'chat_template.jinja',
      'generation_config.json',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
  });

  it('say the size that was built', () => {
    const size = { width: 128, height: 128 };
    const one = build(original, size);
    expect(json(one, 'config.json')).toMatchObject({ vision_config: { params: { image_size: 128 } } });
    expect(json(one, 'preprocessor_config.json')).toMatchObject({ image_size: 128 });
    expect(json(one, 'processor_config.json')).toMatchObject({ num_image_tokens: 64 });
    const two = build(newer, size);
    expect(json(two, 'config.json')).toMatchObject({
      vision_config: { image_size: 128, num_image_tokens: 64 },
    });
    expect(json(two, 'preprocessor_config.json')).toMatchObject({ size: { height: 128, width: 128 } });
    // A processor that holds its image processor's settings reads those.
    const processor = { image_processor: { size: { height: 96, width: 96 } } };
    const nested = build(newer, size, { json: { 'processor_config.json': processor } });
    expect(json(nested, 'processor_config.json')).toMatchObject({
      image_processor: { size: { height: 128, width: 128 } },
    });
  });
});

describe('the newer layout', () => {
  const renamed = (rename: (name: string) => string): Changes => ({
    tensors: (tensors) => {
      const entries = [...tensors].map(([name, tensor]) => [rename(name), tensor] as const);
      tensors.clear();
      for (const [name, tensor] of entries) tensors.set(name, tensor);
    },
  });

  it.each<[string, (name: string) => string]>([
    ['without the prefix of its class', (name) => name.replace(/^model\./, '')],
    [
      'with the language model under names of its own',
      (name) =>
        name
          .replace(/^model\.language_model\./, 'model.language_model.model.')
          .replace(/^lm_head\./, 'model.language_model.lm_head.'),
    ],
  ])('%s is the same model', (_what, rename) => {
    const plain = build(newer);
    const other = build(newer, undefined, renamed(rename));
    expect(other.unusedTensors).toEqual(plain.unusedTensors.map(rename));
    const weights = (built: BuiltModel, named: (name: string) => string) =>
      built.components.map(({ model }) => [...model.graph.initializers()].map(({ name }) => named(name)));
    expect(weights(other, (name) => name)).toEqual(weights(plain, rename));
    expect(other.recipe).toEqual(plain.recipe);
  });
});

it('resizes positions as transformers does', async () => {
  const built = build(newer, { width: 128, height: 80 });
  const folder = await mkdtemp(join(tmpdir(), 'vlm-janus-'));
  try {
    const files = await writeComponents(folder, built.components.slice(0, 1));
    const pixels = Float32Array.from({ length: 3 * 80 * 128 }, (_, i) =>
      Math.fround(Math.fround(((i * 7919) % 255) / 127.5) - 1),
    );
    const features = await withSession(files, 'vision', 'cpu', async (session) =>
      get(
        await session.run(new Map([['pixel_values', float32Value([1, 3, 80, 128], pixels)]])),
        'image_features',
      ),
    );
    expect(features.shape).toEqual([1, 40, 64]);
    // Every 157th of get_image_features(pixels, interpolate_pos_encoding=True), transformers 5.23.
    const recorded = [
      ...[0.86525, -0.34717, -0.43803, -0.38713, 0.29752, 0.04286, -0.89001, 0.24837, -0.72401],
      ...[-0.5214, -0.97705, 0.46785, -0.13506, -0.7504, 0.79453, -0.03886, 0.05359],
    ];
    const found = recorded.map((_, i) => toFloat32(features)[i * 157] ?? Number.NaN);
    for (const [i, value] of recorded.entries()) expect(found[i]).toBeCloseTo(value, 4);
  } finally {
    await rm(folder, { recursive: true });
  }
});
