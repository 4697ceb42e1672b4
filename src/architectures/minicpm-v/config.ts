/**
 * What a MiniCPM-Llama3-V 2.5 checkpoint says in config.json, preprocessor_config.json and tokenizer_config.json,
 * validated. The language model's values stand at the root. Absent keys mean the defaults of the release's classes.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { isJsonObject } from '../../formats/json.ts';
import { fail } from '../../report/diagnostics.ts';
import { readActivation } from '../blocks/activation.ts';
import type { EncoderConfig } from '../blocks/encoder-layer.ts';
import { resamplerHeads } from '../blocks/resampler.ts';
import { readVisionSizes } from '../config-shapes.ts';
import { type LlamaConfig, readLlamaConfig } from '../llama/config.ts';
import type { SliceRule } from '../recipe.ts';
import { requireVariant } from '../variants.ts';

export interface MiniCpmVisionConfig extends EncoderConfig {
  /** Layers that run: without the last one where the config drops it. */
  readonly layers: number;
  /** Side of a patch, in pixels. */
  readonly patch: number;
  /** Positions per side of the table, of which a view takes those of the first row. */
  readonly side: number;
}

export interface MiniCpmConfig {
  readonly text: LlamaConfig;
  readonly vision: MiniCpmVisionConfig;
  /** Features per view. */
  readonly queries: number;
  /**
   * batch_vision_input. True: views run padded to the largest of them, and what is padded counts as a patch, as in the
   * release. False: each view runs at its own length.
   */
  readonly padded: boolean;
}

/** Of the resampler's layer norms, whatever the config says of others. */
export const resamplerEpsilon = 1e-6;

/** @throws VlmError VC12xx naming the key, what was found and what was expected */
export function readMiniCpmConfig(config: JsonObject): MiniCpmConfig {
  refuseOtherVersions(config);
  const root = new ConfigReader(config);
  const text = readLlamaConfig(root, { modelType: 'minicpmv' });
  const heads = resamplerHeads(text.hidden);
  // Its positions are sines and cosines of two axes: four equal parts.
  if (heads < 1 || text.hidden % heads !== 0 || text.hidden % 4 !== 0) {
    throw root.conflict(
      ['hidden_size'],
      `${text.hidden}, which is ${heads} resampler heads`,
      'at least 128, and a multiple of 4 and of floor(hidden_size / 128)',
    );
  }
  const drops = root.bool('drop_vision_last_layer', { default: true });
  return {
    text,
    vision: readVision(root.optionalObject('vision_config') ?? new ConfigReader(releasedVision), drops),
    queries: root.int('query_num', { min: 1, max: configLimits.width, default: 64 }),
    padded: root.bool('batch_vision_input', { default: true }),
  };
}

/** What the release's config class takes where `vision_config` is absent. */
const releasedVision: JsonObject = {
  hidden_size: 1152,
  image_size: 980,
  intermediate_size: 4304,
  model_type: 'idefics2',
  num_attention_heads: 16,
  num_hidden_layers: 27,
  patch_size: 14,
};

function readVision(reader: ConfigReader, drops: boolean): MiniCpmVisionConfig {
  requireVariant(reader, 'model_type', ['idefics2', 'idefics2_vision'], 'idefics2');
  const { width, heads, patch, imageSize } = readVisionSizes(reader);
  const layers = reader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 12 });
  return {
    width,
    heads,
    patch,
    side: Math.floor(imageSize / patch),
    layers: drops ? layers - 1 : layers,
    mlpWidth: reader.int('intermediate_size', { min: 1, max: configLimits.width, default: 3072 }),
    activation: readActivation(reader, 'hidden_act', 'gelu_pytorch_tanh'),
    epsilon: reader.number('layer_norm_eps', { above: 0, max: 1, default: 1e-6 }),
  };
}

/**
 * All versions say `minicpmv`. The first revision of 2.5 and MiniCPM-V 2.0 say no version; 2.0 is told by its size.
 * Throws VC1232 for what is not 2.5.
 */
function refuseOtherVersions(config: JsonObject): void {
  const { version } = config;
  const is20 = version === undefined && config.hidden_size === 2304 && config.query_num === 64;
  if (!is20 && (version == null || version === '2.5' || version === 2.5)) return;
  throw fail('VC1232', {
    where: 'config.json: version',
    found: is20
      ? 'no version, hidden_size 2304 and query_num 64: MiniCPM-V 2.0'
      : JSON.stringify(version).slice(0, 80),
    expected: '"2.5"',
    hint: 'other versions of MiniCPM-V have other language models, position ids and slicing',
  });
}

/** What becomes of a picture: how it is cut, and mean and standard deviation per channel. */
export interface MiniCpmPreprocessing {
  readonly rule: SliceRule;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** The image processor's own settings go before those of the model's config. */
export function readPreprocessing({ config, json }: Checkpoint, patch: number): MiniCpmPreprocessing {
  const file = 'preprocessor_config.json';
  const settings = json.get(file);
  const reader = new ConfigReader(isJsonObject(settings) ? settings : {}, file);
  // Settings of 2.5 hold a number here, or nothing.
  const version = reader.value('version');
  if (version !== undefined && version !== 2.5 && version !== '2.5') {
    throw fail('VC1232', {
      where: reader.place('version'),
      found: JSON.stringify(version).slice(0, 80),
      expected: '2.5',
    });
  }
  if (!reader.bool('slice_mode', { default: true })) {
    throw fail('VC1232', { where: reader.place('slice_mode'), found: 'false', expected: 'true' });
  }
  const own = reader.int('patch_size', { min: 1, max: configLimits.side, default: patch });
  if (own !== patch) {
    throw fail('VC1204', {
      where: `${reader.place('patch_size')}, config.json: vision_config.patch_size`,
      found: `${own} and ${patch}`,
      expected: 'equal',
    });
  }
  const model = new ConfigReader(config).optionalObject('slice_config');
  const slices = { min: 1, max: maxSlices };
  const range = { min: 1, max: configLimits.side };
  return {
    rule: {
      patch,
      maxSlices: reader.int('max_slice_nums', {
        ...slices,
        default: model?.int('max_slice_nums', { ...slices, default: 1 }) ?? 9,
      }),
      scale: reader.int('scale_resolution', {
        ...range,
        default: model?.int('scale_resolution', { ...range, default: 448 }) ?? 448,
      }),
    },
    mean: reader.numbers('norm_mean', { length: 3, default: [0.5, 0.5, 0.5] }),
    std: reader.numbers('norm_std', { length: 3, above: 0, default: [0.5, 0.5, 0.5] }),
  };
}

/** Of a picture: a hundred times what a release takes. */
const maxSlices = 1024;
