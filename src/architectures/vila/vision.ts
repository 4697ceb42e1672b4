/**
 * The tower of a VILA checkpoint, SigLIP's or CLIP's, up to the hidden state that the projector reads, as patches in
 * row-major order.
 *
 *   pixels f32 [N, 3, rows · patch, columns · patch] → f32 [N, patches, width]
 */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { isJsonObject } from '../../formats/json.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import type { Grid } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { type ClipVisionConfig, readClipVisionConfig } from '../clip/config.ts';
import { clipTower } from '../clip/tower.ts';
import type { ModuleNames } from '../module-names.ts';
import { readSiglipVisionConfig, type SiglipVisionConfig } from '../siglip/config.ts';
import { siglipTower } from '../siglip/tower.ts';
import { requireVariant } from '../variants.ts';

type Tower =
  | { readonly kind: 'siglip'; readonly config: SiglipVisionConfig }
  | { readonly kind: 'clip'; readonly config: ClipVisionConfig };

export interface VilaVision {
  readonly tower: Tower;
  readonly width: number;
  readonly patch: number;
  readonly imageSize: number;
  /** The hidden state that is read; 0 is before the first block. */
  readonly state: number;
  /** Tokens of that state that are no patch, all before the others: CLIP's class token. */
  readonly extra: number;
  /** Of all tokens, how many from the first on are left out. */
  readonly drops: number;
}

export const towerModule: ModuleNames = {
  prefixes: ['vision_tower.vision_model', 'vision_tower'],
  contents: ['embeddings.', 'encoder.'],
};

/** `root`: the model's config. Throws VC12xx. */
export function readVision(root: ConfigReader, folder: JsonObject): VilaVision {
  const file = 'vision_tower/config.json';
  // The folder may hold a model of texts, too.
  const own = isJsonObject(folder.vision_config) ? folder.vision_config : folder;
  const reader = new ConfigReader(own, file, own === folder ? '' : 'vision_config');
  requireVariant(reader, 'model_type', ['siglip_vision_model', 'clip_vision_model'], 'siglip_vision_model');
  const clip = reader.string('model_type', { default: '' }) === 'clip_vision_model';
  const tower: Tower = clip
    ? { kind: 'clip', config: readClipVisionConfig(reader) }
    : { kind: 'siglip', config: readSiglipVisionConfig(reader) };
  const { layers, width, patch, imageSize } = tower.config;
  const range = { min: -(layers + 1), max: Math.min(layers, configLimits.layers) };
  const layer = root.int('mm_vision_select_layer', { ...range, default: -2 });
  const select = root.oneOf('mm_vision_select_feature', ['patch', 'cls_patch'], { default: 'patch' });
  return {
    tower,
    width,
    patch,
    imageSize,
    state: layer < 0 ? layers + 1 + layer : layer,
    extra: clip ? 1 : 0,
    // The original code drops a token by this word whatever it is.
    drops: select === 'patch' ? 1 : 0,
  };
}

/** → f32 [N, tokens, width] */
export function towerFeatures(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { tower, state, drops, extra }: VilaVision,
  grid: Grid,
): Value {
  const x =
    tower.kind === 'siglip'
      ? siglipTower(b, pixels, weights, { config: tower.config, grid, state })
      : clipTower(b, pixels, weights, { config: tower.config, grid, states: [state] })[0];
  if (x === undefined) throw new RangeError(`no hidden state ${state}`);
  if (drops === 0) return x;
  const all = extra + grid.rows * grid.columns;
  return b.op('Slice', [x, b.int64([drops]), b.int64([all]), b.int64([1])]);
}

/** How many tokens a view has, and those of the projector before they are joined. */
export function towerTokens({ extra, drops }: VilaVision, grid: Grid): number {
  return extra + grid.rows * grid.columns - drops;
}
