/**
 * What a LLaVA checkpoint says in config.json, validated: that of the Hugging Face layout, or what original.ts makes of
 * the original one. Absent keys mean the defaults of transformers' LlavaConfig.
 */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { type Activation, readActivation } from '../blocks/activation.ts';
import { type ClipVisionConfig, readClipVisionConfig } from '../clip/config.ts';
import { type LlamaConfig, readLlamaConfig } from '../llama/config.ts';

export interface LlavaConfig {
  readonly text: LlamaConfig;
  readonly vision: ClipVisionConfig;
  /** Hidden states of the tower that the projector reads, joined on channels; 0 is before the first block. */
  readonly featureStates: readonly number[];
  /** Whether the class token is a feature, too (`vision_feature_select_strategy: full`). */
  readonly keepsClassToken: boolean;
  readonly projectorActivation: Activation;
  readonly projectorBias: boolean;
  /** Id of `<image>`, repeated once per feature. It may be the first one behind the vocabulary. */
  readonly imageTokenId: number;
}

/** @throws VlmError VC12xx naming the key, what was found and what was expected */
export function readLlavaConfig(config: JsonObject): LlavaConfig {
  const root = new ConfigReader(config);
  const vision = readClipVisionConfig(root.object('vision_config'));
  const text = readLlamaConfig(root.object('text_config'));
  const idKey = root.has('image_token_id') ? 'image_token_id' : 'image_token_index';
  const imageTokenId = root.int(idKey, { min: 1, max: configLimits.vocab, default: 32000 });
  if (imageTokenId > text.vocab) {
    throw root.conflict(
      [idKey, 'text_config.vocab_size'],
      `${imageTokenId} and ${text.vocab}`,
      'an id of the vocabulary, or the first behind it',
    );
  }
  return {
    vision,
    // Either config may say that the head is the embedding table.
    text: { ...text, tied: text.tied || root.bool('tie_word_embeddings', { default: false }) },
    featureStates: readFeatureStates(root, vision.layers),
    keepsClassToken:
      root.oneOf('vision_feature_select_strategy', ['default', 'full'], { default: 'default' }) === 'full',
    projectorActivation: readActivation(root, 'projector_hidden_act', 'gelu'),
    projectorBias: root.bool('multimodal_projector_bias', { default: true }),
    imageTokenId,
  };
}

/** One index into the tower's hidden states or a list of them; negative ones count from the end. */
function readFeatureStates(root: ConfigReader, layers: number): readonly number[] {
  const key = 'vision_feature_layer';
  const range = { min: -(layers + 1), max: layers };
  const chosen = Array.isArray(root.value(key))
    ? root.ints(key, range)
    : [root.int(key, { ...range, default: -2 })];
  return chosen.map((index) => (index < 0 ? layers + 1 + index : index));
}
