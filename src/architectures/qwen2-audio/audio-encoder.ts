/**
 * The audio encoder, Whisper's with a pool of two behind it, and the projector:
 *
 *   input_features f32 [sounds, bands, frames], feature_attention_mask i64 [sounds, frames] (1 on frames of sound)
 *   → audio_features f32 [sounds, tokens, hidden], audio_lengths i64 [sounds]: the first so many rows are features
 *
 * Keys behind the sound are hidden from every layer; queries there are computed and no one reads them. Source of the
 * math: modeling_qwen2_audio.py of transformers.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { sliceRows } from '../../tensor/derived/rows.ts';
import { activate } from '../blocks/activation.ts';
import { type Attend, attention } from '../blocks/attention.ts';
import { convolution1d, readConvolution1d } from '../blocks/convolution.ts';
import { float32Min } from '../blocks/decoder-slots.ts';
import { encoderLayer } from '../blocks/encoder-layer.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { initializer } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import type { AudioGeometry } from '../media.ts';
import type { Qwen2AudioConfig } from './config.ts';
import type { Qwen2AudioWeights } from './layout.ts';

export const encoderPorts = {
  features: 'input_features',
  mask: 'feature_attention_mask',
  output: 'audio_features',
  lengths: 'audio_lengths',
} as const;

export function buildAudioEncoder(
  { tower, projector }: Pick<Qwen2AudioWeights, 'tower' | 'projector'>,
  { audio, text }: Qwen2AudioConfig,
  { frames, tokens }: AudioGeometry,
): Model {
  const b = new GraphBuilder('audio_encoder', inferNode);
  const { width, bands, layers, epsilon } = audio;
  const mel = b.input(encoderPorts.features, tensorType('float32', ['sounds', bands, frames]));
  const mask = b.input(encoderPorts.mask, tensorType('int64', ['sounds', frames]));
  const positions = frames / 2;

  const { valid, bias } = b.scope('mask', () => keysOfSound(b, mask, positions));
  let x = b.scope('embed', () => {
    const convolve = (value: Value, name: string, channels: number, stride: number): Value => {
      const weights = readConvolution1d(tower.at(name), { width, channels, kernel: 3 });
      return activate(b, convolution1d(b, value, weights, stride), 'gelu');
    };
    const map = convolve(convolve(mel, 'conv1', bands, 1), 'conv2', width, 2);
    const steps = b.op('Transpose', [map], { attributes: { perm: [0, 2, 1] } });
    const table = tower.at('embed_positions').take('weight', [audio.positions, width]);
    return b.op('Add', [steps, initializer(b, { ...table, tensor: sliceRows(table.tensor, 0, positions) })]);
  });
  const attend: Attend = (builder, inputs) => attention(builder, { ...inputs, mask: bias });
  for (let layer = 0; layer < layers; layer += 1) {
    x = b.scope(`layer.${layer}`, () => encoderLayer(b, x, tower.at(`layers.${layer}`), audio, attend));
  }
  const features = b.scope('projector', () => {
    const normed = layerNorm(
      b,
      poolPairs(b, x, positions),
      readLayerNorm(tower.at('layer_norm'), width, epsilon),
    );
    return linear(b, normed, readLinear(projector.at('linear'), width, text.hidden, { bias: true }));
  });
  b.output(encoderPorts.output, features);
  b.graph.setType(features, tensorType('float32', ['sounds', tokens, text.hidden]));
  // A last position without a partner is in no pair.
  b.output(
    encoderPorts.lengths,
    b.scope('lengths', () => b.op('Div', [valid, b.int64([2], [])])),
  );
  return createModel(b.graph, referenceOpset);
}

/**
 * From the mask of frames: `valid` i64 [sounds], positions that see sound, and `bias` f32 [sounds, 1, positions,
 * positions], 0 on their keys and the most negative float32 on others.
 */
function keysOfSound(
  b: GraphBuilder,
  mask: Value,
  positions: number,
): { readonly valid: Value; readonly bias: Value } {
  const frames = b.op('ReduceSum', [mask, b.int64([1])], { attributes: { keepdims: 0 } });
  // (frames - 1) // 2 + 1 without a division of -1.
  const valid = b.op('Div', [b.op('Add', [frames, b.int64([1], [])]), b.int64([2], [])]);
  const keys = b.int64(Array.from({ length: positions }, (_, index) => index));
  const seen = b.op('Less', [keys, b.op('Unsqueeze', [valid, b.int64([1])])]);
  const row = b.op('Where', [seen, b.scalar(0), b.scalar(float32Min)]);
  const bias = b.op('Expand', [b.op('Unsqueeze', [row, b.int64([1, 2])]), b.int64([1, 1, positions, 1])]);
  return { valid, bias };
}

/** [N, positions, width] → [N, positions / 2, width]: means of neighbours. */
function poolPairs(b: GraphBuilder, x: Value, positions: number): Value {
  const pairs = Math.floor(positions / 2);
  const even =
    positions === 2 * pairs ? x : b.op('Slice', [x, b.int64([0]), b.int64([2 * pairs]), b.int64([1])]);
  const width = x.type?.kind === 'tensor' ? x.type.shape?.[2] : undefined;
  if (typeof width !== 'number') throw new RangeError('the encoder has no known width');
  const paired = b.op('Reshape', [even, b.int64([-1, pairs, 2, width])]);
  return b.op('ReduceMean', [paired, b.int64([2])], { attributes: { keepdims: 0 } });
}
