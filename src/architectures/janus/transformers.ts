/** The config of JanusForConditionalGeneration. Absent keys mean the defaults of its classes. */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { fail } from '../../report/diagnostics.ts';
import { readActivation } from '../blocks/activation.ts';
import { readWidthAndHeads } from '../config-shapes.ts';
import { type LlamaConfig, readLlamaConfig } from '../llama/config.ts';
import type { SiglipVisionConfig } from '../siglip/config.ts';
import { requireVariant } from '../variants.ts';
import type { AlignerConfig, JanusConfig } from './config.ts';
import { type JanusWeights, transformersLayout } from './layout.ts';
import { readVqStructure } from './vq-structure.ts';

/** @throws VlmError VC1201 to VC1204, VC1232 for what would compute something else */
export function readTransformersConfig(config: JsonObject, weights: JanusWeights): JanusConfig {
  const root = new ConfigReader(config);
  const section = (key: string): ConfigReader =>
    root.optionalObject(key) ?? new ConfigReader({}, 'config.json', key);
  const visionReader = section('vision_config');
  const vqReader = section('vq_config');
  const text = readText(root, section('text_config'), weights);
  const vision = readVision(visionReader);
  const side = Math.floor(vision.imageSize / vision.patch);
  const tokens = visionReader.int('num_image_tokens', { default: 576 });
  if (tokens !== side * side) {
    throw visionReader.conflict(
      ['num_image_tokens', 'image_size', 'patch_size'],
      `${tokens} tokens, ${vision.imageSize} and ${vision.patch} pixels`,
      `${side * side} tokens, one for each patch`,
    );
  }
  const depth = visionReader.int('depth', { min: 1, max: configLimits.layers, default: 2 });
  requireHidden(visionReader, 'projection_dim', text.hidden);
  requireHidden(vqReader, 'projection_dim', text.hidden);
  requireHidden(vqReader, 'image_token_embed_dim', text.hidden);
  const activation = readActivation(vqReader, 'hidden_act', 'gelu');
  // Of the decoder's last convolution: pictures are RGB.
  vqReader.int('out_channels', { min: 3, max: 3, default: 3 });
  const genAligner: AlignerConfig = {
    inputs: vqReader.int('embed_dim', { min: 1, max: configLimits.width, default: 8 }),
    width: text.hidden,
    depth: vqReader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 2 }),
    activation,
  };
  const multipliers = vqReader.ints('channel_multiplier', {
    min: 1,
    max: configLimits.width,
    default: [1, 1, 2, 2, 4],
  });
  const counts = {
    levels: multipliers.length,
    blocks: vqReader.int('num_res_blocks', { min: 0, max: configLimits.layers, default: 2 }) + 1,
  };
  return {
    text,
    vision,
    aligner: { inputs: vision.width, width: text.hidden, depth, activation: vision.activation },
    genAligner,
    codes: vqReader.int('num_embeddings', { min: 1, max: configLimits.vocab, default: 16384 }),
    head: { width: text.hidden, activation },
    vq: readVqStructure(weights.vqDecoder, transformersLayout.vqDecoder, counts),
    side,
  };
}

/** The head is the embedding table where the config says so and the file has no other. */
function readText(root: ConfigReader, reader: ConfigReader, { head }: JanusWeights): LlamaConfig {
  const text = readLlamaConfig(reader);
  const tied = root.bool('tie_word_embeddings', { default: true });
  return { ...text, tied: tied && !head.has('weight') };
}

function readVision(reader: ConfigReader): SiglipVisionConfig {
  requireVariant(reader, 'model_type', ['janus_vision_model'], 'janus_vision_model');
  if (reader.bool('use_qk_norm', { default: false })) {
    throw fail('VC1232', { where: reader.place('use_qk_norm'), found: 'true', expected: 'false' });
  }
  const { width, heads } = readWidthAndHeads(reader, {
    width: { key: 'hidden_size', default: 1024 },
    heads: { key: 'num_attention_heads', default: 16 },
  });
  const imageSize = reader.int('image_size', { min: 1, max: configLimits.side, default: 384 });
  const patch = reader.int('patch_size', { min: 1, max: configLimits.side, default: 16 });
  if (imageSize < patch) {
    throw reader.conflict(['image_size', 'patch_size'], `${imageSize} and ${patch}`, 'at least one patch');
  }
  // Pictures are RGB all the way from the preprocessor.
  reader.int('num_channels', { min: 3, max: 3, default: 3 });
  const ratio = reader.number('mlp_ratio', { above: 0, max: configLimits.width, default: 4 });
  const biased = reader.bool('attention_bias', { default: true });
  const names = transformersLayout.tower.layer;
  return {
    width,
    heads,
    imageSize,
    patch,
    layers: reader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 24 }),
    mlpWidth: Math.trunc(width * ratio),
    activation: readActivation(reader, 'hidden_act', 'gelu'),
    epsilon: reader.number('layer_norm_eps', { above: 0, max: 1, default: 1e-6 }),
    names: biased ? names : { ...names, unbiased: ['q_proj', 'k_proj', 'v_proj'] },
  };
}

/** What is added to, or read from, the language model has its width. */
function requireHidden(reader: ConfigReader, key: string, hidden: number): void {
  const found = reader.int(key, { min: 1, max: configLimits.width, default: 2048 });
  if (found === hidden) return;
  throw reader.conflict([key], `${found}`, `${hidden}, as text_config.hidden_size`);
}
