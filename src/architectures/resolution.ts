/** Checks of a picture size, whoever asked for it. Sizes are in pixels. */
import { fail } from '../report/diagnostics.ts';
import type { Size } from './media.ts';

/** Largest side that is taken seriously: ten times the largest picture that a released checkpoint reads. */
export const maxSide = 16384;

/** `1544x896`: width first, as `--resolution` is written. */
export function formatSize({ width, height }: Size): string {
  return `${width}x${height}`;
}

/** A size and where it was asked for: an option, or a key of the config. */
export interface SizeRequest {
  readonly size: Size;
  readonly where: string;
}

/** What the user asked for, else what the checkpoint says of itself under `ownKey` of its config. */
export function requestedSize(
  option: Size | undefined,
  own: Size,
  ownKey = 'visual.image_size',
): SizeRequest {
  return option === undefined
    ? { size: own, where: `config.json: ${ownKey}` }
    : { size: option, where: 'resolution' };
}

/**
 * Throws VC4201 unless both sides are whole numbers from 1 to `maxSide`, VC4202 where one is under `least`, the
 * side of one `unit`: a tile or a patch.
 */
export function checkSize({ size, where }: SizeRequest, least: number, unit: string): void {
  const sides = [size.width, size.height];
  if (!sides.every((side) => Number.isSafeInteger(side) && side >= 1 && side <= maxSide)) {
    throw fail('VC4201', {
      where,
      found: formatSize(size),
      expected: `width x height in whole pixels, each from 1 to ${maxSide}`,
    });
  }
  if (sides.some((side) => side < least)) {
    throw fail('VC4202', {
      where,
      found: formatSize(size),
      expected: `at least ${least} pixels per side: one ${unit} is ${least}x${least}`,
    });
  }
}

/** Throws VC4203 where a size makes more than `most` units (a plural: `tiles`). */
export function checkCount(
  { size, where }: SizeRequest,
  grid: { readonly rows: number; readonly columns: number },
  most: number,
  units: string,
): void {
  if (grid.rows * grid.columns <= most) return;
  throw fail('VC4203', {
    where,
    found: `${formatSize(size)}, which is ${grid.columns}x${grid.rows} ${units}`,
    expected: `at most ${most} ${units}`,
  });
}
