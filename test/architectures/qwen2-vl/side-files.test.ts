/** Sizes, processor settings, prompts and files of Qwen2-VL checkpoints that say things in other ways. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuildOptions, BuiltModel } from '../../../src/architectures/architecture.ts';
import type { Size } from '../../../src/architectures/media.ts';
import { qwen2Vl } from '../../../src/architectures/qwen2-vl/qwen2-vl.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import type { JsonValue } from '../../../src/tensor/tensor.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('qwen2-vl/tiny-two-images').checkpoint);
});
afterAll(() => checkpoint.close());

function build(changes: Changes = {}, resolution?: Size): BuiltModel {
  const options: BuildOptions = {
    tiling: 'fit',
    loraTiles: 'nearest',
    ...(resolution === undefined ? {} : { resolution }),
  };
  return qwen2Vl.build(changed(checkpoint, changes), options);
}

function refusal(changes: Changes, resolution?: Size): VlmError {
  try {
    build(changes, resolution);
  } catch (error) {
    if (error instanceof VlmError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const feedOf = ({ recipe }: BuiltModel): unknown => recipe.encoder?.feed;
const fileOf = ({ sideFiles }: BuiltModel, name: string): JsonValue | undefined =>
  sideFiles.flatMap((file) => (file.kind === 'json' && file.name === name ? [file.value] : []))[0];

describe('limits of the processor', () => {
  const settings = { patch_size: 14, merge_size: 2, temporal_patch_size: 2 };
  const withSettings = (own: Record<string, JsonValue>): Changes => ({
    json: { 'preprocessor_config.json': { ...settings, ...own } },
  });

  it.each<[string, Changes, object]>([
    [
      'the keys of the release',
      withSettings({ min_pixels: 4000, max_pixels: 9000 }),
      { minPixels: 4000, maxPixels: 9000 },
    ],
    [
      'the size of today',
      withSettings({ size: { shortest_edge: 4000, longest_edge: 9000 } }),
      { minPixels: 4000, maxPixels: 9000 },
    ],
    ['nothing', withSettings({}), { minPixels: 3136, maxPixels: 1003520 }],
    ['no file', { json: { 'preprocessor_config.json': undefined } }, { minPixels: 3136, maxPixels: 1003520 }],
    [
      "the processor's file",
      {
        json: {
          'preprocessor_config.json': undefined,
          'processor_config.json': { image_processor: { ...settings, min_pixels: 5000, max_pixels: 8000 } },
        },
      },
      { minPixels: 5000, maxPixels: 8000 },
    ],
  ])('are read from %s', (_what, changes, limits) => {
    expect(feedOf(build(changes))).toMatchObject(limits);
  });

  it.each<[string, Record<string, JsonValue>, string]>([
    ['another patch', { patch_size: 16 }, 'patch_size'],
    ['another merge', { merge_size: 3 }, 'merge_size'],
    ['least above most', { min_pixels: 9000, max_pixels: 4000 }, 'min_pixels'],
  ])('are refused with %s', (_what, own, where) => {
    const error = refusal(withSettings(own));
    expect(error.code).toBe('VC1204');
    expect(error.record.where).toContain(where);
  });

  it('of a graph for one size are its area, wherever a processor looks', () => {
    const size = { shortest_edge: 4000, longest_edge: 9000 };
    const changes = {
      json: {
        'preprocessor_config.json': undefined,
        'processor_config.json': { processor_class: 'P', image_processor: { ...settings, size } },
      },
    };
    const built = build(changes, { width: 84, height: 56 });
    const wanted = { min_pixels: 4704, max_pixels: 4704, size: { shortest_edge: 4704, longest_edge: 4704 } };
    expect(fileOf(built, 'preprocessor_config.json')).toMatchObject(wanted);
    expect(fileOf(built, 'processor_config.json')).toMatchObject({
      processor_class: 'P',
      image_processor: wanted,
    });
  });
});

describe('one size', () => {
  it.each<[Size, Size, number]>([
    [{ width: 84, height: 56 }, { width: 84, height: 56 }, 6],
    [{ width: 90, height: 60 }, { width: 84, height: 56 }, 6],
    // Halves go to the even multiple.
    [{ width: 70, height: 42 }, { width: 56, height: 56 }, 4],
    [{ width: 98, height: 56 }, { width: 112, height: 56 }, 8],
  ])('%o becomes %o', (requested, input, tokens) => {
    const { image, warnings } = build({}, requested);
    expect(image).toMatchObject({ requested, input, tokens });
    expect(image?.summary).toContain(`${requested.width}x${requested.height} →`);
    expect(warnings).toEqual([]);
  });

  it('beyond the limits of the processor is warned about, and made', () => {
    const { image, warnings } = build({}, { width: 1344, height: 896 });
    expect(image).toMatchObject({ input: { width: 1344, height: 896 }, tokens: 1536 });
    expect(warnings.map(({ code }) => code)).toEqual(['VC4311']);
  });

  it.each<[Size, string]>([
    [{ width: 27, height: 56 }, 'VC4202'],
    [{ width: 28, height: 5628 }, 'VC4201'],
    [{ width: 16384, height: 16384 }, 'VC4203'],
    [{ width: 20000, height: 56 }, 'VC4201'],
  ])('%o is refused', (size, code) => {
    expect(refusal({}, size).code).toBe(code);
  });
});

describe('the prompt', () => {
  const template = (text: string | undefined): Changes => ({
    json: {
      'chat_template.json': undefined,
      'tokenizer_config.json': text === undefined ? {} : { chat_template: text },
    },
  });

  it('has the system message of the template, where that has one', () => {
    const released =
      "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a " +
      "helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n…{% endfor %}";
    expect(build(template(released)).recipe.prompt?.withPicture).toBe(
      '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{picture}{text}<|im_end|>\n' +
        '<|im_start|>assistant\n',
    );
    expect(build(template('{{ messages }}')).recipe.prompt?.textOnly).toBe(
      '<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('goes by the file of its own before the others', () => {
    const own = '{% if true %}<|im_start|>system\nBe short.<|im_end|>\n{% endif %}';
    const built = qwen2Vl.build(
      { ...changed(checkpoint, {}), chatTemplate: own },
      { tiling: 'fit', loraTiles: 'nearest' },
    );
    expect(built.recipe.prompt?.textOnly).toContain('Be short.');
  });

  it('of a base model is the text as it stands', () => {
    expect(build(template(undefined)).recipe.prompt).toMatchObject({
      withPicture: '{picture}{text}',
      textOnly: '{text}',
    });
  });
});
