/**
 * TextMonkey's attention across tiles, over the map of all of their patches, before some of the tower's blocks:
 *
 *   y = downsample(map + positions); y = y + windows(norm1(y)); map + scale · mlp(norm2(y))
 *
 * `windows` is attention inside windows of the map, rolled by half a window and padded with zeros to whole ones, which
 * are attended to like patches (shifted-windows.ts). Source of the math: visual.py of TextMonkey, which takes square maps.
 *
 * Layouts: the tower's patches [N, tiles, side², width], tiles row-major; a map [N, rows, columns, size].
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { fail } from '../../report/diagnostics.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { attention, splitQkv } from '../blocks/attention.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { type Grid, resizePositions } from '../blocks/resize.ts';
import { initializer, type WeightReader } from '../blocks/weights.ts';
import { scaledMlp } from './scaled-mlp.ts';
import {
  type Band,
  bandsOf,
  biasRows,
  paddedGrid,
  type WindowTables,
  windowShift,
  windowSide,
} from './shifted-windows.ts';

const epsilon = 1e-5;

export interface MapShape {
  /** Channels of the tower. */
  readonly width: number;
  /** Of tiles. */
  readonly tiles: Grid;
  /** Patches of a tile's side. */
  readonly side: number;
  /** Patches of the checkpoint's own picture. */
  readonly own: Grid;
  /** One object for all modules, which share its constants. */
  readonly tables: WindowTables;
}

/** patches [N, tiles, side², width] → the same, each having seen those of other tiles; reads a `window_attention.{j}`. */
export function windowAttention(
  b: GraphBuilder,
  patches: Value,
  weights: WeightReader,
  shape: MapShape,
): Value {
  const { width, tiles, side } = shape;
  const grid = { rows: tiles.rows * side, columns: tiles.columns * side };
  const flat = b.int64([-1, grid.rows * grid.columns, width]);
  const perm = [0, 1, 3, 2, 4, 5];
  const cut = b.op('Reshape', [patches, b.int64([-1, tiles.rows, tiles.columns, side, side, width])]);
  const map = b.op('Reshape', [b.op('Transpose', [cut], { attributes: { perm } }), flat]);

  const placed = b.op('Add', [map, readPositions(b, weights, shape, grid)]);
  const sum = b.op('Add', [map, changes(b, placed, weights.at('shift_attn'), shape, grid)]);

  const rows = b.op('Reshape', [sum, b.int64([-1, tiles.rows, side, tiles.columns, side, width])]);
  const tiled = b.op('Transpose', [rows], { attributes: { perm } });
  return b.op('Reshape', [tiled, b.int64([-1, tiles.rows * tiles.columns, side * side, width])]);
}

/** [rows · columns, width], of the table for the checkpoint's own picture, or for a square one of as many patches. */
function readPositions(b: GraphBuilder, weights: WeightReader, { width, own }: MapShape, grid: Grid): Value {
  const name = 'position_embedding';
  const count = weights.shapeOf(name)?.[1] ?? own.rows * own.columns;
  const side = Math.round(Math.sqrt(count));
  const stored =
    count !== own.rows * own.columns && side * side === count ? { rows: side, columns: side } : own;
  const table = weights.take(name, [1, stored.rows * stored.columns, width]);
  const positions = { ...table, tensor: reshape(table.tensor, [stored.rows * stored.columns, width]) };
  return resizePositions(b, positions, width, stored, grid);
}

/** map [N, rows · columns, width] → what is added to it */
function changes(
  b: GraphBuilder,
  map: Value,
  weights: WeightReader,
  { width, tables }: MapShape,
  grid: Grid,
): Value {
  const [size = 1] = weights.shapeOf('downsample.weight') ?? [];
  const down = linear(b, map, readLinear(weights.at('downsample'), width, size, { bias: false }));
  const normed = layerNorm(b, down, readLayerNorm(weights.at('norm1'), size, epsilon));
  const seen = b.op('Add', [down, inWindows(b, normed, weights.at('attn'), size, grid, tables)]);

  const fed = layerNorm(b, seen, readLayerNorm(weights.at('norm2'), size, epsilon));
  return scaledMlp(b, fed, weights.at('mlp'), { from: size, to: width });
}

/** x [N, rows · columns, size] → attention inside the windows of the rolled map, in the place of the unrolled one */
function inWindows(
  b: GraphBuilder,
  x: Value,
  weights: WeightReader,
  size: number,
  grid: Grid,
  tables: WindowTables,
): Value {
  const padded = paddedGrid(grid);
  const across = { rows: padded.rows / windowSide, columns: padded.columns / windowSide };
  const count = windowSide ** 2;
  const perm = [0, 1, 3, 2, 4, 5];

  const map = b.op('Reshape', [x, b.int64([-1, grid.rows, grid.columns, size])]);
  const rolled = roll(b, map, windowShift, grid);
  const whole = padded.rows === grid.rows && padded.columns === grid.columns;
  const ends = [0, 0, 0, 0, 0, padded.rows - grid.rows, padded.columns - grid.columns, 0];
  const filled = whole ? rolled : b.op('Pad', [rolled, b.int64(ends), b.scalar(0)]);
  const cut = [-1, across.rows, windowSide, across.columns, windowSide, size];
  const swapped = b.op('Transpose', [b.op('Reshape', [filled, b.int64(cut)])], { attributes: { perm } });
  const windows = b.op('Reshape', [swapped, b.int64([-1, count, size])]);

  const [, heads = 1] = weights.shapeOf('relative_position_bias_table') ?? [];
  if (size % heads !== 0) {
    throw fail('VC1222', {
      where: `${weights.prefix}relative_position_bias_table`,
      found: `${heads} columns, one per head`,
      expected: `a number of heads that divides ${size} channels`,
    });
  }
  const qkv = linear(b, windows, readLinear(weights.at('qkv'), size, 3 * size, { bias: true }));
  const apart = b.op('Reshape', [qkv, b.int64([-1, across.rows, across.columns, count, 3 * size])]);
  const bias = positionBias(b, weights, heads, tables);
  const mixed = banded(b, bandsOf(across.rows), 1, (row) =>
    banded(b, bandsOf(across.columns), 2, (column) => {
      const begin = b.int64([row.begin, column.begin]);
      const own = b.op('Slice', [apart, begin, b.int64([row.end, column.end]), b.int64([1, 2])]);
      const [q, k, v] = splitQkv(b, b.op('Reshape', [own, b.int64([-1, count, 3 * size])]), size);
      const mask = maskOf(b, bias, tables, row, column);
      const seen = attention(b, { q, k, v, heads, headDim: size / heads, mask });
      const shape = [-1, row.end - row.begin, column.end - column.begin, count, size];
      return b.op('Reshape', [seen, b.int64(shape)]);
    }),
  );
  const flat = b.op('Reshape', [mixed, b.int64([-1, count, size])]);
  const made = linear(b, flat, readLinear(weights.at('proj'), size, size, { bias: true }));

  const tall = [-1, across.rows, across.columns, windowSide, windowSide, size];
  const joined = b.op('Transpose', [b.op('Reshape', [made, b.int64(tall)])], { attributes: { perm } });
  const back = b.op('Reshape', [joined, b.int64([-1, padded.rows, padded.columns, size])]);
  const cropped = whole
    ? back
    : b.op('Slice', [back, b.int64([0, 0]), b.int64([grid.rows, grid.columns]), b.int64([1, 2])]);
  const unrolled = roll(b, cropped, -windowShift, grid);
  return b.op('Reshape', [unrolled, b.int64([-1, grid.rows * grid.columns, size])]);
}

/** map [N, rows, columns, size], rolled by so many patches up and to the left */
function roll(b: GraphBuilder, map: Value, by: number, { rows, columns }: Grid): Value {
  const along = (x: Value, axis: number, length: number): Value => {
    const at = ((by % length) + length) % length;
    const part = (from: number, to: number): Value =>
      b.op('Slice', [x, b.int64([from]), b.int64([to]), b.int64([axis])]);
    return b.op('Concat', [part(at, length), part(0, at)], { attributes: { axis } });
  };
  return along(along(map, 1, rows), 2, columns);
}

/** What is made of every band, side by side along the axis. */
function banded(b: GraphBuilder, bands: readonly Band[], axis: number, make: (band: Band) => Value): Value {
  return b.op('Concat', bands.map(make), { attributes: { axis } });
}

/** Of where a query lies from a key: [1, heads, patches, patches]. */
function positionBias(b: GraphBuilder, weights: WeightReader, heads: number, tables: WindowTables): Value {
  const count = windowSide ** 2;
  const table = initializer(b, weights.take('relative_position_bias_table', [biasRows, heads]));
  // Gather would make an embedding of the table to those who quantize.
  const gathered = b.op('GatherND', [table, b.weight('windows.places', tables.places)]);
  const square = b.op('Reshape', [gathered, b.int64([1, count, count, heads])]);
  return b.op('Transpose', [square], { attributes: { perm: [0, 3, 1, 2] } });
}

/**
 * What is added to the scores of the windows of two bands: [1, heads, patches, patches]. Of all windows at once it would be
 * a number per window, head and pair of patches, 95 MB at 896x896; so it is one for all windows that are alike.
 */
function maskOf(b: GraphBuilder, bias: Value, { masks }: WindowTables, row: Band, column: Band): Value {
  if (!row.last && !column.last) return bias;
  const which = row.last && column.last ? 'both' : row.last ? 'row' : 'column';
  return b.op('Add', [bias, b.weight(`windows.mask.${which}`, masks[which])]);
}
