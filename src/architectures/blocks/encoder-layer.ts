/**
 * A layer of an encoder as transformers names its parts (CLIP, SigLIP, Idefics2; Whisper by other names): norm,
 * attention with biased projections, norm, two linears, each half added to what it read. x [N, S, width] → the same.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { zeros } from '../../tensor/derived/fill.ts';
import { concat } from '../../tensor/derived/join.ts';
import type { Activation } from './activation.ts';
import { type Attend, attention, splitQkv } from './attention.ts';
import { layerNorm, readLayerNorm } from './layer-norm.ts';
import { linear, readLinear } from './linear.ts';
import { mlp } from './mlp.ts';
import type { Weight, WeightReader } from './weights.ts';

export interface EncoderConfig {
  readonly width: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: Activation;
  /** Of the layer norms. */
  readonly epsilon: number;
  /** Default `visionNames`. */
  readonly names?: EncoderLayerNames;
}

/** What the modules of a layer are called; separate projections are `self_attn.q_proj` and so on everywhere. */
export interface EncoderLayerNames {
  readonly norm1: string;
  readonly norm2: string;
  readonly up: string;
  readonly down: string;
  /** What joins the heads; default `self_attn.out_proj`. */
  readonly output?: string;
  /** Projections without bias. */
  readonly unbiased: readonly string[];
  /** The one module of all three projections, whose rows are q | k | v. */
  readonly qkv?: string;
  /** Where q and v of `qkv` have biases [width] of their own, and k has none. */
  readonly biases?: { readonly q: string; readonly v: string };
}

const visionNames: EncoderLayerNames = {
  norm1: 'layer_norm1',
  norm2: 'layer_norm2',
  up: 'mlp.fc1',
  down: 'mlp.fc2',
  unbiased: [],
};

/** `attend` says what attends to what: by default every row of x to every other of the same N. */
export function encoderLayer(
  b: GraphBuilder,
  x: Value,
  layer: WeightReader,
  { width, heads, mlpWidth, activation, epsilon, names = visionNames }: EncoderConfig,
  attend: Attend = attention,
): Value {
  const normed = layerNorm(b, x, readLayerNorm(layer.at(names.norm1), width, epsilon));
  const [q, k, v] = projections(b, normed, layer, width, names);
  const mixed = attend(b, { q, k, v, heads, headDim: width / heads });
  const output = readLinear(layer.at(names.output ?? 'self_attn.out_proj'), width, width, { bias: true });
  const attended = b.op('Add', [x, linear(b, mixed, output)]);
  const weights = {
    up: readLinear(layer.at(names.up), width, mlpWidth, { bias: true }),
    down: readLinear(layer.at(names.down), mlpWidth, width, { bias: true }),
  };
  const inner = layerNorm(b, attended, readLayerNorm(layer.at(names.norm2), width, epsilon));
  return b.op('Add', [attended, mlp(b, inner, weights, activation)]);
}

/** Layers 0 to `count` - 1 of a module: the hidden states before each of them, and behind the last. */
export function encoderLayers(
  b: GraphBuilder,
  x: Value,
  layers: WeightReader,
  count: number,
  config: EncoderConfig,
  attend?: Attend,
): readonly [Value, ...Value[]] {
  const states: [Value, ...Value[]] = [x];
  let hidden = x;
  for (let index = 0; index < count; index += 1) {
    const layer = layers.at(`${index}`);
    hidden = b.scope(`block.${index}`, () => encoderLayer(b, hidden, layer, config, attend));
    states.push(hidden);
  }
  return states;
}

/** q, k and v of x [N, S, width] */
function projections(
  b: GraphBuilder,
  x: Value,
  layer: WeightReader,
  width: number,
  { qkv, unbiased, biases }: EncoderLayerNames,
): readonly [Value, Value, Value] {
  if (qkv !== undefined) {
    const own = readLinear(layer.at(qkv), width, 3 * width, { bias: biases === undefined });
    const weights = biases === undefined ? own : { ...own, bias: joinedBias(layer, qkv, biases, width) };
    return splitQkv(b, linear(b, x, weights), width);
  }
  const project = (name: string): Value => {
    const bias = !unbiased.includes(name);
    return linear(b, x, readLinear(layer.at(`self_attn.${name}`), width, width, { bias }));
  };
  return [project('q_proj'), project('k_proj'), project('v_proj')];
}

/** [3 · width]: that of q, zeros, that of v. */
function joinedBias(
  layer: WeightReader,
  qkv: string,
  { q, v }: Required<EncoderLayerNames>['biases'],
  width: number,
): Weight {
  const part = (name: string) => cast(layer.take(name, [width]).tensor, 'float32');
  return {
    name: `${layer.prefix}${qkv}.bias`,
    tensor: concat([part(q), zeros('float32', [width]), part(v)]),
  };
}
