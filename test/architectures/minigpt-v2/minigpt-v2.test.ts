/** What MiniGPT-v2 builds of its config: sizes, the vision norm, variants that are refused, side files. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuiltModel, Tiling } from '../../../src/architectures/architecture.ts';
import type { Size } from '../../../src/architectures/media.ts';
import { miniGptV2 } from '../../../src/architectures/minigpt-v2/minigpt-v2.ts';
import type { CheckpointTensor, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { printModel } from '../../../src/graph/print.ts';
import type { VlmError } from '../../../src/index.ts';
import { encodePrompt } from '../../../src/parity/inputs/prompt.ts';
import { recordedSample } from '../../../src/parity/inputs/recorded.ts';
import { drawSample } from '../../../src/parity/inputs/sample.ts';
import { openTokenizer } from '../../../src/parity/inputs/tokenizer.ts';
import type { Source } from '../../../src/pipeline/open-source.ts';
import { int64Value } from '../../../src/runtime/values.ts';
import { inlineTensor, readAll } from '../../../src/tensor/tensor.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { openCase } from '../../support/open-case.ts';

let source: Source;
beforeAll(async () => {
  ({ source } = await openCase(goldenCase('minigpt-v2/tiny')));
});
afterAll(() => source.close());

function build(changes: Changes, resolution?: Size, tiling: Tiling = 'fit'): BuiltModel {
  return miniGptV2.build(changed(source, changes), {
    tiling,
    loraTiles: 'nearest',
    ...(resolution === undefined ? {} : { resolution }),
  });
}

const square = (side: number): Size => ({ width: side, height: side });
const visionOf = ({ components: [vision] }: BuiltModel) => {
  if (vision === undefined) throw new Error('no vision component');
  return vision.model;
};

describe('sizes', () => {
  it.each([square(56), square(84), square(112)])('builds for $width what the original builds', (size) => {
    const asked = build({}, size);
    const own = build({ config: { image_size: size.width } });
    expect(printModel(visionOf(asked))).toBe(printModel(visionOf(own)));
    expect(asked.image?.tokens).toBe((size.width / 14) ** 2 / 4);
  });

  it.each<[Tiling, Size, Size, number]>([
    // 5 x 6 patches: four do not divide 30.
    ['fit', { width: 84, height: 70 }, { width: 84, height: 56 }, 6],
    ['crop', { width: 84, height: 70 }, { width: 84, height: 70 }, 6],
    ['cover', { width: 84, height: 70 }, { width: 84, height: 70 }, 9],
    ['fit', { width: 60, height: 72 }, { width: 56, height: 70 }, 5],
  ])('%s %o', (tiling, size, input, tokens) => {
    const { image } = build({}, size, tiling);
    expect(image).toMatchObject({ input, tokens });
    const steps = [{ step: 'resize', to: input, filter: 'bicubic' }];
    expect(image?.steps).toEqual(steps);
  });

  it.each<[string, string, () => unknown]>([
    ['a request of one patch', 'VC4202', () => build({}, square(14))],
    ['an own size that the original cannot join', 'VC1204', () => build({ config: { image_size: 70 } })],
  ])('refuses %s', (_, code, make) => {
    expect(make).toThrowError(expect.objectContaining({ code }));
  });

  it('says how tokens lie, where they do', () => {
    expect(build({}).image?.tokenGrid).toEqual({ rows: 8, columns: 2, leading: 0 });
    expect(build({}, { width: 84, height: 56 }).image?.tokenGrid).toBeUndefined();
  });
});

describe('the vision norm', () => {
  it('is that of the file, where it was trained', async () => {
    const constant = async (built: BuiltModel, name: string) => {
      const value = [...visionOf(built).graph.initializers()].find((one) => one.name === name);
      if (value === undefined) throw new Error(`no ${name}`);
      return new Float32Array((await readAll(value.initializer)).slice().buffer);
    };
    const halves: CheckpointTensor = {
      file: 'x.safetensors',
      tensor: inlineTensor('float32', [176], new Uint8Array(new Float32Array(176).fill(0.5).buffer)),
    };
    const trained = build({
      tensors: (all) => {
        all.set('ln_vision.weight', halves);
        all.set('ln_vision.bias', halves);
      },
    });
    expect(new Set(await constant(build({}), 'ln_vision.weight'))).toEqual(new Set([1]));
    expect(new Set(await constant(build({}), 'ln_vision.bias'))).toEqual(new Set([0]));
    expect(new Set(await constant(trained, 'ln_vision.weight'))).toEqual(new Set([0.5]));
    expect(new Set(await constant(trained, 'ln_vision.bias'))).toEqual(new Set([0.5]));
  });
});

describe('refuses', () => {
  const vit = { embed_dim: 176, depth: 2, num_heads: 2, mlp_ratio: 2, patch_size: 14 };
  const without = (name: string) => (all: Map<string, CheckpointTensor>) => void all.delete(name);
  it.each<[string, string, string, Changes]>([
    ['another architecture', 'VC1232', 'arch', { config: { arch: 'minigpt4' } }],
    ['another tower', 'VC1232', 'vit_model', { config: { vit_model: 'clip' } }],
    [
      'a width that is not the tensors',
      'VC1204',
      'vit.embed_dim',
      { config: { vit: { ...vit, embed_dim: 128 } } },
    ],
    [
      'a patch that is not the tensors',
      'VC1204',
      'vit.patch_size',
      { config: { vit: { ...vit, patch_size: 16 } } },
    ],
    [
      'a ratio that is not the tensors',
      'VC1204',
      'vit.mlp_ratio',
      { config: { vit: { ...vit, mlp_ratio: 4 } } },
    ],
    ['heads that do not divide', 'VC1204', 'vit.num_heads', { config: { vit: { ...vit, num_heads: 3 } } }],
    ['more blocks than the file has', 'VC1221', 'blocks.3', { config: { vit: { ...vit, depth: 4 } } }],
    ['the default depth where blocks are missing', 'VC1221', 'blocks.3', { config: { vit: undefined } }],
    ['a tower without positions', 'VC1221', 'pos_embed', { tensors: without('vision_tower.pos_embed') }],
    [
      'a tower without patches',
      'VC1221',
      'patch_embed',
      { tensors: without('vision_tower.patch_embed.proj.weight') },
    ],
    [
      'q without its bias',
      'VC1221',
      'attn.q_bias',
      { tensors: without('vision_tower.blocks.0.attn.q_bias') },
    ],
    ['another language model', 'VC1232', 'text_config.model_type', { text: { model_type: 'mistral' } }],
  ])('%s', (_, code, where, changes) => {
    let found: VlmError | undefined;
    try {
      build(changes);
    } catch (error) {
      found = error as VlmError;
    }
    expect(found?.code).toBe(code);
    expect(found?.record.where).toContain(where);
  });
});

describe('side files', () => {
  const written = (built: BuiltModel): Map<string, JsonObject> =>
    new Map(
      built.sideFiles.flatMap((file) =>
        file.kind === 'json' ? [[file.name, file.value as JsonObject]] : [],
      ),
    );

  it('hold the config with its language model, and an image processor', () => {
    const files = written(build({}, { width: 112, height: 56 }));
    expect(files.get('config.json')).toMatchObject({
      model_type: 'minigpt_v2',
      image_size: [56, 112],
      image_token_index: 320,
      text_config: { model_type: 'llama', vocab_size: 320 },
    });
    expect(files.get('preprocessor_config.json')).toMatchObject({
      size: { width: 112, height: 56 },
      resample: 3,
      image_mean: [0.48145466, 0.4578275, 0.40821073],
    });
    expect([...files.keys()].sort()).toEqual([
      'added_tokens.json',
      'config.json',
      'generation_config.json',
      'preprocessor_config.json',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
  });

  it('hold a tokenizer that begins every stretch of text with a space', async () => {
    const made = written(build({}));
    expect(made.get('tokenizer_config.json')).toMatchObject({
      legacy: true,
      added_tokens_decoder: { 320: {} },
    });
    const tokenizer = await openTokenizer({ path: '', files: [], made });
    // "the" has id 264 with a space before it.
    expect(tokenizer.encode('<s>the<ImageHere>the')).toEqual([1, 1, 264, 320, 264]);
  });

  it('are those of a tokenizer.json, where the language model has one', async () => {
    const { 'tokenizer.json': own } = Object.fromEntries(written(build({})));
    const { added_tokens, pre_tokenizer: _, normalizer: __, ...rest } = own ?? {};
    const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false };
    const known = (added_tokens as { id: number }[]).filter(({ id }) => id < 320);
    const tokenizer: JsonObject = {
      ...rest,
      added_tokens: known,
      normalizer: null,
      pre_tokenizer: metaspace,
    };
    const made = written(build({ json: { 'tokenizer.json': tokenizer } }));
    const encoder = await openTokenizer({ path: '', files: [], made });
    expect(encoder.encode('<s>the<ImageHere>the')).toEqual([1, 1, 264, 320, 264]);
  });
});

describe('the recipe', () => {
  it("writes the original's conversation", () => {
    const { recipe } = build({});
    expect(recipe.prompt?.withPicture.replace('{picture}', recipe.prompt.picture)).toBe(
      '<s>[INST] <Img><ImageHere></Img> {text} [/INST]',
    );
    expect(build({ config: { prompt_template: 'Q: {} A:' } }).recipe.prompt?.textOnly).toBe(
      '<s>Q: {text} A:',
    );
    expect(build({ config: { prompt_template: 'no place' } }).recipe.prompt?.textOnly).toBe(
      '<s>[INST] {text} [/INST]',
    );
  });

  it('takes ids with the mark of a picture, and texts that mark its place alone', async () => {
    const built = build({});
    const { recipe, image, sideFiles } = built;
    const ids = int64Value([1, 3], [5, -200, 6]);
    const { prompts } = recordedSample(new Map([['input_ids', ids]]), { recipe, image }, 1, 'inputs');
    const picture = Array.from({ length: 16 }, () => 320);
    expect(prompts.map((prompt) => prompt.ids)).toEqual([[5, ...picture, 6]]);

    const made = new Map(
      sideFiles.flatMap((file) => (file.kind === 'json' ? [[file.name, file.value]] : [])),
    );
    const tokenizer = await openTokenizer({ path: '', files: [], made });
    const { media } = drawSample(recipe, image, 1);
    const encoded = (text: string) =>
      encodePrompt({ text, first: 0, shown: 1, where: text }, tokenizer, recipe, media).prompt().ids;
    const whole = '<s>[INST] <Img><ImageHere></Img> the [/INST]';
    expect(encoded(whole.replace('<Img><ImageHere></Img>', '<ImageHere>'))).toEqual(encoded(whole));
    expect(encoded('the')).toEqual(encoded(whole));
    expect(encoded(whole).filter((id) => id === 320).length).toBe(16);
  });
});
