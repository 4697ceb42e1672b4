/**
 * Bicubic resampling as torch's `interpolate(mode="bicubic", align_corners=False)` and ONNX Resize (cubic,
 * half_pixel, a = -0.75, antialias 0) define it: four taps, indices clamped at the border, so that the weights
 * of taps outside add up on the edge. Positions are rounded as torch rounds them, weights are float64.
 */

const a = -0.75;

const { fround } = Math;

/** The four taps of every output position: `index` and `weight` are [outSize, 4]. */
export interface BicubicTaps {
  readonly index: Int32Array;
  readonly weight: Float64Array;
}

/** Cubic convolution kernel at distances d ≤ 1 and 1 < d ≤ 2 (Keys 1981, as torch's UpSample.h spells it). */
const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;

export function bicubicTaps(inSize: number, outSize: number): BicubicTaps {
  if (!(Number.isSafeInteger(inSize) && inSize > 0 && Number.isSafeInteger(outSize) && outSize > 0)) {
    throw new RangeError(`cannot resample ${inSize} positions to ${outSize}`);
  }
  const index = new Int32Array(outSize * 4);
  const weight = new Float64Array(outSize * 4);
  const scale = fround(inSize / outSize);
  for (let out = 0; out < outSize; out++) {
    // torch computes source positions in float32, each step rounded: on a picture of 1544 columns the exact
    // position is up to 1e-4 of a pixel away, which shows in the features.
    const position = fround(fround(scale * fround(out + 0.5)) - 0.5);
    const floor = Math.floor(position);
    const t = position - floor;
    weight.set([far(t + 1), near(t), near(1 - t), far(2 - t)], out * 4);
    for (let tap = 0; tap < 4; tap++) {
      index[out * 4 + tap] = Math.min(Math.max(floor - 1 + tap, 0), inSize - 1);
    }
  }
  return { index, weight };
}

/** The matrix [outSize, inSize] with out = R · in, rounded to float32 once. */
export function bicubicWeights(inSize: number, outSize: number): Float32Array {
  const { index, weight } = bicubicTaps(inSize, outSize);
  const dense = new Float64Array(outSize * inSize);
  for (let entry = 0; entry < weight.length; entry++) {
    const at = Math.floor(entry / 4) * inSize + (index[entry] as number);
    dense[at] = (dense[at] as number) + (weight[entry] as number);
  }
  return new Float32Array(dense);
}

/**
 * Output positions [begin, end) (row-major over h × w) of a table resampled on both axes.
 * `table` is [rows of the source grid from `firstRow` on, gw, depth]; the result is [end - begin, depth].
 */
export function bicubicRows(
  table: Float32Array,
  firstRow: number,
  gridWidth: number,
  depth: number,
  vertical: BicubicTaps,
  horizontal: BicubicTaps,
  begin: number,
  end: number,
): Float32Array {
  const width = horizontal.index.length / 4;
  const out = new Float32Array((end - begin) * depth);
  const sum = new Float64Array(depth);
  for (let position = begin; position < end; position++) {
    const y = Math.floor(position / width) * 4;
    const x = (position % width) * 4;
    sum.fill(0);
    for (let i = 0; i < 4; i++) {
      const row = ((vertical.index[y + i] as number) - firstRow) * gridWidth;
      for (let j = 0; j < 4; j++) {
        const factor = (vertical.weight[y + i] as number) * (horizontal.weight[x + j] as number);
        if (factor === 0) continue;
        const offset = (row + (horizontal.index[x + j] as number)) * depth;
        for (let d = 0; d < depth; d++) {
          sum[d] = (sum[d] as number) + factor * (table[offset + d] as number);
        }
      }
    }
    out.set(sum, (position - begin) * depth);
  }
  return out;
}
