/**
 * From a picture size to the patch grid of a tower that sees one view of any size. Pure arithmetic in pixels.
 *
 * A size that is no multiple of the patch leaves a rest: `fit` rounds it away before pictures are resized,
 * `crop` lets the convolution ignore it as the reference does, `cover` pads up to the next patch.
 */
import type { Size, Tiling } from './architecture.ts';
import type { Grid } from './blocks/resize.ts';
import { checkCount, checkSize, formatSize, requestedSize } from './resolution.ts';

/** Attention over more patches takes 16 GiB per head for its scores alone. */
const maxPatches = 65536;

export interface PatchedPicture {
  readonly requested: Size;
  /** Size of `pixel_values`. */
  readonly input: Size;
  /** What was done: `crop` where nothing was asked for. */
  readonly tiling: Tiling;
  /** What the patches cover: smaller than the input under `crop`, larger under `cover`. */
  readonly covered: Size;
  readonly grid: Grid;
  /** One line a user reads. */
  readonly summary: string;
}

/**
 * Patches for a request, or for the checkpoint's own size as the reference runs it when nothing is asked for.
 * `ownKey` is where the config states that size. Throws VC4201 to VC4203 for sizes without a patch, or with too many.
 */
export function patchPicture(
  option: Size | undefined,
  own: Size,
  tiling: Tiling,
  patch: number,
  ownKey = 'visual.image_size',
): PatchedPicture {
  const request = requestedSize(option, own, ownKey);
  const { size } = request;
  checkSize(request, patch, 'patch');
  const mode = option === undefined ? 'crop' : tiling;
  const round = mode === 'cover' ? Math.ceil : Math.floor;
  const grid = { columns: round(size.width / patch), rows: round(size.height / patch) };
  checkCount(request, grid, maxPatches, 'patches');
  const covered = { width: grid.columns * patch, height: grid.rows * patch };
  const input = mode === 'fit' ? covered : size;
  const title = option === undefined ? `${formatSize(own)} (the checkpoint's own size)` : formatSize(size);
  const exact = formatSize(covered) === formatSize(size);
  const how = exact ? '' : ` at ${formatSize(covered)} (${mode})`;
  return {
    requested: size,
    input,
    tiling: mode,
    covered,
    grid,
    summary: `${title} → ${grid.columns}x${grid.rows} patches of ${patch}${how}`,
  };
}
