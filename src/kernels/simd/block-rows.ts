/**
 * Rows of blocks by the two rules of onnxruntime's quantizer, four blocks at a time: their scales are lanes of one
 * register. Blocks that the lanes do not compute exactly (not finite, a scale that is tiny, zeros) are done again
 * one by one. Layouts: quantize-blocks.ts. `bits`, `table`, `symmetric` and `half` are constants of a caller.
 */
import { writeCodes } from './block-codes';
import { asFloats, highLanes, lowLanes, reduceSigned, reduceUnsigned } from './extremes';
import { loadOne, narrowHalf } from './floats';
import { belowHalf, toHalf, toHalfOne } from './rounding';
import { infinityBits } from './types';

/** Scales below are left to the scalar way: the reciprocal may overflow. */
const smallestScale: f32 = 1e-30;

/** Bytes of a stored scale. */
@inline
function scaleBytes(half: bool): usize {
  return half ? 2 : 4;
}

/** Lane 0 of the scales. */
@inline
function storeScale(at: usize, scales: v128, half: bool): void {
  if (half) v128.store_lane<i16>(at, narrowHalf(scales, false), 0);
  else v128.store_lane<f32>(at, scales, 0);
}

/** Zero point in its place; the other half of a shared byte stays. */
@inline
function setZeroPoint(zeroPoints: usize, index: usize, zero: i32, bits: i32): void {
  if (bits === 8) {
    store<u8>(zeroPoints + index, <u8>zero);
    return;
  }
  const at = zeroPoints + (index >> 1);
  const byte = <i32>load<u8>(at);
  store<u8>(at, <u8>(index & 1 ? (byte & 15) | (zero << 4) : (byte & 240) | zero));
}

/** One block of `count` elements (the last of a row may have fewer than `block`); true where it is not finite. */
function quantizeOne<T>(
  source: usize,
  count: usize,
  block: usize,
  index: usize,
  values: usize,
  scales: usize,
  zeroPoints: usize,
  bits: i32,
  table: bool,
  symmetric: bool,
  half: bool,
): bool {
  const middle: i32 = 1 << (bits - 1);
  const top: i32 = (1 << bits) - 1;
  let low: f32 = loadOne<T>(source);
  let high: f32 = low;
  let finite = true;
  for (let i: usize = 0; i < count; i++) {
    const weight = loadOne<T>(source + i * sizeof<T>());
    if ((reinterpret<i32>(weight) & infinityBits) === infinityBits) finite = false;
    if (weight < low) low = weight;
    if (weight > high) high = weight;
  }
  memory.fill(values, 0, (block * bits) >> 3);
  if (!finite) {
    if (half) store<u16>(scales, 0x7e00);
    else store<i32>(scales, 0x7fc00000);
    if (!symmetric) setZeroPoint(zeroPoints, index, 0, bits);
    return true;
  }
  let scale: f32;
  let zero = middle;
  if (symmetric) {
    scale = (abs(high) > abs(low) ? high : low) / <f32>-middle;
    if (table && half) scale = toHalfOne(scale);
  } else {
    low = low < 0 ? low : 0;
    high = high > 0 ? high : 0;
    let range = high - low;
    if (table && half) range = toHalfOne(range);
    scale = range / <f32>top;
    if (table && half) scale = toHalfOne(scale);
    let exact = -(low / scale);
    if (table && half) exact = toHalfOne(exact);
    if (scale === 0) zero = table ? middle : 0;
    else zero = min(<i32>(table ? nearest(exact) : floor(exact + belowHalf)), top);
    setZeroPoint(zeroPoints, index, zero, bits);
  }
  if (half) scale = toHalfOne(scale);
  storeScale(scales, f32x4.splat(scale), half);
  const reciprocal: f32 = scale === 0 ? 0 : 1 / scale;
  let code = 0;
  for (let i: usize = 0; i < count; i++) {
    const weight = loadOne<T>(source + i * sizeof<T>());
    let steps: f32;
    if (!table) {
      // Infinity and NaN come from a scale without a reciprocal: a NaN becomes 0.
      steps = floor(weight * reciprocal + <f32>zero + belowHalf);
    } else if (scale === 0) {
      steps = <f32>middle;
    } else {
      const exact = half ? toHalfOne(weight / scale) : weight / scale;
      const sum = half ? toHalfOne(exact + <f32>zero) : exact + <f32>zero;
      steps = symmetric ? nearest(exact) + <f32>zero : nearest(sum);
    }
    code = steps > 0 ? (steps < <f32>top ? <i32>steps : top) : 0;
    if (bits === 8) store<u8>(values + i, <u8>code);
    else if ((i & 1) === 0) store<u8>(values + (i >> 1), <u8>code);
    else store<u8>(values + (i >> 1), load<u8>(values + (i >> 1)) | <u8>(code << 4));
  }
  return scale - scale !== 0;
}

@inline
function quantizeFour<T>(
  source: usize,
  count: usize,
  block: usize,
  index: usize,
  values: usize,
  scales: usize,
  zeroPoints: usize,
  bits: i32,
  table: bool,
  symmetric: bool,
  half: bool,
): i32 {
  const blockBytes = block * sizeof<T>();
  const valueBytes: usize = (block * bits) >> 3;
  // With fewer than four the last stands in for those that are missing.
  const last = count - 1;
  const i1 = min<usize>(1, last);
  const i2 = min<usize>(2, last);
  const p1 = source + i1 * blockBytes;
  const p2 = source + i2 * blockBytes;
  const p3 = source + last * blockBytes;
  const high = asFloats<T>(
    reduceSigned(
      highLanes<T>(source, block),
      highLanes<T>(p1, block),
      highLanes<T>(p2, block),
      highLanes<T>(p3, block),
    ),
  );
  const lowest = asFloats<T>(
    reduceUnsigned(
      lowLanes<T>(source, block),
      lowLanes<T>(p1, block),
      lowLanes<T>(p2, block),
      lowLanes<T>(p3, block),
    ),
  );
  // Without a negative element: 0.
  const low = v128.and(lowest, i32x4.shr_s(lowest, 31));
  const middle = <f32>(1 << (bits - 1));
  const top = <f32>((1 << bits) - 1);
  let scale: v128;
  let zero = f32x4.splat(middle);
  if (symmetric) {
    const negated = v128.xor(low, i32x4.splat(i32.MIN_VALUE));
    scale = f32x4.mul(v128.bitselect(high, low, f32x4.gt(high, negated)), f32x4.splat(-1 / middle));
  } else {
    let range = f32x4.sub(high, low);
    if (table && half) range = toHalf(range);
    scale = f32x4.div(range, f32x4.splat(top));
    if (table && half) scale = toHalf(scale);
    let exact = f32x4.neg(f32x4.div(low, scale));
    if (table && half) exact = toHalf(exact);
    const rounded = table ? f32x4.nearest(exact) : f32x4.floor(f32x4.add(exact, f32x4.splat(belowHalf)));
    zero = f32x4.pmin(rounded, f32x4.splat(top));
  }
  // For matrices the zero point is that of the exact scale, for tables that of the stored one.
  if (half) scale = toHalf(scale);
  const size = f32x4.abs(scale);
  // Also NaN: the comparisons are false then.
  const usable = v128.and(
    f32x4.ge(size, f32x4.splat(smallestScale)),
    v128.and(f32x4.lt(size, f32x4.splat(Infinity)), i32x4.lt_s(high, i32x4.splat(infinityBits))),
  );
  const exotic = i32x4.bitmask(usable) ^ 15;
  const factor = table ? scale : f32x4.div(f32x4.splat(1), scale);

  writeCodes<T>(
    source,
    block,
    v128.shuffle<i32>(factor, factor, 0, 0, 0, 0),
    v128.shuffle<i32>(zero, zero, 0, 0, 0, 0),
    values,
    bits,
    table,
    symmetric,
    half,
  );
  writeCodes<T>(
    p1,
    block,
    v128.shuffle<i32>(factor, factor, 1, 1, 1, 1),
    v128.shuffle<i32>(zero, zero, 1, 1, 1, 1),
    values + i1 * valueBytes,
    bits,
    table,
    symmetric,
    half,
  );
  writeCodes<T>(
    p2,
    block,
    v128.shuffle<i32>(factor, factor, 2, 2, 2, 2),
    v128.shuffle<i32>(zero, zero, 2, 2, 2, 2),
    values + i2 * valueBytes,
    bits,
    table,
    symmetric,
    half,
  );
  writeCodes<T>(
    p3,
    block,
    v128.shuffle<i32>(factor, factor, 3, 3, 3, 3),
    v128.shuffle<i32>(zero, zero, 3, 3, 3, 3),
    values + last * valueBytes,
    bits,
    table,
    symmetric,
    half,
  );
  if (count === 4) {
    if (half) {
      const narrow = narrowHalf(scale, false);
      v128.store64_lane(scales, i16x8.narrow_i32x4_u(narrow, narrow), 0);
    } else {
      v128.store(scales, scale);
    }
  } else {
    storeScale(scales, scale, half);
    if (count > 1) storeScale(scales + scaleBytes(half), v128.shuffle<i32>(scale, scale, 1, 1, 1, 1), half);
    if (count > 2) storeScale(scales + 2 * scaleBytes(half), v128.shuffle<i32>(scale, scale, 2, 2, 2, 2), half);
  }
  if (!symmetric) {
    const whole = i32x4.trunc_sat_f32x4_s(zero);
    const z0 = i32x4.extract_lane(whole, 0);
    const z1 = i32x4.extract_lane(whole, 1);
    const z2 = i32x4.extract_lane(whole, 2);
    const z3 = i32x4.extract_lane(whole, 3);
    if (count === 4) {
      if (bits === 8) store<i32>(zeroPoints + index, z0 | (z1 << 8) | (z2 << 16) | (z3 << 24));
      else store<i16>(zeroPoints + (index >> 1), <i16>(z0 | (z1 << 4) | (z2 << 8) | (z3 << 12)));
    } else {
      setZeroPoint(zeroPoints, index, z0, bits);
      if (count > 1) setZeroPoint(zeroPoints, index + 1, z1, bits);
      if (count > 2) setZeroPoint(zeroPoints, index + 2, z2, bits);
    }
  }
  return exotic;
}

@inline
export function quantizeRows<T>(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  values: usize,
  scales: usize,
  zeroPoints: usize,
  bits: i32,
  table: bool,
  symmetric: bool,
  half: bool,
): i32 {
  const whole = columns / block;
  const tail = columns - whole * block;
  const blocks = tail > 0 ? whole + 1 : whole;
  const valueBytes: usize = (block * bits) >> 3;
  const zeroPointBytes: usize = (blocks * bits + 7) >> 3;
  let bad: i32 = -1;
  for (let row: usize = 0; row < rows; row++) {
    // The half byte after an odd number of zero points is as onnxruntime leaves it: the middle.
    if (!symmetric && bits === 4 && (blocks & 1) === 1) store<u8>(zeroPoints + zeroPointBytes - 1, 0x80);
    for (let index: usize = 0; index < whole; index += 4) {
      const count = min<usize>(4, whole - index);
      const from = source + index * block * sizeof<T>();
      const to = values + index * valueBytes;
      const scaleAt = scales + index * scaleBytes(half);
      const exotic = quantizeFour<T>(from, count, block, index, to, scaleAt, zeroPoints, bits, table, symmetric, half);
      if (exotic === 0) continue;
      for (let i: usize = 0; i < count; i++) {
        if (((exotic >> <i32>i) & 1) === 0) continue;
        const failed = quantizeOne<T>(
          from + i * block * sizeof<T>(),
          block,
          block,
          index + i,
          to + i * valueBytes,
          scaleAt + i * scaleBytes(half),
          zeroPoints,
          bits,
          table,
          symmetric,
          half,
        );
        if (failed && bad < 0) bad = <i32>(row * blocks + index + i);
      }
    }
    if (tail > 0) {
      const to = values + whole * valueBytes;
      const failed = quantizeOne<T>(
        source + whole * block * sizeof<T>(),
        tail,
        block,
        whole,
        to,
        scales + whole * scaleBytes(half),
        zeroPoints,
        bits,
        table,
        symmetric,
        half,
      );
      if (failed && bad < 0) bad = <i32>(row * blocks + whole);
      // onnxruntime leaves the code before in the half byte after an odd number of codes.
      if (bits === 4 && (tail & 1) === 1 && tail > 1) {
        const end = to + (tail >> 1);
        store<u8>(end, load<u8>(end) | (load<u8>(end - 1) & 240));
      }
    }
    source += sourceStride;
    values += blocks * valueBytes;
    scales += blocks * scaleBytes(half);
    zeroPoints += zeroPointBytes;
  }
  return bad;
}
