/**
 * The arithmetic of shifted windows over a map of patches (Liu et al., Swin Transformer): where a window's patches come
 * from, which of them see each other, and which row of the bias table is for which two of them. Windows of 12 patches,
 * shifted by 6, are literals of the original's code.
 */
import type { Grid } from '../blocks/resize.ts';

/** Side of a window, in patches. */
export const windowSide = 12;
/** What a map is rolled by, up and to the left, before it is cut into windows. */
export const windowShift = 6;
/** What is added to the scores of patches that a roll has put beside each other. */
const apart = -100;

/** The map with whole windows: padded at the bottom and on the right. */
export function paddedGrid({ rows, columns }: Grid): Grid {
  const whole = (count: number): number => Math.ceil(count / windowSide) * windowSide;
  return { rows: whole(rows), columns: whole(columns) };
}

/** Rows of a bias table [rows, heads]. */
export const biasRows = (2 * windowSide - 1) ** 2;

/** Per pair of a window's patches, query-major, the row of the bias table: by how far the query lies from the key. */
export function biasIndices(): readonly number[] {
  const span = 2 * windowSide - 1;
  const patches = Array.from({ length: windowSide ** 2 }, (_, at) => ({
    row: Math.floor(at / windowSide),
    column: at % windowSide,
  }));
  return patches.flatMap((query) =>
    patches.map(
      (key) => (query.row - key.row + windowSide - 1) * span + (query.column - key.column + windowSide - 1),
    ),
  );
}

/**
 * Added to the scores of each window of a padded map, windows row-major: [windows, patches, patches], 0 where both are of
 * one region of the map before it was rolled. The original counts regions on the padded map.
 */
export function regionMask(padded: Grid): Float32Array {
  const count = windowSide ** 2;
  const windows = { rows: padded.rows / windowSide, columns: padded.columns / windowSide };
  const mask = new Float32Array(windows.rows * windows.columns * count * count);
  let at = 0;
  for (let row = 0; row < windows.rows; row += 1) {
    for (let column = 0; column < windows.columns; column += 1) {
      const regions = Array.from({ length: count }, (_, patch) => {
        const y = regionOf(row * windowSide + Math.floor(patch / windowSide), padded.rows);
        const x = regionOf(column * windowSide + (patch % windowSide), padded.columns);
        return 3 * y + x;
      });
      for (const query of regions) {
        for (const key of regions) {
          mask[at] = query === key ? 0 : apart;
          at += 1;
        }
      }
    }
  }
  return mask;
}

/** Of an axis: before the last window, the part of it that stays, the part that came from the other end. */
function regionOf(at: number, length: number): number {
  if (at < length - windowSide) return 0;
  return at < length - windowShift ? 1 : 2;
}
