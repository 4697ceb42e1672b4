/** How Janus's graphs are run, as its files say it: prompts, tokens, guidance, rows; and weights that a config leaves out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import { janus } from '../../../src/architectures/janus/janus.ts';
import type { Checkpoint, CheckpointTensor, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { runPipeline } from '../../../src/pipeline/pass-manager.ts';
import { parsePipeline } from '../../../src/pipeline/pipeline-text.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { drawingOf } from '../../support/run-drawing.ts';
import { randomWeight } from '../../support/run-model.ts';

let original: Checkpoint;
let newer: Checkpoint;
beforeAll(async () => {
  original = await openCheckpoint(goldenCase('janus/tiny-generate').checkpoint);
  newer = await openCheckpoint(goldenCase('janus/tiny-hf').checkpoint);
});
afterAll(() => Promise.all([original.close(), newer.close()]));

const build = (checkpoint: Checkpoint, changes: Changes = {}): BuiltModel =>
  janus.build(changed(checkpoint, changes), { tiling: 'fit', loraTiles: 'nearest' });

/** A question about one picture, marked as a user would mark it. */
function question({ recipe: { prompt } }: BuiltModel): string | undefined {
  return prompt?.withPicture.replace('{picture}', prompt.mark ?? '').replace('{text}', 'What is it?');
}

const system =
  'You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language.\n\n';
const asked = '<|User|>: <image_placeholder>\nWhat is it?\n\n<|Assistant|>:';

describe('a question', () => {
  it('begins with the words of the system in the original alone, or where the processor says so', () => {
    expect(question(build(original))).toBe(system + asked);
    expect(question(build(newer))).toBe(asked);
    const processor = { 'processor_config.json': { use_default_system_prompt: true } };
    expect(question(build(newer, { json: processor }))).toBe(system + asked);
  });

  it('marks a picture by the token of the config, and by the texts of the files', () => {
    expect(build(newer).recipe.splice).toEqual({ rule: 'image-token', tokenId: 333 });
    expect(build(newer, { config: { image_token_id: 5 } }).recipe.splice).toMatchObject({ tokenId: 5 });
    const settings = original.json.get('processor_config.json') as JsonObject;
    const tagged = { 'processor_config.json': { ...settings, image_start_tag: '<end_of_image>' } };
    expect(build(original, { json: tagged }).recipe.prompt?.picture).toBe(
      '<end_of_image><image_placeholder><end_of_image>',
    );
  });
});

describe('a drawing', () => {
  const generation = (changes: JsonObject): Changes => ({
    json: {
      'generation_config.json': { ...(newer.json.get('generation_config.json') as JsonObject), ...changes },
    },
  });

  it('is guided, filled and begun as generation_config.json says', () => {
    expect(drawingOf(build(newer).recipe)).toMatchObject({ guidance: 5, padId: 332, kept: [330, 334] });
    const changes = {
      guidance_scale: 3,
      pad_token_id: 7,
      bos_token_id: 8,
      generation_kwargs: { boi_token_id: 9 },
    };
    expect(drawingOf(build(newer, generation(changes)).recipe)).toMatchObject({
      guidance: 3,
      padId: 7,
      kept: [8, 9],
    });
  });

  it('may say several ends of a text', () => {
    expect(build(newer, generation({ eos_token_id: [331, 335] })).recipe.endOfTextId).toBe(331);
  });

  it("takes the tokenizer's tokens where there is no such file", () => {
    const { recipe } = build(newer, { json: { 'generation_config.json': undefined } });
    expect(drawingOf(recipe)).toMatchObject({ guidance: 5, padId: 332, kept: [330, 334] });
  });

  it('has the values of the image processor in the newer layout, and those of the scripts in the original', () => {
    const json = { 'preprocessor_config.json': { image_mean: [0.1, 0.2, 0.3], image_std: [1, 2, 3] } };
    expect(drawingOf(build(newer, { json }).recipe)).toMatchObject({
      mean: [0.1, 0.2, 0.3],
      std: [1, 2, 3],
    });
    expect(drawingOf(build(original, { json }).recipe)).toMatchObject({
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
      kept: 'ends',
    });
  });
});

it('pictures are rounded as each code rounds them', () => {
  const rounding = [original, newer].map((checkpoint) => {
    const [step] = build(checkpoint).image?.steps ?? [];
    return step?.step === 'inside' ? step.rounding : undefined;
  });
  expect(rounding).toEqual(['down', 'half-even']);
});

describe('weights', () => {
  const weightsOf = (built: BuiltModel, id: string): string[] => {
    const component = built.components.find((candidate) => candidate.id === id);
    return [...(component?.model.graph.initializers() ?? [])].map(({ name }) => name);
  };

  it('of the head are its own where the file has them, whatever the config says', () => {
    for (const tied of [undefined, true]) {
      const built = build(newer, { config: { tie_word_embeddings: tied } });
      expect(weightsOf(built, 'decoder')).toContain('lm_head.weight');
    }
  });

  it('of queries, keys and values have no bias where the config says so', () => {
    const isBias = (name: string): boolean => /self_attn\.[qkv]_proj\.bias$/.test(name);
    const tensors: Changes['tensors'] = (all) => {
      for (const name of [...all.keys()]) if (isBias(name)) all.delete(name);
    };
    expect(() => build(newer, { tensors })).toThrow('q_proj.bias');
    const built = build(newer, { tensors, vision: { attention_bias: false } });
    expect(weightsOf(built, 'vision').filter(isBias)).toEqual([]);
    expect(weightsOf(build(newer), 'vision').filter(isBias)).toHaveLength(6);
  });

  it('of the codebook are no embedding that passes would store in four bits', async () => {
    const wide = (all: Map<string, CheckpointTensor>, name: string, shape: readonly number[]): void => {
      all.set(name, { file: 'wide', tensor: randomWeight(name, shape, 1) });
    };
    const tensors: Changes['tensors'] = (all) => {
      wide(all, 'gen_vision_model.quantize.embedding.weight', [256, 64]);
      wide(all, 'gen_vision_model.post_quant_conv.weight', [32, 64, 1, 1]);
      wide(all, 'gen_embed.weight', [256, 64]);
      wide(all, 'gen_aligner.layers.0.weight', [64, 64]);
    };
    const params = { depth: 2, input_dim: 64, n_embed: 64, projector_type: 'mlp_gelu' };
    const config = {
      gen_vision_config: { cls: 'VQ-16', params: { image_token_size: 256, n_embed: 64 } },
      gen_aligner_config: { cls: 'MlpProjector', params },
    };
    const { components } = build(original, { tensors, config });
    const quantized = [];
    for (const { id, model } of components) {
      await runPipeline(model, parsePipeline('int4'), {});
      const tables = [...model.graph.nodes()].filter(({ opType }) => opType === 'GatherBlockQuantized');
      if (tables.length > 0) quantized.push(id);
    }
    expect(quantized).toEqual(['embed', 'gen_embed']);
  });
});
