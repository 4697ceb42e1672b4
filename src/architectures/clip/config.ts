/**
 * What a CLIP vision tower says in its config, validated. Absent keys mean the defaults of transformers'
 * CLIPVisionConfig, which released files rely on.
 */
import { type ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { type Activation, readActivation } from '../blocks/activation.ts';
import { requireVariant } from '../variants.ts';

export interface ClipVisionConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: Activation;
  readonly patch: number;
  /** Side of the square that the positions were trained for. */
  readonly imageSize: number;
  readonly epsilon: number;
}

/** @throws VlmError VC1201 to VC1204, VC1232 for another model_type */
export function readClipVisionConfig(reader: ConfigReader): ClipVisionConfig {
  requireVariant(reader, 'model_type', ['clip_vision_model'], 'clip_vision_model');
  const width = reader.int('hidden_size', { min: 1, max: configLimits.width, default: 768 });
  const heads = reader.int('num_attention_heads', { min: 1, max: configLimits.heads, default: 12 });
  if (width % heads !== 0) {
    throw reader.conflict(
      ['hidden_size', 'num_attention_heads'],
      `${width} and ${heads}`,
      'heads that divide the hidden size',
    );
  }
  const patch = reader.int('patch_size', { min: 1, max: configLimits.side, default: 32 });
  const imageSize = reader.int('image_size', { min: 1, max: configLimits.side, default: 224 });
  if (imageSize < patch) {
    throw reader.conflict(['image_size', 'patch_size'], `${imageSize} and ${patch}`, 'at least one patch');
  }
  // Pictures are RGB all the way from the preprocessor.
  reader.int('num_channels', { min: 3, max: 3, default: 3 });
  return {
    width,
    heads,
    patch,
    imageSize,
    layers: reader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 12 }),
    mlpWidth: reader.int('intermediate_size', { min: 1, max: configLimits.width, default: 3072 }),
    activation: readActivation(reader, 'hidden_act', 'quick_gelu'),
    epsilon: reader.number('layer_norm_eps', { above: 0, max: 1, default: 1e-5 }),
  };
}
