/**
 * What a SigLIP vision tower says in its config, validated. Absent keys mean the defaults of transformers'
 * SiglipVisionConfig, which released files rely on.
 */
import { type ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { readActivation } from '../blocks/activation.ts';
import type { EncoderConfig } from '../blocks/encoder-layer.ts';
import { readVisionSizes } from '../config-shapes.ts';
import { requireVariant } from '../variants.ts';

export interface SiglipVisionConfig extends EncoderConfig {
  readonly layers: number;
  /** Side of a patch, in pixels. */
  readonly patch: number;
  /** Side of the square that the positions were trained for. */
  readonly imageSize: number;
}

/** @throws VlmError VC1201 to VC1204, VC1232 for another model_type */
export function readSiglipVisionConfig(reader: ConfigReader): SiglipVisionConfig {
  requireVariant(reader, 'model_type', ['siglip_vision_model'], 'siglip_vision_model');
  const { width, heads, patch, imageSize } = readVisionSizes(reader, { patch: 16 });
  return {
    width,
    heads,
    patch,
    imageSize,
    layers: reader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 12 }),
    mlpWidth: reader.int('intermediate_size', { min: 1, max: configLimits.width, default: 3072 }),
    activation: readActivation(reader, 'hidden_act', 'gelu_pytorch_tanh'),
    epsilon: reader.number('layer_norm_eps', { above: 0, max: 1, default: 1e-6 }),
  };
}
