/**
 * The VQ decoder: codes of a grid, row by row, to a picture whose sides are 2^(levels - 1) times the grid's.
 *
 *   codes i64 [N, T] → rows of the codebook, each of length 1 → map [N, numbers of a code, rows, columns]
 *   → 1x1 convolution → 3x3 → residual block, attention, residual block
 *   → levels: residual blocks, attention in the deepest, nearest x2 and 3x3 in all but the last
 *   → group norm, SiLU, 3x3 → pixels f32 [N, 3, H, W], about -1 … 1
 *
 * Source of the math: vq_model.py of deepseek-ai/Janus, modeling_janus.py of transformers.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { activate } from '../blocks/activation.ts';
import { attention } from '../blocks/attention.ts';
import { convolution2d, readConvolution2d } from '../blocks/convolution2d.ts';
import { type GroupNormShape, groupNorm, readGroupNorm } from '../blocks/group-norm.ts';
import type { Grid } from '../blocks/resize.ts';
import { initializer, type WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import type { JanusConfig } from './config.ts';
import type { VqDecoderNames } from './layout.ts';

/** Hard-coded in both codes. */
const norm: GroupNormShape = { groups: 32, epsilon: 1e-6 };
const pictureChannels = 3;
/** A code of all zeros is not divided by its length: F.normalize's own limit. */
const leastLength = 1e-12;

export interface VqWeights {
  /** [codes, numbers of a code] */
  readonly codebook: WeightReader;
  readonly postQuant: WeightReader;
  readonly vqDecoder: WeightReader;
}

export function buildImageDecoder(
  weights: VqWeights,
  { codes, genAligner: { inputs: size }, vq, side }: JanusConfig,
  names: VqDecoderNames,
): Model {
  const b = new GraphBuilder('image_decode', inferNode);
  const ids = b.input('codes', tensorType('int64', ['batch_size', side * side]));
  let grid: Grid = { rows: side, columns: side };
  const { vqDecoder: decoder } = weights;
  const latent = b.scope('codebook', () => {
    const map = codeMap(b, ids, weights.codebook, codes, size, grid);
    return convolution2d(
      b,
      map,
      readConvolution2d(weights.postQuant, { width: vq.latent, channels: size, kernel: 1 }),
    );
  });
  let channels = vq.levels[0]?.channels ?? 0;
  let x = convolution2d(
    b,
    latent,
    readConvolution2d(decoder.at('conv_in'), { width: channels, channels: vq.latent, kernel: 3 }),
  );
  const [first, attend, last] = names.middle;
  x = b.scope('mid.0', () => residualBlock(b, x, decoder.at(first), { from: channels, to: channels }, grid));
  x = b.scope('mid.1', () => attentionBlock(b, x, decoder.at(attend), channels, grid));
  x = b.scope('mid.2', () => residualBlock(b, x, decoder.at(last), { from: channels, to: channels }, grid));
  for (const [index, level] of vq.levels.entries()) {
    const module = decoder.at(`${names.levels}.${index}`);
    for (const [block, attends] of level.attention.entries()) {
      const sizes = { from: channels, to: level.channels };
      x = b.scope(`level.${index}.${block}`, () =>
        residualBlock(b, x, module.at(`${names.blocks}.${block}`), sizes, grid),
      );
      channels = level.channels;
      if (!attends) continue;
      x = b.scope(`level.${index}.${block}.attn`, () =>
        attentionBlock(b, x, module.at(`attn.${block}`), channels, grid),
      );
    }
    if (index === vq.levels.length - 1) continue;
    x = b.scope(`level.${index}.up`, () => upsample(b, x, module.at('upsample.conv'), channels));
    grid = { rows: grid.rows * 2, columns: grid.columns * 2 };
  }
  const pixels = b.scope('out', () => {
    const bent = activate(
      b,
      groupNorm(b, x, readGroupNorm(decoder.at('norm_out'), channels, norm), grid),
      'silu',
    );
    return convolution2d(
      b,
      bent,
      readConvolution2d(decoder.at('conv_out'), { width: pictureChannels, channels, kernel: 3 }),
    );
  });
  b.output('pixels', pixels);
  b.graph.setType(pixels, tensorType('float32', ['batch_size', pictureChannels, grid.rows, grid.columns]));
  return createModel(b.graph, referenceOpset);
}

/** codes i64 [N, T] → f32 [N, size, rows, columns] */
function codeMap(
  b: GraphBuilder,
  ids: Value,
  codebook: WeightReader,
  codes: number,
  size: number,
  { rows, columns }: Grid,
): Value {
  const table = initializer(b, codebook.take('weight', [codes, size]));
  // Not Gather, whose tables passes take for embeddings: a bit less of a code is another colour everywhere.
  const code = b.op('GatherND', [table, b.op('Unsqueeze', [ids, b.int64([-1])])]);
  const length = b.op('ReduceL2', [code, b.int64([-1])], { attributes: { keepdims: 1 } });
  const unit = b.op('Div', [code, b.op('Max', [length, b.scalar(leastLength)])]);
  const channelsFirst = b.op('Transpose', [unit], { attributes: { perm: [0, 2, 1] } });
  return b.op('Reshape', [channelsFirst, b.int64([0, size, rows, columns])]);
}

/** x [N, from, H, W] → [N, to, H, W] */
function residualBlock(
  b: GraphBuilder,
  x: Value,
  block: WeightReader,
  { from, to }: { readonly from: number; readonly to: number },
  grid: Grid,
): Value {
  const half = (input: Value, index: 1 | 2, channels: number): Value => {
    const weights = readGroupNorm(block.at(`norm${index}`), channels, norm);
    const bent = activate(b, groupNorm(b, input, weights, grid), 'silu');
    return convolution2d(
      b,
      bent,
      readConvolution2d(block.at(`conv${index}`), { width: to, channels, kernel: 3 }),
    );
  };
  const inner = half(half(x, 1, from), 2, to);
  const shortcut = { width: to, channels: from, kernel: 1 };
  const kept = from === to ? x : convolution2d(b, x, readConvolution2d(block.at('nin_shortcut'), shortcut));
  return b.op('Add', [kept, inner]);
}

/**
 * One head over all places of the map. Its 1x1 convolutions are not spelled as linears, which passes would store in four
 * bits like those of the language model: that would save a five hundredth of the model, and cost the picture its colours.
 */
function attentionBlock(b: GraphBuilder, x: Value, block: WeightReader, channels: number, grid: Grid): Value {
  const normed = groupNorm(b, x, readGroupNorm(block.at('norm'), channels, norm), grid);
  const convolve = (name: string, input: Value): Value =>
    convolution2d(b, input, readConvolution2d(block.at(name), { width: channels, channels, kernel: 1 }));
  const project = (name: string): Value => {
    const places = b.op('Reshape', [
      convolve(name, normed),
      b.int64([0, channels, grid.rows * grid.columns]),
    ]);
    return b.op('Transpose', [places], { attributes: { perm: [0, 2, 1] } });
  };
  const mixed = attention(b, {
    q: project('q'),
    k: project('k'),
    v: project('v'),
    heads: 1,
    headDim: channels,
  });
  const channelsFirst = b.op('Transpose', [mixed], { attributes: { perm: [0, 2, 1] } });
  const map = b.op('Reshape', [channelsFirst, b.int64([0, channels, grid.rows, grid.columns])]);
  return b.op('Add', [x, convolve('proj_out', map)]);
}

/** x [N, C, H, W] → [N, C, 2 H, 2 W] */
function upsample(b: GraphBuilder, x: Value, conv: WeightReader, channels: number): Value {
  const twice = b.op('Resize', [x, null, b.float32([1, 1, 2, 2])], {
    attributes: {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    },
  });
  return convolution2d(b, twice, readConvolution2d(conv, { width: channels, channels, kernel: 3 }));
}
