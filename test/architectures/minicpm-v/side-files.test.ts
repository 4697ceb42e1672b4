/** The JSON that MiniCPM-V's output folder holds beside the graphs, and what it says of running them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Size } from '../../../src/architectures/media.ts';
import { miniCpmV25 } from '../../../src/architectures/minicpm-v/minicpm-v.ts';
import type { Checkpoint, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { generationOf } from '../../../src/pipeline/generation.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('minicpm-v-2.5/tiny-drop-last').checkpoint);
});
afterAll(() => checkpoint.close());

function files(resolution?: Size) {
  const built = miniCpmV25.build(checkpoint, {
    tiling: 'fit',
    loraTiles: 'nearest',
    ...(resolution === undefined ? {} : { resolution }),
  });
  const json = (name: string): JsonObject => {
    const file = built.sideFiles.find((candidate) => candidate.name === name);
    if (file?.kind !== 'json') throw new Error(`${name} is not written`);
    return file.value as JsonObject;
  };
  return { built, json, names: built.sideFiles.map(({ name }) => name).sort() };
}

it('stays as published where any picture goes', () => {
  const { json, names } = files();
  expect(json('config.json')).toEqual(checkpoint.config);
  expect(json('preprocessor_config.json')).toEqual(checkpoint.json.get('preprocessor_config.json'));
  expect(names).toEqual([
    'config.json',
    'generation_config.json',
    'preprocessor_config.json',
    'special_tokens_map.json',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
});

it('says which views a graph is compiled for', () => {
  const { json, built } = files({ width: 96, height: 190 });
  const { vlm_convert, ...settings } = json('preprocessor_config.json');
  expect(settings).toEqual(checkpoint.json.get('preprocessor_config.json'));
  expect(vlm_convert).toEqual({
    requested: { height: 190, width: 96 },
    keep_aspect_ratio: false,
    source: { height: 140, width: 70, tgt_size: [10, 5] },
    slices: { rows: 2, columns: 1, each: { height: 98, width: 98, tgt_size: [7, 7] } },
    tokens_per_view: 4,
    image_token_span: 12,
  });
  expect(built.image).toMatchObject({
    tokens: 12,
    views: [{ kind: 'global' }, { kind: 'tile', row: 0, column: 0 }, { kind: 'tile', row: 1, column: 0 }],
    summary: '96x190 → 70x140 (5x10 patches) and 1x2 slices of 98x98 (7x7 patches), 12 tokens',
  });
});

it('has no slices where a picture is one view', () => {
  const { json } = files({ width: 70, height: 90 });
  expect(json('preprocessor_config.json').vlm_convert).toMatchObject({
    source: { height: 112, width: 84, tgt_size: [8, 6] },
    slices: null,
    image_token_span: 4,
  });
});

it('ends an answer where a message of the chat ends, too', () => {
  const { built } = files();
  expect(built.recipe).toMatchObject({ endOfTextId: 297, endOfAnswerId: 301, textIds: 296 });
  expect(generationOf(built, [], checkpoint).stopIds).toEqual([297, 301]);
});
