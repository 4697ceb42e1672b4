/**
 * Transposes of elements of 1, 2, 4 and 8 bytes, and plain copies of rows. Twin: ../transpose.ts.
 * Source [rows, columns] with `sourceStride` bytes from row to row; target [columns, rows] with `targetStride`.
 * Works in tiles that both sides hold in the first-level cache, square register blocks within.
 */

/** Rows of a tile: a cache line of the target for elements of two bytes. */
const tileRows: usize = 32;
const tileColumns: usize = 64;

/** Registers of four or eight rows become registers of columns. */
@inline
function block4x4(source: usize, sourceStride: usize, target: usize, targetStride: usize): void {
  const r0 = v128.load(source);
  const r1 = v128.load(source + sourceStride);
  const r2 = v128.load(source + 2 * sourceStride);
  const r3 = v128.load(source + 3 * sourceStride);
  const a0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const a1 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const a2 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const a3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<i64>(a0, a2, 0, 2));
  v128.store(target + targetStride, v128.shuffle<i64>(a0, a2, 1, 3));
  v128.store(target + 2 * targetStride, v128.shuffle<i64>(a1, a3, 0, 2));
  v128.store(target + 3 * targetStride, v128.shuffle<i64>(a1, a3, 1, 3));
}

@inline
function block8x8(source: usize, sourceStride: usize, target: usize, targetStride: usize): void {
  const r0 = v128.load(source);
  const r1 = v128.load(source + sourceStride);
  const r2 = v128.load(source + 2 * sourceStride);
  const r3 = v128.load(source + 3 * sourceStride);
  const far = source + 4 * sourceStride;
  const r4 = v128.load(far);
  const r5 = v128.load(far + sourceStride);
  const r6 = v128.load(far + 2 * sourceStride);
  const r7 = v128.load(far + 3 * sourceStride);
  const a0 = v128.shuffle<i16>(r0, r1, 0, 8, 1, 9, 2, 10, 3, 11);
  const a1 = v128.shuffle<i16>(r0, r1, 4, 12, 5, 13, 6, 14, 7, 15);
  const a2 = v128.shuffle<i16>(r2, r3, 0, 8, 1, 9, 2, 10, 3, 11);
  const a3 = v128.shuffle<i16>(r2, r3, 4, 12, 5, 13, 6, 14, 7, 15);
  const a4 = v128.shuffle<i16>(r4, r5, 0, 8, 1, 9, 2, 10, 3, 11);
  const a5 = v128.shuffle<i16>(r4, r5, 4, 12, 5, 13, 6, 14, 7, 15);
  const a6 = v128.shuffle<i16>(r6, r7, 0, 8, 1, 9, 2, 10, 3, 11);
  const a7 = v128.shuffle<i16>(r6, r7, 4, 12, 5, 13, 6, 14, 7, 15);
  const b0 = v128.shuffle<i32>(a0, a2, 0, 4, 1, 5);
  const b1 = v128.shuffle<i32>(a0, a2, 2, 6, 3, 7);
  const b2 = v128.shuffle<i32>(a1, a3, 0, 4, 1, 5);
  const b3 = v128.shuffle<i32>(a1, a3, 2, 6, 3, 7);
  const b4 = v128.shuffle<i32>(a4, a6, 0, 4, 1, 5);
  const b5 = v128.shuffle<i32>(a4, a6, 2, 6, 3, 7);
  const b6 = v128.shuffle<i32>(a5, a7, 0, 4, 1, 5);
  const b7 = v128.shuffle<i32>(a5, a7, 2, 6, 3, 7);
  v128.store(target, v128.shuffle<i64>(b0, b4, 0, 2));
  v128.store(target + targetStride, v128.shuffle<i64>(b0, b4, 1, 3));
  v128.store(target + 2 * targetStride, v128.shuffle<i64>(b1, b5, 0, 2));
  v128.store(target + 3 * targetStride, v128.shuffle<i64>(b1, b5, 1, 3));
  const below = target + 4 * targetStride;
  v128.store(below, v128.shuffle<i64>(b2, b6, 0, 2));
  v128.store(below + targetStride, v128.shuffle<i64>(b2, b6, 1, 3));
  v128.store(below + 2 * targetStride, v128.shuffle<i64>(b3, b7, 0, 2));
  v128.store(below + 3 * targetStride, v128.shuffle<i64>(b3, b7, 1, 3));
}

/** Side of a register block, 1 where elements are moved one by one. */
@inline
function blockSide<T>(): usize {
  return sizeof<T>() === 2 ? 8 : sizeof<T>() === 4 ? 4 : 1;
}

@inline
function single<T>(source: usize, sourceStride: usize, target: usize, rows: usize): void {
  for (let row: usize = 0; row < rows; row++) {
    store<T>(target + row * sizeof<T>(), load<T>(source));
    source += sourceStride;
  }
}

@inline
function tile<T>(
  source: usize,
  sourceStride: usize,
  target: usize,
  targetStride: usize,
  rows: usize,
  columns: usize,
): void {
  const side = blockSide<T>();
  const wholeRows: usize = side === 1 ? 0 : rows - (rows % side);
  const wholeColumns = columns - (columns % side);
  let column: usize = 0;
  for (; column < wholeColumns; column += side) {
    const to = target + column * targetStride;
    let from = source + column * sizeof<T>();
    for (let row: usize = 0; row < wholeRows; row += side) {
      if (sizeof<T>() === 2) block8x8(from, sourceStride, to + row * 2, targetStride);
      else block4x4(from, sourceStride, to + row * 4, targetStride);
      from += side * sourceStride;
    }
    if (wholeRows < rows) {
      for (let i: usize = 0; i < side; i++) {
        single<T>(
          from + i * sizeof<T>(),
          sourceStride,
          to + i * targetStride + wholeRows * sizeof<T>(),
          rows - wholeRows,
        );
      }
    }
  }
  for (; column < columns; column++) {
    single<T>(source + column * sizeof<T>(), sourceStride, target + column * targetStride, rows);
  }
}

@inline
function transpose<T>(
  source: usize,
  sourceStride: usize,
  target: usize,
  targetStride: usize,
  rows: usize,
  columns: usize,
): void {
  for (let row: usize = 0; row < rows; row += tileRows) {
    const height = min(tileRows, rows - row);
    for (let column: usize = 0; column < columns; column += tileColumns) {
      tile<T>(
        source + row * sourceStride + column * sizeof<T>(),
        sourceStride,
        target + column * targetStride + row * sizeof<T>(),
        targetStride,
        height,
        min(tileColumns, columns - column),
      );
    }
  }
}

export function transpose_1(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  transpose<u8>(s, ss, t, ts, rows, columns);
}

export function transpose_2(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  transpose<u16>(s, ss, t, ts, rows, columns);
}

export function transpose_4(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  transpose<u32>(s, ss, t, ts, rows, columns);
}

export function transpose_8(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  transpose<u64>(s, ss, t, ts, rows, columns);
}

export function copy_rows(s: usize, ss: usize, t: usize, ts: usize, rows: usize, bytes: usize): void {
  if (ss === bytes && ts === bytes) {
    bytes *= rows;
    rows = 1;
  }
  for (; rows > 0; rows--) {
    memory.copy(t, s, bytes);
    s += ss;
    t += ts;
  }
}
