/** Checks of a picture size, whoever asked for it. Sizes are in pixels. */
import { fail } from '../report/diagnostics.ts';
import type { Size } from './architecture.ts';

/** Largest side that is taken seriously: ten times the largest picture that a released checkpoint reads. */
export const maxSide = 16384;

/** `1544x896`: width first, as `--resolution` is written. */
export function formatSize({ width, height }: Size): string {
  return `${width}x${height}`;
}

/** Throws VC4201 unless both sides are whole numbers from 1 to `maxSide`. */
export function checkSize(size: Size): Size {
  for (const side of [size.width, size.height]) {
    if (!(Number.isSafeInteger(side) && side >= 1 && side <= maxSide)) {
      throw fail('VC4201', {
        where: 'resolution',
        found: formatSize(size),
        expected: `WIDTHxHEIGHT in whole pixels, each side from 1 to ${maxSide}`,
      });
    }
  }
  return size;
}

/** Throws VC4202 where a side is under `least`, which `what` needs. */
export function checkAtLeast(size: Size, least: number, what: string): void {
  if (size.width >= least && size.height >= least) return;
  throw fail('VC4202', {
    where: 'resolution',
    found: formatSize(size),
    expected: `at least ${least} pixels per side: ${what}`,
  });
}
