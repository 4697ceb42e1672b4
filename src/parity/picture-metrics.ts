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

export interface PictureMetrics {
  /** In decibels. */
  readonly psnr: number;
  readonly worstBlock: Worst;
  /** Per picture, root of the mean squared error of its blocks in bytes of a channel, row-major. */
  readonly blocks: readonly BlockMap[];
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

  constructor(scale: PixelScale) {
    this.#scale = scale;
  }

  /** Pixels [N, 3, H, W] of the same shape; what is not finite is off by the whole range. */
  add(reference: RunTensor, output: RunTensor): void {
    const [pictures = 0, channels = 0, height = 0, width = 0] = reference.shape;
    const [wanted, found] = [toFloat32(reference), toFloat32(output)];
    const [rows, columns] = [Math.ceil(height / blockSide), Math.ceil(width / blockSide)];
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
