/**
 * Pillow's `Image.resize` on 8-bit pictures, bit for bit (8 bits per channel): two passes, each rounding to 8 bits;
 * where a picture shrinks, the filter widens with it. A pass that does not change its size is skipped. Which pass comes
 * first shows in the last bits: Pillow 13 takes the vertical one where the height shrinks by more than twice as many
 * pixels as the width; versions before always began with the horizontal one.
 *
 * Layout: [height, width, 3] bytes.
 */

export type PillowFilter = 'bilinear' | 'bicubic' | 'lanczos';

/** Half width in source pixels, and weight at a distance. */
interface Filter {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

const a = -0.5;

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const filters: Readonly<Record<PillowFilter, Filter>> = {
  bilinear: { support: 1, weight: (d) => (d < 1 ? 1 - d : 0) },
  bicubic: {
    support: 2,
    weight: (d) => {
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: (d) => (d < 3 ? sinc(d) * sinc(d / 3) : 0) },
};

/** Bits behind the point of a fixed-point weight. */
const precision = 22;

/** Taps of every output position: source positions `first` .. and their weights, fixed point. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [outSize, widest]. */
  readonly weight: Int32Array;
  readonly widest: number;
}

function pillowTaps(inSize: number, outSize: number, filter: Filter): Taps {
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const widest = Math.ceil(support) * 2 + 1;
  const taps: Taps = {
    first: new Int32Array(outSize),
    count: new Int32Array(outSize),
    weight: new Int32Array(outSize * widest),
    widest,
  };
  for (let out = 0; out < outSize; out += 1) {
    const center = (out + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), inSize);
    const weights = Array.from({ length: end - first }, (_, tap) =>
      filter.weight(Math.abs((first + tap - center + 0.5) * (1 / stretch))),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    taps.first[out] = first;
    taps.count[out] = weights.length;
    for (const [tap, weight] of weights.entries()) {
      const fixed = (total === 0 ? weight : weight / total) * 2 ** precision;
      taps.weight[out * widest + tap] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
  }
  return taps;
}

/** Throws a RangeError when a size is not positive or `rgb` does not fill it. */
export function pillowResize(
  rgb: Uint8Array,
  size: { readonly width: number; readonly height: number },
  target: { readonly width: number; readonly height: number },
  filter: PillowFilter,
): Uint8Array {
  for (const { width, height } of [size, target]) {
    if (!(Number.isSafeInteger(width) && width > 0 && Number.isSafeInteger(height) && height > 0)) {
      throw new RangeError(`cannot resize to or from ${width}x${height}`);
    }
  }
  if (rgb.length !== size.width * size.height * 3) {
    throw new RangeError(`${rgb.length} bytes are not ${size.width}x${size.height} in RGB`);
  }
  const across = (bytes: Uint8Array, height: number): Uint8Array =>
    target.width === size.width
      ? bytes
      : alongRows(bytes, size.width, height, pillowTaps(size.width, target.width, filters[filter]));
  const down = (bytes: Uint8Array, width: number): Uint8Array =>
    target.height === size.height
      ? bytes
      : alongColumns(bytes, width, pillowTaps(size.height, target.height, filters[filter]));
  const lost = size.height - target.height;
  const downFirst = lost > 0 && lost > (size.width - target.width) * 2;
  return downFirst
    ? across(down(rgb, size.width), target.height)
    : down(across(rgb, size.height), target.width);
}

function alongRows(rgb: Uint8Array, width: number, height: number, taps: Taps): Uint8Array {
  const { first, count, weight, widest } = taps;
  const out = new Uint8Array(first.length * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < first.length; x += 1) {
      const from = (y * width + (first[x] as number)) * 3;
      const to = (y * first.length + x) * 3;
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 1 << (precision - 1);
        for (let tap = 0; tap < (count[x] as number); tap += 1) {
          sum += (weight[x * widest + tap] as number) * (rgb[from + tap * 3 + channel] as number);
        }
        out[to + channel] = clip(sum);
      }
    }
  }
  return out;
}

function alongColumns(rgb: Uint8Array, width: number, taps: Taps): Uint8Array {
  const { first, count, weight, widest } = taps;
  const row = width * 3;
  const out = new Uint8Array(first.length * row);
  for (let y = 0; y < first.length; y += 1) {
    const from = (first[y] as number) * row;
    for (let at = 0; at < row; at += 1) {
      let sum = 1 << (precision - 1);
      for (let tap = 0; tap < (count[y] as number); tap += 1) {
        sum += (weight[y * widest + tap] as number) * (rgb[from + tap * row + at] as number);
      }
      out[y * row + at] = clip(sum);
    }
  }
  return out;
}

/** A fixed-point sum as a byte. */
function clip(sum: number): number {
  return Math.min(Math.max(sum >> precision, 0), 255);
}
