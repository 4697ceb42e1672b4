/**
 * What a vision transformer reads: the patches of a view with their positions, behind a class token where it has one.
 *
 *   pixels f32 [N, 3, rows · patch, columns · patch] → f32 [N, (1 +) rows · columns, width]
 *
 * On another grid than the stored one the positions of the patches are resized; that of the class token stays.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { sliceRows } from '../../tensor/derived/rows.ts';
import { prependToken } from './class-token.ts';
import { patchEmbedding } from './patch-embedding.ts';
import { type Grid, resizePositions } from './resize.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

/** What a library calls them. */
export interface PatchTokenNames {
  /** The convolution's module. */
  readonly patches: string;
  readonly bias: boolean;
  /** The table of positions, the class token's before the others. */
  readonly positions: string;
  readonly classToken?: string;
  /** True where table and token have leading axes of one, as timm's parameters have: [1, N, width]. */
  readonly batched: boolean;
}

export interface PatchTokenShape {
  readonly width: number;
  readonly patch: number;
  /** Grid of the stored positions. */
  readonly stored: Grid;
  readonly grid: Grid;
}

export function patchTokens(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  names: PatchTokenNames,
  { width, patch, stored, grid }: PatchTokenShape,
): Value {
  const { classToken, batched } = names;
  const module = weights.at(names.patches);
  const conv = {
    weight: module.take('weight', [width, 3, patch, patch]),
    ...(names.bias ? { bias: module.take('bias', [width]) } : {}),
  };
  const before = classToken === undefined ? 0 : 1;
  const rows = before + stored.rows * stored.columns;
  const { name, tensor } = weights.take(names.positions, [...(batched ? [1] : []), rows, width]);
  const table: Weight = { name, tensor: reshape(tensor, [rows, width]) };
  const own = before === 0 ? table : rowsOf(table, 'patches', before, rows);
  const positions = resizePositions(b, own, width, stored, grid);
  const placed = b.op('Add', [patchEmbedding(b, pixels, conv, { width, patch, grid }), positions]);
  if (classToken === undefined) return placed;
  const token = weights.take(classToken, [...(batched ? [1, 1] : []), width]);
  const first = b.op('Add', [
    initializer(b, batched ? { ...token, tensor: reshape(token.tensor, [1, width]) } : token),
    initializer(b, rowsOf(table, 'class', 0, before)),
  ]);
  return prependToken(b, placed, first, width);
}

function rowsOf({ name, tensor }: Weight, part: string, begin: number, end: number): Weight {
  return { name: `${name}.${part}`, tensor: sliceRows(tensor, begin, end) };
}
