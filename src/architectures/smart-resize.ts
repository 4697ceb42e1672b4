/**
 * The size that Qwen2-VL's processor gives a picture: sides that are multiples of a unit (patch · merge pixels), an area
 * within limits, the shape about kept. Pure arithmetic in pixels, as transformers computes it: limits are held against
 * the rounded sides, the scale comes from the original ones.
 */
import { roundHalfEven } from '../kernels/python-math.ts';
import type { Size } from './media.ts';

export interface SizeRule {
  /** Sides are multiples of this. */
  readonly unit: number;
  /** Least and most pixels of a picture. */
  readonly minPixels: number;
  readonly maxPixels: number;
}

/** The longer side is at most so many times the shorter one. */
export const mostAspect = 200;

/** The new size, or why the processor takes no picture of this one. */
export function smartResize(
  { width, height }: Size,
  { unit, minPixels, maxPixels }: SizeRule,
): Size | string {
  const objection = sizeObjection({ width, height }, unit);
  if (objection !== undefined) return objection;
  const each = (side: (pixels: number) => number): Size => ({ width: side(width), height: side(height) });
  const rounded = each((pixels) => roundHalfEven(pixels / unit) * unit);
  const area = rounded.width * rounded.height;
  if (area > maxPixels) {
    const beta = Math.sqrt((height * width) / maxPixels);
    const scaled = each((pixels) => Math.floor(pixels / beta / unit) * unit);
    const whole = scaled.width >= unit && scaled.height >= unit;
    return whole ? scaled : `a side under ${unit} pixels where the area is at most ${maxPixels}`;
  }
  if (area < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    return each((pixels) => Math.ceil((pixels * beta) / unit) * unit);
  }
  return rounded;
}

/** Why no picture of this size is taken; undefined where it is. */
export function sizeObjection({ width, height }: Size, unit: number): string | undefined {
  if (Math.min(width, height) < unit) return `a side under ${unit} pixels`;
  if (Math.max(width, height) / Math.min(width, height) > mostAspect) {
    return `a side more than ${mostAspect} times the other`;
  }
  return undefined;
}
