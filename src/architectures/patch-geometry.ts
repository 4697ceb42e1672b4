/**
 * From a picture size to the patch grid of a tower that sees one view of any size. Pure arithmetic in pixels.
 *
 * A size that is no multiple of the patch leaves a rest: `fit` rounds it away before pictures are resized,
 * `crop` lets the convolution ignore it as the reference does, `cover` pads up to the next patch.
 */
import { fail } from '../report/diagnostics.ts';
import type { Tiling } from './architecture.ts';
import type { Grid } from './blocks/resize.ts';
import type { ImageGeometry, Size } from './media.ts';
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
 * `ownKey` is where the config states that size. Where so many patches as `group` become a token, rows and columns are
 * left out, or added under `cover`, until they fit; the checkpoint's own size has to fit as it is. Throws VC4201 to VC4203
 * for sizes without a patch, or with too many, VC1204 for an own size that does not fit.
 */
export function patchPicture(
  option: Size | undefined,
  own: Size,
  tiling: Tiling,
  patch: number,
  ownKey = 'visual.image_size',
  group = 1,
): PatchedPicture {
  const request = requestedSize(option, own, ownKey);
  const { size } = request;
  checkSize(request, patch, 'patch');
  const mode = option === undefined ? 'crop' : tiling;
  const round = mode === 'cover' ? Math.ceil : Math.floor;
  const whole = { columns: round(size.width / patch), rows: round(size.height / patch) };
  const grid = groupedGrid(whole, group, mode === 'cover' ? 1 : -1);
  if (
    grid === undefined ||
    (option === undefined && grid.rows * grid.columns !== whole.rows * whole.columns)
  ) {
    throw fail(option === undefined ? 'VC1204' : 'VC4202', {
      where: request.where,
      found: `${formatSize(size)}, which is ${whole.columns}x${whole.rows} patches of ${patch}`,
      expected: `a number of patches that ${group} divides: so many become a token`,
    });
  }
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

/** The geometry of a picture that is one view; `note` ends what a user reads. */
export function oneView(
  { requested, input, summary }: PatchedPicture,
  own: Pick<ImageGeometry, 'tokens' | 'tokenGrid' | 'steps' | 'mean' | 'std'>,
  note = '',
): ImageGeometry {
  return {
    requested,
    input,
    views: [{ kind: 'global' }],
    tokensPerView: own.tokens,
    ...own,
    summary: summary + note,
  };
}

/**
 * The nearest grid whose patches can be joined in groups of `group`, with no more rows and columns (`step` -1), or no
 * less (1). Undefined where there is none.
 */
function groupedGrid({ rows, columns }: Grid, group: number, step: 1 | -1): Grid | undefined {
  const grids: Grid[] = [];
  for (let down = 0; down < group; down += 1) {
    for (let right = 0; right < group; right += 1) {
      grids.push({ rows: rows + step * down, columns: columns + step * right });
    }
  }
  const count = (grid: Grid): number => grid.rows * grid.columns;
  return grids
    .filter((grid) => grid.rows > 0 && grid.columns > 0 && count(grid) % group === 0)
    .sort((a, b) => step * (count(a) - count(b)))[0];
}
