/**
 * Decodes a picture file to RGB bytes, as Pillow's `convert("RGB")` sees it: no colour profile is applied, alpha is
 * dropped, grey is repeated, the first frame counts, and what the file says about its orientation is left alone. What
 * the two would see differently, inks and more than 8 bits, is refused.
 */
import { basename } from 'node:path';
import { fail } from '../../report/diagnostics.ts';
import { systemReason } from '../../report/show.ts';
import type { Picture } from './picture.ts';

/** Extensions of what is taken for a picture. */
export const pictureExtensions: ReadonlySet<string> = new Set([
  '.png',
  '.jpg',
  '.jpeg',
  '.webp',
  '.gif',
  '.tif',
  '.tiff',
]);

/** A file of a few bytes may claim any size: 100 megapixels take 300 MB. */
const maxPixels = 1e8;

/** Throws VC6109 when the file is no picture that can be decoded. */
export async function decodePicture(path: string): Promise<Picture> {
  const { default: sharp } = await import('sharp');
  try {
    const file = sharp(path, { limitInputPixels: maxPixels, failOn: 'error', ignoreIcc: true });
    const { space, depth } = await file.metadata();
    if (space === 'cmyk' || depth !== 'uchar') throw new Error(`${space}, ${depth}`);
    const { data, info } = await file
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels`);
    return { width: info.width, height: info.height, rgb: new Uint8Array(data) };
  } catch (cause) {
    throw fail('VC6109', {
      where: basename(path),
      found: systemReason(cause),
      expected: 'a picture in grey or RGB, 8 bits per channel, of at most 100 megapixels',
      cause,
    });
  }
}
