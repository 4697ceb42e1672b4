/**
 * LLaVA in the layout of its original code: `model.layers.*`, `model.mm_projector.*`, a flat Llama config, and the
 * vision tower in a checkpoint of its own, which `mm_vision_tower` names. Here the parts become one checkpoint with a
 * config as transformers has it, which is also what the output folder gets.
 */
import type { Checkpoint, CheckpointTensor, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { isJsonObject } from '../../formats/json.ts';
import { fail } from '../../report/diagnostics.ts';
import { show } from '../../report/show.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { ModelParts } from '../architecture.ts';
import { requireVariant } from '../variants.ts';

/** Where a tower that was trained along is inlined. */
const inlined = 'model.vision_tower.vision_tower.';

export function isOriginalLayout({ architectures, mm_vision_tower: tower }: JsonObject): boolean {
  const names = Array.isArray(architectures) ? architectures : [];
  return names.includes('LlavaLlamaForCausalLM') || (tower !== undefined && tower !== null);
}

const towerPart = 'vision_tower';

/** The tower in a folder of its own, which no adapter changes. */
export const originalParts: ModelParts = {
  adapted: 'main',
  find: ({ config }) => {
    if (!isOriginalLayout(config)) return [];
    const name = new ConfigReader(config).string('mm_vision_tower');
    const where = 'config.json: mm_vision_tower';
    return [{ id: towerPart, name, where, beside: true, option: 'visionTower' }];
  },
  join: (main, parts) => {
    const tower = parts.get(towerPart);
    if (tower === undefined) throw new RangeError('a model without its tower');
    return withTower(main, tower);
  },
};

/** Throws VC12xx for configs, VC1232 for variants, VC1316 where the other checkpoint is no tower of CLIP. */
function withTower(main: Checkpoint, tower: Checkpoint): Checkpoint {
  const vision = isJsonObject(tower.config.vision_config) ? tower.config.vision_config : tower.config;
  const type = vision.model_type ?? tower.config.model_type;
  if (type !== 'clip_vision_model' && tower.config.model_type !== 'clip') {
    throw fail('VC1316', { where: tower.path, found: `model_type ${show(type)}`, expected: '"clip"' });
  }
  const reader = new ConfigReader(main.config);
  const trained = reader.bool('unfreeze_mm_vision_tower', { default: false });
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, entry] of main.tensors) {
    if (trained && name.startsWith(inlined)) tensors.set(`vision_tower.${name.slice(inlined.length)}`, entry);
    else tensors.set(name, entry);
  }
  const own = [...tensors.keys()].some((name) => name.startsWith('vision_tower.'));
  if (!own) for (const [name, entry] of tower.tensors) tensors.set(`vision_tower.${name}`, entry);
  const preprocessing = tower.json.get('preprocessor_config.json');
  const json = new Map<string, JsonValue>([
    ...main.json,
    [
      'preprocessor_config.json',
      { ...(isJsonObject(preprocessing) ? preprocessing : {}), ...aspectRatio(reader) },
    ],
  ]);
  return {
    ...main,
    config: unifiedConfig(main.config, vision),
    tensors,
    json,
    problems: [...main.problems, ...tower.problems],
  };
}

/** The config of LlavaForConditionalGeneration with the same sizes. */
function unifiedConfig(config: JsonObject, vision: JsonObject): JsonObject {
  const reader = new ConfigReader(config);
  // The key is absent in the first releases, whose projector is one layer.
  requireVariant(reader, 'mm_projector_type', ['mlp2x_gelu'], 'linear');
  const feature = reader.oneOf('mm_vision_select_feature', ['patch', 'cls_patch'], { default: 'patch' });
  const text = Object.fromEntries(
    Object.entries(config).filter(([key]) => !/^(mm_|tune_mm_|freeze_mm_|unfreeze_mm_|image_)/.test(key)),
  );
  const vocab = reader.int('vocab_size', { min: 1, max: configLimits.vocab, default: 32000 });
  return {
    architectures: ['LlavaForConditionalGeneration'],
    model_type: 'llava',
    // The original code marks the place of a picture by -200, which is no id: here it is the first behind the
    // vocabulary, as in the releases of llava-hf.
    image_token_index: vocab,
    projector_hidden_act: 'gelu',
    vision_feature_layer: reader.int('mm_vision_select_layer', { min: -configLimits.layers, default: -2 }),
    vision_feature_select_strategy: feature === 'patch' ? 'default' : 'full',
    tie_word_embeddings: reader.bool('tie_word_embeddings', { default: false }),
    ...(config.torch_dtype === undefined ? {} : { torch_dtype: config.torch_dtype }),
    text_config: { ...text, architectures: ['LlamaForCausalLM'], model_type: 'llama' },
    vision_config: { ...vision, model_type: 'clip_vision_model' },
  };
}

/** `pad`: a picture is padded to a square with the mean colour before CLIP's preprocessing sees it. */
function aspectRatio(reader: ConfigReader): JsonObject {
  const how = reader.oneOf('image_aspect_ratio', ['pad', 'square'], { default: 'square' });
  return how === 'pad' ? { do_pad: true, image_processor_type: 'LlavaImageProcessor' } : {};
}
