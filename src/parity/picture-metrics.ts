/**
 * How far a drawn picture is from the original's, as one looks at it: bytes of a channel before they are cut to whole
 * ones, clip(255 (y std + mean)), so that what lies beyond black and white does not count.
 *
 * - PSNR = 10 log10(255² / mean squared error), in decibels, over all pictures, pixels and channels
 * - the worst block: the least PSNR of squares of 16 x 16 pixels (less at the right and lower edge)
 *
 * Pictures that differ by less than float32 tells apart have `equalPictures` decibels. Pixels are [N, 3, H, W].
 */
import { type RunTensor, toFloat32 } from '../runtime/values.ts';
import type { Picture } from './inputs/picture.ts';
import type { Worst } from './metrics.ts';
import { encodeRgbPng } from './png.ts';

export interface PictureMetrics {
  /** In decibels. */
  readonly psnr: number;
  readonly worstBlock: Worst;
  /** Per picture, root of the mean squared error of its blocks in bytes of a channel, row-major. */
  readonly blocks: readonly BlockMap[];
  /** The first picture, where it differs at all. */
  readonly shown?: ShownPicture;
}

/** Small PNG files in base64. */
export interface ShownPicture {
  readonly width: number;
  readonly height: number;
  readonly reference: string;
  readonly output: string;
  /** Of bytes before they are cut, the mean of the channels: white is the largest. */
  readonly difference: string;
  /** Of a pixel, in bytes. */
  readonly largest: number;
}

export interface BlockMap {
  readonly rows: number;
  readonly columns: number;
  readonly errors: readonly number[];
}

/** How pixels become bytes. */
export interface PixelScale {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Longer side of what is shown, in pixels. */
const shownSide = 160;
/** Side of a block, in pixels. */
export const blockSide = 16;
/** The range of float32 is 144 dB. */
export const equalPictures = 150;
const peak = 255;

/** Accumulates comparisons of pictures. */
export class PictureComparison {
  readonly #scale: PixelScale;
  readonly #blocks: BlockMap[] = [];
  #squares = 0;
  #count = 0;
  #worst: Worst = { value: equalPictures, where: '' };
  #shown: ShownPicture | undefined;

  constructor(scale: PixelScale) {
    this.#scale = scale;
  }

  /** Pixels [N, 3, H, W] of the same shape; what is not finite is off by the whole range. */
  add(reference: RunTensor, output: RunTensor): void {
    const [pictures = 0, channels = 0, height = 0, width = 0] = reference.shape;
    const [wanted, found] = [toFloat32(reference), toFloat32(output)];
    const [rows, columns] = [Math.ceil(height / blockSide), Math.ceil(width / blockSide)];
    this.#shown ??= showPicture(reference, output, this.#scale);
    for (let picture = 0; picture < pictures; picture += 1) {
      const squares = new Float64Array(rows * columns);
      const counts = new Float64Array(rows * columns);
      for (let channel = 0; channel < channels; channel += 1) {
        const first = (picture * channels + channel) * height * width;
        for (let y = 0; y < height; y += 1) {
          const row = Math.floor(y / blockSide) * columns;
          for (let x = 0; x < width; x += 1) {
            const at = first + y * width + x;
            const block = row + Math.floor(x / blockSide);
            const own = this.#level(found[at] ?? 0, channel);
            const error = Number.isFinite(own) ? own - this.#level(wanted[at] ?? 0, channel) : peak;
            squares[block] = (squares[block] ?? 0) + error * error;
            counts[block] = (counts[block] ?? 0) + 1;
          }
        }
      }
      this.#addBlocks({ rows, columns, errors: [] }, squares, counts);
    }
  }

  #addBlocks({ rows, columns }: BlockMap, squares: Float64Array, counts: Float64Array): void {
    const picture = this.#blocks.length;
    const errors = Array.from(squares, (sum, block) => Math.sqrt(sum / (counts[block] ?? 1)));
    for (const [block, error] of errors.entries()) {
      const value = decibels(error * error);
      if (value < this.#worst.value) {
        const where = `picture ${picture}, block row ${Math.floor(block / columns)} column ${block % columns}`;
        this.#worst = { value, where };
      }
      this.#squares += squares[block] ?? 0;
      this.#count += counts[block] ?? 0;
    }
    this.#blocks.push({ rows, columns, errors });
  }

  #level(pixel: number, channel: number): number {
    return levelOf(pixel, channel, this.#scale);
  }

  /** Undefined when nothing was compared. */
  finish(): PictureMetrics | undefined {
    if (this.#count === 0) return undefined;
    return {
      psnr: decibels(this.#squares / this.#count),
      worstBlock: this.#worst,
      blocks: this.#blocks,
      ...(this.#shown === undefined ? {} : { shown: this.#shown }),
    };
  }
}

function decibels(meanSquare: number): number {
  return Math.min(equalPictures, 10 * Math.log10((peak * peak) / meanSquare));
}

/** 0 … 255, rounded to float32 step by step as the original computes it; NaN stays NaN. */
function levelOf(pixel: number, channel: number, { mean, std }: PixelScale): number {
  const scaled = Math.fround(
    Math.fround(pixel * Math.fround(std[channel] ?? 1)) + Math.fround(mean[channel] ?? 0),
  );
  return Math.min(peak, Math.max(0, Math.fround(scaled * peak)));
}

/** Undefined where the two do not differ. */
function showPicture(reference: RunTensor, output: RunTensor, scale: PixelScale): ShownPicture | undefined {
  const [, channels = 0, height = 0, width = 0] = reference.shape;
  const area = height * width;
  const differences = new Float64Array(area);
  const [wanted, found] = [toFloat32(reference), toFloat32(output)];
  for (let at = 0; at < channels * area; at += 1) {
    const channel = Math.floor(at / area);
    const error = levelOf(found[at] ?? 0, channel, scale) - levelOf(wanted[at] ?? 0, channel, scale);
    const pixel = at % area;
    differences[pixel] =
      (differences[pixel] ?? 0) + Math.abs(Number.isFinite(error) ? error : peak) / channels;
  }
  const largest = differences.reduce((a, b) => Math.max(a, b), 0);
  const [first, second] = [picturesOf(reference, scale)[0], picturesOf(output, scale)[0]];
  if (largest === 0 || first === undefined || second === undefined) return undefined;
  const grey = Uint8Array.from({ length: 3 * area }, (_, at) =>
    Math.round((peak * (differences[Math.floor(at / 3)] ?? 0)) / largest),
  );
  const [one, other, apart] = [first, second, { width, height, rgb: grey }].map((picture) => {
    const small = shrink(picture);
    return {
      ...small,
      png: Buffer.from(encodeRgbPng(small.width, small.height, small.rgb)).toString('base64'),
    };
  });
  if (one === undefined || other === undefined || apart === undefined) return undefined;
  const files = { reference: one.png, output: other.png, difference: apart.png };
  return { width: one.width, height: one.height, ...files, largest };
}

/** Means over boxes of whole pixels. */
function shrink({ width, height, rgb }: Picture): Picture {
  const by = Math.max(1, Math.ceil(Math.max(width, height) / shownSide));
  const [columns, rows] = [Math.ceil(width / by), Math.ceil(height / by)];
  if (by === 1) return { width, height, rgb };
  const small = new Uint8Array(3 * columns * rows);
  for (const at of small.keys()) {
    const [x, y] = [Math.floor(at / 3) % columns, Math.floor(at / (3 * columns))];
    let sum = 0;
    let count = 0;
    for (let row = y * by; row < Math.min(height, (y + 1) * by); row += 1) {
      for (let column = x * by; column < Math.min(width, (x + 1) * by); column += 1) {
        sum += rgb[(row * width + column) * 3 + (at % 3)] ?? 0;
        count += 1;
      }
    }
    small[at] = Math.round(sum / count);
  }
  return { width: columns, height: rows, rgb: small };
}

/** The pictures of pixels [N, 3, H, W]: bytes are cut, not rounded. */
export function picturesOf(pixels: RunTensor, scale: PixelScale): readonly Picture[] {
  const [count = 0, channels = 0, height = 0, width = 0] = pixels.shape;
  const values = toFloat32(pixels);
  const area = height * width;
  return Array.from({ length: count }, (_, picture) => {
    const rgb = new Uint8Array(area * channels);
    for (let channel = 0; channel < channels; channel += 1) {
      const first = (picture * channels + channel) * area;
      for (let i = 0; i < area; i += 1) {
        rgb[i * channels + channel] = Math.trunc(levelOf(values[first + i] ?? 0, channel, scale));
      }
    }
    return { width, height, rgb };
  });
}
