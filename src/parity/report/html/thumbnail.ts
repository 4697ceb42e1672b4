/** The picture that was looked at, small and grey, to lie below the heat map. */
import { createHash } from 'node:crypto';
import { drawPicture, type Picture } from '../../inputs/picture.ts';
import { encodeGreyPng } from '../../png.ts';
import type { ParityReport } from '../report.ts';

/** About 30 KB in the page. */
const maxWidth = 360;
const maxHeight = 360;

/** A data URL; the drawn picture is drawn again from its seed. Undefined where the picture is another one. */
export function thumbnail({ sample }: ParityReport): string | undefined {
  if (sample.picture === undefined) return undefined;
  const { width, height, sha256 } = sample.picture;
  const picture = drawPicture(width, height, sample.seed);
  if (createHash('sha256').update(picture.rgb).digest('hex') !== sha256) return undefined;
  return pictureUrl(picture);
}

export function pictureUrl(picture: Picture): string {
  const scale = Math.min(1, maxWidth / picture.width, maxHeight / picture.height);
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const png = encodeGreyPng(width, height, shrink(picture, width, height));
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

/** Means over boxes of whole pixels, as levels of grey 0 to 15, [height, width]. */
function shrink(picture: Picture, width: number, height: number): Uint8Array {
  const { rgb } = picture;
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y += 1) {
    const top = Math.floor((y * picture.height) / height);
    const bottom = Math.max(top + 1, Math.floor(((y + 1) * picture.height) / height));
    for (let x = 0; x < width; x += 1) {
      const left = Math.floor((x * picture.width) / width);
      const right = Math.max(left + 1, Math.floor(((x + 1) * picture.width) / width));
      let sum = 0;
      for (let row = top; row < bottom; row += 1) {
        for (let at = (row * picture.width + left) * 3; at < (row * picture.width + right) * 3; at += 3) {
          // Rec. 601 luma.
          sum += 0.299 * (rgb[at] ?? 0) + 0.587 * (rgb[at + 1] ?? 0) + 0.114 * (rgb[at + 2] ?? 0);
        }
      }
      const grey = sum / ((bottom - top) * (right - left));
      out[y * width + x] = Math.min(15, Math.floor(grey / 16));
    }
  }
  return out;
}
