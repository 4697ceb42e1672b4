/** Qwen2-Audio checkpoints that say things in other ways, what is refused, and the files of the output. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildOptions, BuiltModel } from '../../../src/architectures/architecture.ts';
import { readQwen2AudioConfig } from '../../../src/architectures/qwen2-audio/config.ts';
import { qwen2Audio } from '../../../src/architectures/qwen2-audio/qwen2-audio.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import type { JsonValue } from '../../../src/tensor/tensor.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('qwen2-audio/tiny').checkpoint);
});
afterAll(() => checkpoint.close());

function build(changes: Changes = {}, options: Partial<BuildOptions> = {}): BuiltModel {
  return qwen2Audio.build(changed(checkpoint, changes), { tiling: 'fit', loraTiles: 'nearest', ...options });
}

function refusal(changes: Changes, options: Partial<BuildOptions> = {}): VlmError {
  try {
    build(changes, options);
  } catch (error) {
    if (error instanceof VlmError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

type Json = Readonly<Record<string, JsonValue>>;
const part = (key: string): Json => checkpoint.config[key] as Json;
const audioWith = (own: Json): Changes => ({ config: { audio_config: { ...part('audio_config'), ...own } } });
const textWith = (own: Json): Changes => ({ config: { text_config: { ...part('text_config'), ...own } } });
const extractorWith = (own: Json): Changes => ({
  json: {
    'preprocessor_config.json': {
      ...(checkpoint.json.get('preprocessor_config.json') as Json),
      ...own,
    },
  },
});
const fileOf = ({ sideFiles }: BuiltModel, name: string): JsonValue | undefined =>
  sideFiles.flatMap((file) => (file.kind === 'json' && file.name === name ? [file.value] : []))[0];

it('takes the sizes of its classes for what the release leaves out', () => {
  const { text, audio, audioTokenId, textIds } = readQwen2AudioConfig({
    model_type: 'qwen2_audio',
    audio_config: { model_type: 'qwen2_audio_encoder' },
    text_config: { model_type: 'qwen2', intermediate_size: 11008, vocab_size: 156032, bos_token_id: 151643 },
  });
  expect(text).toMatchObject({ hidden: 4096, layers: 32, heads: 32, kvHeads: 32, mlpWidth: 11008 });
  expect(text).toMatchObject({ qkvBias: true, outputBias: false, ropeBase: 10000, epsilon: 1e-6 });
  expect(audio).toMatchObject({ width: 1280, heads: 20, layers: 32, mlpWidth: 5120, positions: 1500 });
  expect(audio.activation).toBe('gelu');
  expect([audioTokenId, textIds]).toEqual([151646, 151643]);
});

it("takes Qwen2's defaults, not Llama's", () => {
  const { text } = readQwen2AudioConfig({ text_config: { num_attention_heads: 64 } });
  expect(text).toMatchObject({ heads: 64, kvHeads: 32, headDim: 64, mlpWidth: 22016, vocab: 151936 });
  expect(text).toMatchObject({ maxPositions: 32768, tied: false, endOfTextId: undefined });
});

describe('what is refused', () => {
  it.each<[string, () => Changes, string, string]>([
    ['another encoder', () => audioWith({ model_type: 'whisper' }), 'VC1232', 'audio_config.model_type'],
    ['another language model', () => textWith({ model_type: 'qwen3' }), 'VC1232', 'text_config.model_type'],
    ['attention over a window', () => textWith({ use_sliding_window: true }), 'VC1204', 'use_sliding_window'],
    [
      'scaled rotary',
      () => textWith({ rope_scaling: { type: 'yarn', factor: 4 } }),
      'VC1232',
      'rope_scaling',
    ],
    [
      'heads that do not divide',
      () => audioWith({ encoder_attention_heads: 5 }),
      'VC1204',
      'encoder_attention_heads',
    ],
    ['endless positions', () => audioWith({ max_source_positions: 1e9 }), 'VC1203', 'max_source_positions'],
    [
      'a sound token behind the vocabulary',
      () => ({ config: { audio_token_index: 344 } }),
      'VC1204',
      'audio_token_index',
    ],
    [
      'more bands than the encoder takes',
      () => extractorWith({ feature_size: 80 }),
      'VC1204',
      'feature_size',
    ],
    [
      'chunks that the encoder does not take',
      () => extractorWith({ chunk_length: 3 }),
      'VC1204',
      'chunk_length',
    ],
    ['bands left out, which means 80', () => extractorWith({ feature_size: null }), 'VC1204', 'feature_size'],
    [
      'a length left out, which means 30 s',
      () => extractorWith({ chunk_length: null }),
      'VC1204',
      'chunk_length',
    ],
    ['noise in sounds', () => extractorWith({ dither: 1e-4 }), 'VC1204', 'dither'],
    [
      'another extractor',
      () => extractorWith({ feature_extractor_type: 'X' }),
      'VC1232',
      'feature_extractor_type',
    ],
    [
      'more samples than anybody hears at once',
      () => ({
        ...audioWith({ max_source_positions: 14_424 }),
        ...extractorWith({ chunk_length: 601, sampling_rate: 192_000, hop_length: 4000 }),
      }),
      'VC1204',
      'preprocessor_config.json: chunk_length, sampling_rate',
    ],
    ['a window beyond reason', () => extractorWith({ n_fft: 1e9 }), 'VC1203', 'n_fft'],
  ])('%s', (_what, changes, code, where) => {
    const { code: found, record } = refusal(changes());
    expect(found).toBe(code);
    expect(record.where).toContain(where);
  });

  it('a resolution, and lengths that there are no positions for', () => {
    const resolution = refusal({}, { resolution: { width: 448, height: 448 } });
    expect(resolution.code).toBe('VC4201');
    expect(resolution.record.hint).toContain('--max-audio-seconds');
    for (const audioSeconds of [3, 0.5, 0, -1]) {
      const { code, record } = refusal({}, { audioSeconds });
      expect(code).toBe('VC4205');
      expect(record.expected).toContain('from 1 to 2');
    }
  });
});

it('has whole samples and frames where seconds are a fraction', () => {
  const positions = 201;
  const table = 'audio_tower.embed_positions.weight';
  const { audio } = build({
    ...audioWith({ max_source_positions: positions }),
    json: { 'preprocessor_config.json': undefined },
    tensors: (all) => {
      const { tensor, file } = all.get(table) ?? expect.fail(table);
      all.set(table, { file, tensor: { ...tensor, shape: [positions, ...tensor.shape.slice(1)] } });
    },
  });
  expect(audio).toMatchObject({ samples: 2 * positions * 160, frames: 2 * positions, seconds: 4.02 });
});

it('reads the head that a file has, and else the embedding table where the config says so', () => {
  const tied = textWith({ tie_word_embeddings: true });
  const head = 'language_model.lm_head.weight';
  expect(build(tied).unusedTensors).toEqual([]);
  const tensors: Changes['tensors'] = (all) => void all.delete(head);
  expect(build({ ...tied, tensors }).unusedTensors).toEqual([]);
  expect(refusal({ tensors }).code).toBe('VC1221');
});

it('reads the names of newer saves', () => {
  const tensors: Changes['tensors'] = (all) => {
    for (const [name, tensor] of [...all]) {
      all.delete(name);
      const today = name
        .replace(/^language_model\.lm_head\./, 'lm_head.')
        .replace(/^language_model\.model\./, 'model.language_model.')
        .replace(/^(audio_tower|multi_modal_projector)\./, 'model.$1.');
      all.set(today, tensor);
    }
  };
  expect(build({ tensors }).unusedTensors).toEqual([]);
});

it('bends the convolutions as Whisper does, whatever the layers take', () => {
  const [encoder] = build(audioWith({ activation_function: 'relu' })).components;
  const ops = [...(encoder?.model.graph.nodes() ?? [])].map(({ op }) => op);
  expect(ops.filter((op) => op === 'Gelu' || op === 'Relu')).toEqual(['Gelu', 'Gelu', 'Relu', 'Relu']);
});

describe('the settings of the feature extractor', () => {
  it('are those of the encoder where there is no file', () => {
    const { audio } = build({ json: { 'preprocessor_config.json': undefined } });
    expect(audio).toMatchObject({ seconds: 2, frames: 200, bands: 128, tokens: 50, window: 400, hop: 160 });
  });

  it("stand in the processor's file where transformers puts them today", () => {
    const settings = checkpoint.json.get('preprocessor_config.json') ?? {};
    const nested = {
      'preprocessor_config.json': undefined,
      'processor_config.json': { feature_extractor: settings },
    };
    const built = build({ json: nested }, { audioSeconds: 1 });
    expect(built.audio).toMatchObject({ seconds: 1, frames: 100 });
    expect(fileOf(built, 'processor_config.json')).toMatchObject({ feature_extractor: { chunk_length: 1 } });
    // In both files: the copies have to agree.
    const both = build(
      { json: { 'processor_config.json': { feature_extractor: settings } } },
      { audioSeconds: 1 },
    );
    for (const name of ['preprocessor_config.json', 'processor_config.json'])
      expect(JSON.stringify(fileOf(both, name))).toContain('"chunk_length":1,');
  });
});

describe('with --max-audio-seconds', () => {
  it('the files say the length that the graphs were built for', () => {
    const built = build({}, { audioSeconds: 1 });
    expect(built.audio).toMatchObject({ seconds: 1, samples: 16000, frames: 100, tokens: 25 });
    expect(built.audio?.summary).toBe('sounds of up to 1 s, of 2 s → 100 frames → 25 tokens');
    expect(fileOf(built, 'config.json')).toMatchObject({ audio_config: { max_source_positions: 50 } });
    expect(fileOf(built, 'preprocessor_config.json')).toMatchObject({
      ...{ chunk_length: 1, n_samples: 16000, nb_max_frames: 100, feature_size: 128 },
      vlm_convert: { max_audio_seconds: 1, most_audio_tokens: 25 },
    });
  });

  it("and without it they are the publisher's", () => {
    const built = build();
    expect(fileOf(built, 'config.json')).toEqual(checkpoint.config);
    expect(fileOf(built, 'preprocessor_config.json')).toEqual({
      padding_value: 0,
      ...(checkpoint.json.get('preprocessor_config.json') as Json),
    });
  });
});

describe('the prompt', () => {
  it('counts sounds as the chat template does', () => {
    expect(build().recipe.prompt).toEqual({
      picture: '<|audio_bos|><|AUDIO|><|audio_eos|>',
      counted: 'Audio {number}: {picture}\n',
      withPicture:
        '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{picture}{text}<|im_end|>\n<|im_start|>assistant\n',
      textOnly:
        '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n',
    });
  });

  it('of a base model is a sound and the text behind it', () => {
    const { recipe } = build({ json: { 'chat_template.json': undefined } });
    expect(recipe.prompt).toEqual({
      picture: '<|audio_bos|><|AUDIO|><|audio_eos|>',
      withPicture: '{picture}{text}',
      textOnly: '{text}',
    });
  });
});
