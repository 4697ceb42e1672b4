/**
 * How MiniCPM-Llama3-V 2.5 cuts a picture, as pure arithmetic in pixels: the whole picture resized (the source view),
 * and, where it is larger than one view, the picture resized once to a grid of equal slices and cut.
 *
 * Source of the rule: image_processing_minicpmv.py of the release. Sizes hang on Python's rounding and logarithm.
 */
import { naturalLog, roundHalfEven } from '../../kernels/python-math.ts';
import type { Grid } from '../blocks/resize.ts';
import type { PictureLayout, Size, View } from '../media.ts';
import type { SliceRule, Slicing } from '../recipe.ts';

export interface ViewGroup {
  readonly views: number;
  /** Patches of each. */
  readonly grid: Grid;
}

export function slicePicture(picture: Size, rule: SliceRule): Slicing {
  const grid = sliceGrid(picture, rule);
  const source = bestSize(picture, rule);
  if (grid === undefined) return { source };
  const whole = {
    width: nearestMultiple(picture.width, grid.columns),
    height: nearestMultiple(picture.height, grid.rows),
  };
  const size = bestSize({ width: whole.width / grid.columns, height: whole.height / grid.rows }, rule);
  return { source, slices: { grid, size } };
}

/** Sizes of all views, the source first, then the slices row by row. */
export function viewSizes({ source, slices }: Slicing): readonly Size[] {
  if (slices === undefined) return [source];
  const { rows, columns } = slices.grid;
  return [source, ...Array.from({ length: rows * columns }, () => slices.size)];
}

/** The patches of a view of whole patches. */
export function patchGrid({ width, height }: Size, patch: number): Grid {
  return { rows: height / patch, columns: width / patch };
}

/** About scale² pixels in the shape given, whole patches: `find_best_resize`, which only ever sees sizes to be scaled. */
function bestSize({ width, height }: Size, { scale, patch }: SliceRule): Size {
  const ratio = width / height;
  const scaled = Math.trunc(scale / Math.sqrt(ratio));
  return {
    width: nearestMultiple(Math.trunc(scaled * ratio), patch),
    height: nearestMultiple(scaled, patch),
  };
}

/** As many slices as the picture has views' areas, one less or one more, in the shape nearest to the picture's. */
function sliceGrid({ width, height }: Size, { maxSlices, scale }: SliceRule): Grid | undefined {
  const multiple = Math.min(Math.ceil((width * height) / (scale * scale)), maxSlices);
  if (multiple <= 1) return undefined;
  const wanted = naturalLog(width / height);
  let best: Grid = { columns: 1, rows: 1 };
  let smallest = Number.POSITIVE_INFINITY;
  for (const count of [multiple - 1, multiple, multiple + 1]) {
    if (count === 1 || count > maxSlices) continue;
    for (let columns = 1; columns <= count; columns += 1) {
      if (count % columns !== 0) continue;
      const rows = count / columns;
      const error = Math.abs(wanted - naturalLog(columns / rows));
      // Of equals the first, so that the order of the candidates is part of the rule.
      if (error < smallest) {
        best = { columns, rows };
        smallest = error;
      }
    }
  }
  return best;
}

/** At least one unit. */
function nearestMultiple(length: number, unit: number): number {
  return Math.max(roundHalfEven(length / unit) * unit, unit);
}

/** Views of one grid, next to each other, as the tower takes them. */
export function viewGroups({ source, slices }: Slicing, patch: number): readonly ViewGroup[] {
  const whole = { views: 1, grid: patchGrid(source, patch) };
  if (slices === undefined) return [whole];
  const { rows, columns } = slices.grid;
  return [whole, { views: rows * columns, grid: patchGrid(slices.size, patch) }];
}

/** What the features of a picture are that is cut so, `tokensPerView` of each view. */
export function slicedLayout(
  { width, height }: Size,
  { slices }: Slicing,
  tokensPerView: number,
): PictureLayout {
  const { rows, columns } = slices?.grid ?? { rows: 0, columns: 0 };
  const tiles = Array.from(
    { length: rows * columns },
    (_, index): View => ({ kind: 'tile', row: Math.floor(index / columns), column: index % columns }),
  );
  return {
    input: { width, height },
    views: [{ kind: 'global' }, ...tiles],
    tokensPerView,
    tokens: (tiles.length + 1) * tokensPerView,
  };
}
