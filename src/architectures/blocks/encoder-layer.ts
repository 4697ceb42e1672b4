/**
 * A layer of a vision transformer as transformers names its parts (CLIP, SigLIP, Idefics2): norm, attention with
 * biased projections, norm, two linears, each half added to what it read. x [N, S, width] → the same.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import type { Activation } from './activation.ts';
import { type Attend, attention } from './attention.ts';
import { layerNorm, readLayerNorm } from './layer-norm.ts';
import { linear, readLinear } from './linear.ts';
import { mlp } from './mlp.ts';
import type { WeightReader } from './weights.ts';

export interface EncoderConfig {
  readonly width: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: Activation;
  /** Of the layer norms. */
  readonly epsilon: number;
}

/** `attend` says what attends to what: by default every row of x to every other of the same N. */
export function encoderLayer(
  b: GraphBuilder,
  x: Value,
  layer: WeightReader,
  { width, heads, mlpWidth, activation, epsilon }: EncoderConfig,
  attend: Attend = attention,
): Value {
  const normed = layerNorm(b, x, readLayerNorm(layer.at('layer_norm1'), width, epsilon));
  const project = (name: string, input: Value): Value =>
    linear(b, input, readLinear(layer.at(`self_attn.${name}`), width, width, { bias: true }));
  const mixed = attend(b, {
    q: project('q_proj', normed),
    k: project('k_proj', normed),
    v: project('v_proj', normed),
    heads,
    headDim: width / heads,
  });
  const attended = b.op('Add', [x, project('out_proj', mixed)]);
  const weights = {
    up: readLinear(layer.at('mlp.fc1'), width, mlpWidth, { bias: true }),
    down: readLinear(layer.at('mlp.fc2'), mlpWidth, width, { bias: true }),
  };
  const inner = layerNorm(b, attended, readLayerNorm(layer.at('layer_norm2'), width, epsilon));
  return b.op('Add', [attended, mlp(b, inner, weights, activation)]);
}
