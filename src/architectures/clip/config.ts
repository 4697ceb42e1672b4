/**
 * What a CLIP vision tower says in its config, validated. Absent keys mean the defaults of transformers'
 * CLIPVisionConfig, which released files rely on.
 */
import { type ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { type Activation, readActivation } from '../blocks/activation.ts';
import { readVisionSizes } from '../config-shapes.ts';
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
  const { width, heads, patch, imageSize } = readVisionSizes(reader);
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
