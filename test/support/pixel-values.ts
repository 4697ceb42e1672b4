/** pixel_values of a case by its formula: per channel (u8 / 255 - mean) / std, every step rounded to float32. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { float32Value, type RunTensor } from '../../src/runtime/values.ts';
import { type GoldenCase, pixelFormula } from './golden-cases.ts';

/** float32 [images, 3, H, W] from the case's resized pictures; throws where their digests are not those recorded. */
export function casePixels(golden: GoldenCase): RunTensor {
  const { stored_as, mean, std, sha256_of_fp32_little_endian_chw } = pixelFormula(golden);
  return picturePixels(
    stored_as.map((name) => join(golden.folder, name)),
    mean,
    std,
    sha256_of_fp32_little_endian_chw,
  );
}

export function picturePixels(
  paths: readonly string[],
  mean: readonly number[],
  std: readonly number[],
  digests: readonly string[],
): RunTensor {
  const pictures = paths.map((path) => PNG.sync.read(readFileSync(path)));
  const [first] = pictures;
  if (first === undefined) throw new Error('a case without pictures');
  const { width, height } = first;
  const area = width * height;
  const data = new Float32Array(pictures.length * 3 * area);
  for (const [index, picture] of pictures.entries()) {
    const image = data.subarray(index * 3 * area, (index + 1) * 3 * area);
    for (let channel = 0; channel < 3; channel += 1) {
      const shift = Math.fround(mean[channel] ?? 0);
      const scale = Math.fround(std[channel] ?? 1);
      for (let i = 0; i < area; i += 1) {
        const value = Math.fround((picture.data[i * 4 + channel] ?? 0) / 255);
        image[channel * area + i] = Math.fround(value - shift) / scale;
      }
    }
    const digest = createHash('sha256').update(
      new Uint8Array(image.buffer, image.byteOffset, image.byteLength),
    );
    const found = digest.digest('hex');
    if (found !== digests[index]) throw new Error(`${paths[index]}: pixel values are not those recorded`);
  }
  return float32Value([pictures.length, 3, height, width], data);
}
