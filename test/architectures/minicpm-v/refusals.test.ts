/** What MiniCPM-V refuses, each with its code, naming the place; and what of a config it fills in. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMiniCpmConfig, readPreprocessing } from '../../../src/architectures/minicpm-v/config.ts';
import { findArchitecture } from '../../../src/architectures/registry.ts';
import type { Checkpoint, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('minicpm-v-2.5/tiny-drop-last').checkpoint);
});
afterAll(() => checkpoint.close());

function build(changes: Changes, resolution?: { width: number; height: number }) {
  const source = changed(checkpoint, changes);
  const architecture = findArchitecture(source.config, new Set(source.tensors.keys()));
  const options = { tiling: 'fit', loraTiles: 'nearest' } as const;
  return architecture.build(source, resolution === undefined ? options : { ...options, resolution });
}

function refusal(changes: Changes, resolution?: { width: number; height: number }): VlmError {
  try {
    build(changes, resolution);
  } catch (error) {
    if (error instanceof VlmError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const preprocessor = (changes: JsonObject): Changes => ({
  json: {
    'preprocessor_config.json': {
      ...(checkpoint.json.get('preprocessor_config.json') as JsonObject),
      ...changes,
    },
  },
});

/** Made when the checkpoint is open. */
const refused: readonly (readonly [string, string, string, () => Changes])[] = [
  ['version 2.6', 'VC1232', 'version', () => ({ config: { version: '2.6' } })],
  ['version 2.6 as a number', 'VC1232', 'version', () => ({ config: { version: 2.6 } })],
  [
    'MiniCPM-V 2.0',
    'VC1232',
    'version',
    () => ({ config: { version: undefined, hidden_size: 2304, query_num: 64 } }),
  ],
  ['a processor of 2.6', 'VC1232', 'preprocessor_config.json: version', () => preprocessor({ version: 2.6 })],
  ['a processor that does not slice', 'VC1232', 'slice_mode', () => preprocessor({ slice_mode: false })],
  ['a processor of other patches', 'VC1204', 'patch_size', () => preprocessor({ patch_size: 16 })],
  ['no slices', 'VC1203', 'max_slice_nums', () => preprocessor({ max_slice_nums: 0 })],
  [
    'a tower of another kind',
    'VC1232',
    'vision_config.model_type',
    () => ({ vision: { model_type: 'eva' } }),
  ],
  [
    'heads that do not divide',
    'VC1204',
    'num_attention_heads',
    () => ({ vision: { num_attention_heads: 5 } }),
  ],
  ['fewer queries than stored', 'VC1222', 'resampler.query', () => ({ config: { query_num: 3 } })],
  [
    'no tokenizer',
    'VC1201',
    'tokenizer_config.json',
    () => ({ json: { 'tokenizer_config.json': undefined } }),
  ],
  [
    'ids outside the vocabulary',
    'VC1203',
    'tokenizer_config.json',
    () => ({
      json: {
        'tokenizer_config.json': {
          added_tokens_decoder: Object.fromEntries(
            ['<unk>', '<image>', '</image>', '<slice>', '</slice>'].map((content, i) => [
              319 + i,
              { content },
            ]),
          ),
        },
      },
    }),
  ],
  [
    'a missing layer',
    'VC1221',
    'vpm.encoder.layers.1',
    () => ({ tensors: (tensors) => tensors.delete('vpm.encoder.layers.1.mlp.fc1.weight') }),
  ],
];

describe('refuses', () => {
  it.each(refused)('%s: %s', (_, code, where, changes) => {
    const error = refusal(changes());
    expect(error.code).toBe(code);
    expect(error.record.where).toContain(where);
  });

  it('sizes that make no picture', () => {
    expect(refusal({}, { width: 0, height: 100 }).code).toBe('VC4201');
    expect(refusal({}, { width: 100_000, height: 100 }).code).toBe('VC4201');
  });
});

describe('takes', () => {
  it('a config without a version for 2.5', () => {
    expect(build({ config: { version: undefined } }).architecture).toBe('minicpm-v-2.5');
    expect(build({ config: { version: 2.5 } }).architecture).toBe('minicpm-v-2.5');
  });

  it('a checkpoint without the layer that is dropped', () => {
    const built = build({
      tensors: (tensors) => {
        for (const name of [...tensors.keys()]) {
          if (name.startsWith('vpm.encoder.layers.2.')) tensors.delete(name);
        }
      },
    });
    expect(built.unusedTensors).toEqual([]);
  });

  it('what is not said for what the classes of the release take', () => {
    const config = readMiniCpmConfig({ model_type: 'minicpmv', hidden_size: 4096 });
    expect(config).toMatchObject({ queries: 64, padded: true });
    // 27 layers less the one that is dropped by default.
    expect(config.vision).toMatchObject({
      width: 1152,
      layers: 26,
      heads: 16,
      side: 70,
      patch: 14,
      epsilon: 1e-6,
    });
    const source = changed(checkpoint, {
      json: { 'preprocessor_config.json': undefined },
      config: { slice_config: { max_slice_nums: 4 } },
    });
    expect(readPreprocessing(source, 14)).toEqual({
      rule: { patch: 14, maxSlices: 4, scale: 448 },
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
  });

  it('names of tokens that the processor gives', () => {
    const decoder = (checkpoint.json.get('tokenizer_config.json') as { added_tokens_decoder: JsonObject })
      .added_tokens_decoder;
    const renamed = { ...decoder, 310: { content: '<img>' } };
    const built = build({
      json: {
        'tokenizer_config.json': { added_tokens_decoder: renamed },
        'preprocessor_config.json': { im_start: '<img>' },
      },
    });
    expect(built.recipe.splice).toMatchObject({ startId: 310, endId: 303, padId: 298 });
  });
});
