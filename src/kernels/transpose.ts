/** Moving elements of 1, 2, 4 or 8 bytes between row-major matrices. */
import { bytesOf, viewAs } from './bytes.ts';

type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

const views: Readonly<Record<number, (bytes: Uint8Array) => Words>> = {
  1: (bytes) => bytes,
  2: (bytes) => viewAs(Uint16Array, bytes),
  4: (bytes) => viewAs(Uint32Array, bytes),
  8: (bytes) => viewAs(BigUint64Array, bytes),
};

/** Elements per side of a tile: both tiles of 8-byte elements stay in a 32 KiB cache. */
const tile = 32;

/**
 * Copies columns [columnBegin, columnEnd) of `source` [rows, columns] into the transposed `target`
 * [columnEnd - columnBegin, targetColumns], as its columns [targetOffset, targetOffset + rows).
 * `target` must be aligned to the element size.
 */
export function transposeInto(
  source: Uint8Array,
  elementBytes: number,
  [rows, columns]: readonly [number, number],
  [columnBegin, columnEnd]: readonly [number, number],
  target: Uint8Array,
  targetColumns: number,
  targetOffset: number,
): void {
  const view = views[elementBytes];
  if (view === undefined) throw new RangeError(`elements of ${elementBytes} bytes cannot be transposed`);
  const from = view(source);
  const to = view(target);
  if (bytesOf(to).byteOffset !== target.byteOffset || to.buffer !== target.buffer) {
    throw new RangeError('the target of a transpose is not aligned');
  }
  for (let rowTile = 0; rowTile < rows; rowTile += tile) {
    const rowEnd = Math.min(rowTile + tile, rows);
    for (let columnTile = columnBegin; columnTile < columnEnd; columnTile += tile) {
      const tileEnd = Math.min(columnTile + tile, columnEnd);
      for (let column = columnTile; column < tileEnd; column++) {
        const base = (column - columnBegin) * targetColumns + targetOffset;
        for (let row = rowTile; row < rowEnd; row++) to[base + row] = from[row * columns + column] as never;
      }
    }
  }
}
