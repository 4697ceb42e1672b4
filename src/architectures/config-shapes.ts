/** Sizes that every transformer's config says in its own words, and what has to hold between them. */
import { type ConfigReader, configLimits } from '../formats/checkpoint/config.ts';
import { type ActivationName, readActivation } from './blocks/activation.ts';
import type { EncoderConfig } from './blocks/encoder-layer.ts';
import { requireVariant } from './variants.ts';

interface SizeKey {
  readonly key: string;
  readonly default: number;
}

/** Throws VC1202 to VC1204, the last where the heads do not divide the width. */
export function readWidthAndHeads(
  reader: ConfigReader,
  sizes: { readonly width: SizeKey; readonly heads: SizeKey },
): { readonly width: number; readonly heads: number } {
  const width = reader.int(sizes.width.key, {
    min: 1,
    max: configLimits.width,
    default: sizes.width.default,
  });
  const heads = reader.int(sizes.heads.key, {
    min: 1,
    max: configLimits.heads,
    default: sizes.heads.default,
  });
  if (width % heads !== 0) {
    throw reader.conflict(
      [sizes.width.key, sizes.heads.key],
      `${width} and ${heads}`,
      'heads that divide the hidden size',
    );
  }
  return { width, heads };
}

/** A vision transformer over RGB pictures, with the defaults that CLIP and Idefics2 share. Throws as `readWidthAndHeads`. */
export function readVisionSizes(
  reader: ConfigReader,
  defaults: { readonly patch: number } = { patch: 32 },
): {
  readonly width: number;
  readonly heads: number;
  /** Side of a patch, and of the square that positions were trained for, in pixels. */
  readonly patch: number;
  readonly imageSize: number;
} {
  const { width, heads } = readWidthAndHeads(reader, {
    width: { key: 'hidden_size', default: 768 },
    heads: { key: 'num_attention_heads', default: 12 },
  });
  const patch = reader.int('patch_size', { min: 1, max: configLimits.side, default: defaults.patch });
  const imageSize = reader.int('image_size', { min: 1, max: configLimits.side, default: 224 });
  if (imageSize < patch) {
    throw reader.conflict(['image_size', 'patch_size'], `${imageSize} and ${patch}`, 'at least one patch');
  }
  // Pictures are RGB all the way from the preprocessor.
  reader.int('num_channels', { min: 3, max: 3, default: 3 });
  return { width, heads, patch, imageSize };
}

/** A vision transformer as transformers' configs of CLIP and SigLIP describe it. */
export interface VisionTowerConfig extends EncoderConfig {
  readonly layers: number;
  /** Side of a patch, and of the square that positions were trained for, in pixels. */
  readonly patch: number;
  readonly imageSize: number;
}

/** Defaults of a class of configs, which released files rely on. */
export interface VisionTowerDefaults {
  readonly modelType: string;
  readonly patch: number;
  readonly activation: ActivationName;
  readonly epsilon: number;
}

/** Throws VC1201 to VC1204, VC1232 for another model_type. */
export function readVisionTower(
  reader: ConfigReader,
  { modelType, patch, activation, epsilon }: VisionTowerDefaults,
): VisionTowerConfig {
  requireVariant(reader, 'model_type', [modelType], modelType);
  return {
    ...readVisionSizes(reader, { patch }),
    layers: reader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 12 }),
    mlpWidth: reader.int('intermediate_size', { min: 1, max: configLimits.width, default: 3072 }),
    activation: readActivation(reader, 'hidden_act', activation),
    epsilon: reader.number('layer_norm_eps', { above: 0, max: 1, default: epsilon }),
  };
}
