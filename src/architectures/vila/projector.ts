/**
 * The projector of VILA: blocks of neighbouring patches are joined on channels, zeros standing for what the grid lacks at
 * the bottom and at the right, and become tokens of the language model's width.
 *
 *   x f32 [N, rows · columns, width] → [N, tokens, hidden]
 *
 * Source of the math: base_projector.py of VILA. Layer norms have torch's default epsilon, GELU is the exact one.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { activate } from '../blocks/activation.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import type { Grid } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';
import type { ProjectorSpec } from './projector-spec.ts';

const epsilon = 1e-5;

/** The grid of tokens that a grid of patches becomes. */
export function tokenGrid({ rows, columns }: Grid, { join }: ProjectorSpec): Grid {
  return { rows: Math.ceil(rows / join), columns: Math.ceil(columns / join) };
}

export function project(
  b: GraphBuilder,
  x: Value,
  weights: WeightReader,
  spec: ProjectorSpec,
  { grid, width }: { readonly grid: Grid; readonly width: number },
): Value {
  let tokens = spec.join === 1 ? x : joinBlocks(b, x, spec, grid, width);
  for (const layer of spec.layers) {
    if (layer.kind === 'gelu') {
      tokens = activate(b, tokens, 'gelu');
    } else if (layer.kind === 'norm') {
      tokens = layerNorm(b, tokens, readLayerNorm(weights.at(layer.name), layer.size, epsilon));
    } else {
      const { name, inputs, outputs } = layer;
      tokens = linear(b, tokens, readLinear(weights.at(name), inputs, outputs, { bias: true }));
    }
  }
  return tokens;
}

/** Channels of a block row by row; tokens row by row, or column by column where they are transposed. */
function joinBlocks(b: GraphBuilder, x: Value, spec: ProjectorSpec, grid: Grid, width: number): Value {
  const { join, transposed } = spec;
  const { rows, columns } = tokenGrid(grid, spec);
  let map = b.op('Reshape', [x, b.int64([-1, grid.rows, grid.columns, width])]);
  const bottom = rows * join - grid.rows;
  const right = columns * join - grid.columns;
  if (bottom > 0 || right > 0) {
    map = b.op('Pad', [map, b.int64([0, 0, 0, 0, 0, bottom, right, 0]), b.scalar(0)]);
  }
  const cut = b.op('Reshape', [map, b.int64([-1, rows, join, columns, join, width])]);
  const perm = transposed ? [0, 3, 1, 2, 4, 5] : [0, 1, 3, 2, 4, 5];
  const blocks = b.op('Transpose', [cut], { attributes: { perm } });
  return b.op('Reshape', [blocks, b.int64([-1, rows * columns, join * join * width])]);
}
