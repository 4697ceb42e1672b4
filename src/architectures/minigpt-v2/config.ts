/**
 * What a MiniGPT-v2 checkpoint says in config.json, which is the model section of the original's YAML, and in that of its
 * language model. Absent keys mean the defaults of the original code: configs/models/minigpt_v2.yaml, eva_vit.py.
 */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import type { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import { fail } from '../../report/diagnostics.ts';
import type { EncoderConfig, EncoderLayerNames } from '../blocks/encoder-layer.ts';
import { type LlamaConfig, readLlamaConfig } from '../llama/config.ts';
import { requireVariant } from '../variants.ts';
import { modules } from './modules.ts';

export interface EvaConfig extends EncoderConfig {
  readonly layers: number;
  readonly patch: number;
}

export interface MiniGptConfig {
  readonly text: LlamaConfig;
  readonly vision: EvaConfig;
  /** Side of the square that the model was trained for. */
  readonly imageSize: number;
  /** A user's words in the form of the chat, `{}` where they go. */
  readonly template: string;
  /** Id of `<ImageHere>`, the first one behind the vocabulary, once per feature. */
  readonly imageTokenId: number;
}

/** Neighbours in a row of patches that become a token. */
export const joinedPatches = 4;

const evaHeadDim = 88;
const defaultTemplate = '[INST] {} [/INST]';

const evaNames: EncoderLayerNames = {
  norm1: 'norm1',
  norm2: 'norm2',
  qkv: 'attn.qkv',
  biases: { q: 'attn.q_bias', v: 'attn.v_bias' },
  output: 'attn.proj',
  up: 'mlp.fc1',
  down: 'mlp.fc2',
  unbiased: [],
};

/**
 * The tower's sizes are read from its tensors and held to what the config says of them.
 *
 * @throws VlmError VC12xx naming the key or the tensor, what was found and what was expected
 */
export function readMiniGptConfig(config: JsonObject, table: TensorTable): MiniGptConfig {
  const root = new ConfigReader(config);
  requireVariant(root, 'arch', ['minigpt_v2'], 'minigpt_v2');
  requireVariant(root, 'vit_model', ['eva_clip_g'], 'eva_clip_g');
  const text = readLlamaConfig(root.object('text_config'));
  const template = root.string('prompt_template', { default: defaultTemplate });
  return {
    text,
    vision: readEvaConfig(root, table),
    imageSize: root.int('image_size', { min: 1, max: configLimits.side, default: 448 }),
    template: template.includes('{}') ? template : defaultTemplate,
    imageTokenId: text.vocab,
  };
}

function readEvaConfig(root: ConfigReader, table: TensorTable): EvaConfig {
  const vit = root.optionalObject('vit') ?? new ConfigReader({});
  const shape = (name: string, length: number): readonly number[] => {
    const where = `${modules.tower}.${name}`;
    const found = table.shapeOf(where);
    if (found === undefined) throw fail('VC1221', { where });
    if (found.length === length) return found;
    throw fail('VC1222', { where, found: `[${found}]`, expected: `${length} axes` });
  };
  const [width = 0, , patch = 0] = shape('patch_embed.proj.weight', 4);
  const [mlpWidth = 0] = shape('blocks.0.mlp.fc1.weight', 2);
  const heads = vit.int('num_heads', {
    min: 1,
    max: configLimits.heads,
    default: Math.floor(width / evaHeadDim),
  });
  const ratio = vit.number('mlp_ratio', { above: 0, max: 64, default: mlpWidth / width });
  const stated: readonly [string, number, number][] = [
    ['embed_dim', vit.int('embed_dim', { default: width }), width],
    ['patch_size', vit.int('patch_size', { default: patch }), patch],
    // As the original code cuts it.
    ['mlp_ratio', Math.trunc(width * ratio), mlpWidth],
  ];
  for (const [key, said, found] of stated) {
    if (said !== found) throw root.conflict([`vit.${key}`], `${said}`, `${found}, as the tensors have it`);
  }
  if (heads === 0 || width % heads !== 0) {
    throw root.conflict(['vit.num_heads'], `${heads}`, `heads that divide the width ${width}`);
  }
  return {
    width,
    heads,
    mlpWidth,
    patch,
    layers: vit.int('depth', { min: 1, max: configLimits.layers, default: 39 }),
    activation: 'gelu',
    epsilon: 1e-6,
    names: evaNames,
  };
}
