/** What the two layouts of a Janus checkpoint do differently, beside names. */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { ImageGeometry, InsideStep, Size } from '../media.ts';
import { objectOf } from '../processor-settings.ts';
import type { JanusConfig } from './config.ts';
import { type JanusLayout, type JanusWeights, originalLayout, transformersLayout } from './layout.ts';
import { readOriginalConfig } from './original.ts';
import type { JanusDrawing } from './recipe.ts';
import type { JanusTokens } from './special-tokens.ts';
import { readTransformersConfig } from './transformers.ts';

export interface JanusDialect {
  readonly layout: JanusLayout;
  readonly read: (config: JsonObject, weights: JanusWeights) => JanusConfig;
  /** Where the config states the side of a picture, for messages. */
  readonly sizeKey: string;
  readonly rounding: InsideStep['rounding'];
  /** Whether a question begins with the system's. */
  readonly withSystem: (checkpoint: Checkpoint) => boolean;
  /** `image`: how pictures that are shown are normalised. */
  readonly drawing: (
    checkpoint: Checkpoint,
    tokens: JanusTokens,
    image: Pick<ImageGeometry, 'mean' | 'std'>,
  ) => JanusDrawing;
  /** The config with another size, and as many tokens as it has patches. */
  readonly sizedConfig: (config: JsonObject, size: Size, tokens: number) => JsonValue;
  /** What settings of the image processor say of a size. */
  readonly sizedSettings: (size: Size) => JsonObject;
}

const releasedGuidance = 5;
const half = [0.5, 0.5, 0.5];

/** One number for a square, else height and width, as neither code reads it. */
const sideOf = ({ width, height }: Size): JsonValue => (width === height ? width : [height, width]);

/** deepseek-ai/Janus: what its scripts for drawing do stands in no file. */
const original: JanusDialect = {
  layout: originalLayout,
  read: readOriginalConfig,
  sizeKey: 'vision_config.params.image_size',
  rounding: 'down',
  withSystem: () => true,
  drawing: () => ({ guidance: releasedGuidance, kept: 'ends', mean: half, std: half }),
  sizedConfig: (config, size) => {
    const vision = objectOf(config.vision_config);
    const params = { ...objectOf(vision.params), image_size: sideOf(size) };
    return { ...config, vision_config: { ...vision, params } };
  },
  sizedSettings: (size) => ({ image_size: sideOf(size) }),
};

const transformers: JanusDialect = {
  layout: transformersLayout,
  read: readTransformersConfig,
  sizeKey: 'vision_config.image_size',
  rounding: 'half-even',
  withSystem: ({ json }) => {
    const file = 'processor_config.json';
    const reader = new ConfigReader(objectOf(json.get(file)), file);
    return reader.bool('use_default_system_prompt', { default: false });
  },
  drawing: ({ json }, { begin, imageStart }, { mean, std }) => {
    const file = 'generation_config.json';
    const reader = new ConfigReader(objectOf(json.get(file)), file);
    return {
      guidance: reader.number('guidance_scale', { default: releasedGuidance }),
      kept: [...(begin === undefined ? [] : [begin.id]), imageStart.id],
      mean,
      std,
    };
  },
  sizedConfig: (config, size, tokens) => {
    const vision = objectOf(config.vision_config);
    return {
      ...config,
      vision_config: { ...vision, image_size: sideOf(size), num_image_tokens: tokens },
    };
  },
  sizedSettings: ({ width, height }) => ({ size: { height, width } }),
};

export function dialectOf({ model_type }: JsonObject): JanusDialect {
  return model_type === 'janus' ? transformers : original;
}
