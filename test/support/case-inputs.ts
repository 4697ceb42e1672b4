/** What a recorded case feeds, and what it says of the picture, whichever way its family recorded it. */
import type { Size } from '../../src/architectures/media.ts';
import type { SpliceRule } from '../../src/architectures/recipe.ts';
import { float32Value, int64Value, type RunTensor } from '../../src/runtime/values.ts';
import type { GoldenCase, UnsplicedSpan } from './golden-cases.ts';
import { casePixels } from './pixel-values.ts';
import type { Recorded } from './read-io.ts';

export interface CaseInputs {
  /**
   * float32 [images, 3, H, W], or rows of patches of pictures or of a video, or views, or log-mel frames of sounds; left
   * out for text alone
   */
  readonly pixels?: RunTensor;
  /** int64 [images, 3] beside rows of patches, [views, 2] beside views or tiles, [sounds, frames] beside frames */
  readonly grid?: RunTensor;
  /** int64 [batch, tokens] */
  readonly inputIds: RunTensor;
  /** int64 [batch, tokens], all ones where the case has no padding */
  readonly attentionMask: RunTensor;
  /** Per row, the ids that were decoded. */
  readonly decodeIds: readonly (readonly number[])[];
  /** int64 [3, batch, tokens] and [3, batch, steps], where they were recorded */
  readonly positions?: { readonly prefill: RunTensor; readonly decode: RunTensor };
}

/** With `splice`, of the ids that the model's graphs are fed with, where the original code takes others. */
export function caseInputs(golden: GoldenCase, io: Recorded, splice?: SpliceRule): CaseInputs {
  const unspliced = (golden.json.text.image_spans ?? []).filter((span) => 'index_in_ids' in span);
  const inputIds = widened(io.get('in.input_ids'), unspliced, splice);
  const [batch = 0, tokens = 0] = inputIds.shape;
  const ids = io.has('out.decode_ids') ? io.ints('out.decode_ids') : [];
  const steps = ids.length / batch;
  return {
    ...pictureInputs(golden, io),
    inputIds,
    attentionMask: io.has('in.attention_mask')
      ? io.get('in.attention_mask')
      : int64Value(
          [batch, tokens],
          Array.from({ length: batch * tokens }, () => 1),
        ),
    decodeIds: Array.from({ length: batch }, (_, row) => ids.slice(row * steps, (row + 1) * steps)),
    ...(io.has('in.decode_position_ids')
      ? { positions: { prefill: io.get('in.position_ids'), decode: io.get('in.decode_position_ids') } }
      : {}),
  };
}

/** Ids [1, tokens] with one id per feature, where one stood for a picture, and what follows it. */
function widened(ids: RunTensor, spans: readonly UnsplicedSpan[], splice: SpliceRule | undefined): RunTensor {
  if (spans.length === 0) return ids;
  if (splice?.rule !== 'image-token')
    throw new Error('pictures of one id each, and no rule for one per feature');
  const at = new Map(spans.map((span) => [span.index_in_ids, span]));
  const wide = Array.from(ids.data, Number).flatMap((id, index) => {
    const span = at.get(index);
    if (span === undefined) return [id];
    return [...Array.from({ length: span.count }, () => splice.tokenId), ...(span.then_newline_ids ?? [])];
  });
  return int64Value([1, wide.length], wide);
}

/** Pictures, a video or sounds: no case has two of them. */
function pictureInputs(golden: GoldenCase, io: Recorded): Pick<CaseInputs, 'pixels' | 'grid'> {
  if (golden.json.pixel_values !== undefined) return { pixels: casePixels(golden) };
  const fed = ['in.pixel_values', 'in.pixel_values_videos', 'in.input_features'];
  const beside = ['in.image_grid_thw', 'in.video_grid_thw', 'in.tgt_sizes', 'in.feature_attention_mask'];
  const pixels = fed.find((name) => io.has(name));
  const grid = beside.find((name) => io.has(name));
  return {
    ...(pixels === undefined ? {} : { pixels: inOneRow(io.get(pixels)) }),
    ...(grid === undefined ? {} : { grid: io.get(grid) }),
    ...tileGrids(golden),
  };
}

/** Rows and columns of tiles at each scale, of a picture whose last scale was recorded. */
function tileGrids({ json: { dims } }: GoldenCase): Pick<CaseInputs, 'grid'> {
  if (dims?.block_sizes === undefined || dims.s2_scales === undefined) return {};
  const scales = dims.s2_scales.split(',').map(Number);
  const squares = scales.slice(0, -1).flatMap((side) => [side / (scales[0] ?? 1), side / (scales[0] ?? 1)]);
  return { grid: int64Value([scales.length, 2], [...squares, ...dims.block_sizes]) };
}

/** Pictures [batch, images, 3, H, W], one after the other: [images, 3, H, W]. */
function inOneRow(pixels: RunTensor): RunTensor {
  const { shape, data } = pixels;
  if (shape.length !== 5 || !(data instanceof Float32Array)) return pixels;
  const [batch = 0, images = 0, ...picture] = shape;
  return float32Value([batch * images, ...picture], data);
}

/** Rows of `length` elements that are compared: those of tokens, not of padding. */
export function countedRows({ attentionMask }: CaseInputs, length: number) {
  const mask = Array.from(attentionMask.data, Number);
  return { length, counts: (row: number): boolean => mask[row] === 1 };
}

/** The same for a cache [batch, heads, tokens, headDim]. */
export function countedSlots({ attentionMask }: CaseInputs, shape: readonly number[]) {
  const [, heads = 0, tokens = 0, length = 0] = shape;
  const mask = Array.from(attentionMask.data, Number);
  const counts = (row: number): boolean =>
    mask[Math.floor(row / (heads * tokens)) * tokens + (row % tokens)] === 1;
  return { length, counts };
}

/**
 * The size of `pixel_values` and the tokens that a picture becomes, as recorded; undefined for graphs that take any size.
 */
export function recordedPicture(
  { json }: GoldenCase,
  { pixels, grid }: CaseInputs,
): (Size & { tokens: number }) | undefined {
  if (pixels?.shape.length !== 4 || grid !== undefined) return undefined;
  if (json.preprocessing?.image_aspect_ratio?.startsWith('dynamic')) return undefined;
  const [, , height = 0, width = 0] = pixels.shape;
  return {
    width,
    height,
    tokens: json.text.IMG_TOKEN_SPAN ?? json.dims?.image_tokens ?? json.dims?.vision?.tokens ?? 0,
  };
}
