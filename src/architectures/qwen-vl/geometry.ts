/**
 * From a picture size to Qwen-VL's patch grid: one view of any size. Pure arithmetic in pixels.
 *
 * A size that is no multiple of the patch leaves a rest: `fit` rounds it away before pictures are resized,
 * `crop` lets the convolution ignore it as the reference does, `cover` pads up to the next patch.
 */
import { fail } from '../../report/diagnostics.ts';
import type { Size, Tiling } from '../architecture.ts';
import type { Grid } from '../blocks/resize.ts';
import { checkAtLeast, checkSize, formatSize } from '../resolution.ts';

/** Attention over more patches takes 16 GiB per head for its scores alone. */
const maxPatches = 65536;

export interface PatchedPicture {
  readonly requested: Size;
  /** Size of `pixel_values`. */
  readonly input: Size;
  /** What the patches cover: smaller than the input under `crop`, larger under `cover`. */
  readonly covered: Size;
  readonly grid: Grid;
  /** One line a user reads. */
  readonly summary: string;
}

/** Patches for a request, or for the checkpoint's own size as the reference runs it when nothing is asked for. */
export function patchPicture(
  request: Size | undefined,
  own: Size,
  tiling: Tiling,
  patch: number,
): PatchedPicture {
  const requested = checkSize(request ?? own);
  checkAtLeast(requested, patch, `a patch is ${patch}x${patch}`);
  const mode = request === undefined ? 'crop' : tiling;
  const round = mode === 'cover' ? Math.ceil : Math.floor;
  const grid = { columns: round(requested.width / patch), rows: round(requested.height / patch) };
  if (grid.rows * grid.columns > maxPatches) {
    throw fail('VC4203', {
      where: 'resolution',
      found: `${formatSize(requested)}, which is ${grid.columns}x${grid.rows} patches of ${patch}`,
      expected: `at most ${maxPatches} patches`,
    });
  }
  const covered = { width: grid.columns * patch, height: grid.rows * patch };
  const input = mode === 'fit' ? covered : requested;
  const title =
    request === undefined ? `${formatSize(own)} (the checkpoint's own size)` : formatSize(request);
  const exact = formatSize(covered) === formatSize(requested);
  const how = exact ? '' : ` at ${formatSize(covered)} (${mode})`;
  return {
    requested,
    input,
    covered,
    grid,
    summary: `${title} → ${grid.columns}x${grid.rows} patches of ${patch}${how}`,
  };
}
