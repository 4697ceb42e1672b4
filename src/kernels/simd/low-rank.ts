/**
 * Low-rank weight updates in float32, every product and sum rounded, ranks in order. Twin: ../low-rank.ts.
 * sum [rows, columns] += scale · b [rows, rank] · a [rank, columns]; strides in bytes from row to row.
 */

/** `height` (1 or 4) rows × 8 columns of the sum stay in registers over all ranks. */
@inline
function block(
  sum: usize,
  sumStride: usize,
  a: usize,
  aStride: usize,
  b: usize,
  bStride: usize,
  rank: usize,
  scale: f32,
  height: i32,
): void {
  const s1 = sum + sumStride;
  const s2 = s1 + sumStride;
  const s3 = s2 + sumStride;
  let x0 = v128.load(sum);
  let y0 = v128.load(sum, 16);
  let x1 = x0;
  let y1 = x0;
  let x2 = x0;
  let y2 = x0;
  let x3 = x0;
  let y3 = x0;
  if (height === 4) {
    x1 = v128.load(s1);
    y1 = v128.load(s1, 16);
    x2 = v128.load(s2);
    y2 = v128.load(s2, 16);
    x3 = v128.load(s3);
    y3 = v128.load(s3, 16);
  }
  const end = b + rank * 4;
  for (; b < end; b += 4) {
    const u = v128.load(a);
    const v = v128.load(a, 16);
    a += aStride;
    const f0 = f32x4.splat(scale * load<f32>(b));
    x0 = f32x4.add(x0, f32x4.mul(f0, u));
    y0 = f32x4.add(y0, f32x4.mul(f0, v));
    if (height === 4) {
      const f1 = f32x4.splat(scale * load<f32>(b + bStride));
      x1 = f32x4.add(x1, f32x4.mul(f1, u));
      y1 = f32x4.add(y1, f32x4.mul(f1, v));
      const f2 = f32x4.splat(scale * load<f32>(b + 2 * bStride));
      x2 = f32x4.add(x2, f32x4.mul(f2, u));
      y2 = f32x4.add(y2, f32x4.mul(f2, v));
      const f3 = f32x4.splat(scale * load<f32>(b + 3 * bStride));
      x3 = f32x4.add(x3, f32x4.mul(f3, u));
      y3 = f32x4.add(y3, f32x4.mul(f3, v));
    }
  }
  v128.store(sum, x0);
  v128.store(sum, y0, 16);
  if (height === 4) {
    v128.store(s1, x1);
    v128.store(s1, y1, 16);
    v128.store(s2, x2);
    v128.store(s2, y2, 16);
    v128.store(s3, x3);
    v128.store(s3, y3, 16);
  }
}

/** Rows of the sum, column by column: what is left beside the blocks. */
function single(
  sum: usize,
  a: usize,
  aStride: usize,
  b: usize,
  rank: usize,
  scale: f32,
  columns: usize,
): void {
  for (let column: usize = 0; column < columns; column++) {
    let value = load<f32>(sum + column * 4);
    for (let r: usize = 0; r < rank; r++) {
      const factor = scale * load<f32>(b + r * 4);
      value += factor * load<f32>(a + r * aStride + column * 4);
    }
    store<f32>(sum + column * 4, value);
  }
}

export function low_rank_accumulate(
  sum: usize,
  sumStride: usize,
  a: usize,
  aStride: usize,
  b: usize,
  bStride: usize,
  rank: usize,
  scale: f32,
  rows: usize,
  columns: usize,
): void {
  const whole = columns & ~7;
  let row: usize = 0;
  for (; row + 4 <= rows; row += 4) {
    for (let column: usize = 0; column < whole; column += 8) {
      block(sum + column * 4, sumStride, a + column * 4, aStride, b, bStride, rank, scale, 4);
    }
    for (let i: usize = 0; i < 4; i++) {
      single(sum + i * sumStride + whole * 4, a + whole * 4, aStride, b + i * bStride, rank, scale, columns - whole);
    }
    sum += 4 * sumStride;
    b += 4 * bStride;
  }
  for (; row < rows; row++) {
    for (let column: usize = 0; column < whole; column += 8) {
      block(sum + column * 4, sumStride, a + column * 4, aStride, b, bStride, rank, scale, 1);
    }
    single(sum + whole * 4, a + whole * 4, aStride, b, rank, scale, columns - whole);
    sum += sumStride;
    b += bStride;
  }
}

/** target = base + sum, float32 [rows, columns]; the target may be one of them. */
export function add_rows(
  base: usize,
  baseStride: usize,
  sum: usize,
  sumStride: usize,
  target: usize,
  targetStride: usize,
  rows: usize,
  columns: usize,
): void {
  for (; rows > 0; rows--) {
    let i: usize = 0;
    for (; i + 4 <= columns; i += 4) {
      v128.store(target + i * 4, f32x4.add(v128.load(base + i * 4), v128.load(sum + i * 4)));
    }
    for (; i < columns; i++) store<f32>(target + i * 4, load<f32>(base + i * 4) + load<f32>(sum + i * 4));
    base += baseStride;
    sum += sumStride;
    target += targetStride;
  }
}
