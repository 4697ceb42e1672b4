/** The picture that a case's processor made, in bytes: what it fed, before it was normalised. */
import type { Picture } from '../../src/parity/inputs/picture.ts';
import type { RunTensor } from '../../src/runtime/values.ts';

/** The furthest from a whole number of 255ths that float32 rounding leaves a byte. */
const roundingError = 1e-3;

/** Of float32 [1, 3, H, W]; throws where the values are not those of bytes. */
export function recordedBytes(
  { shape: [, , height = 0, width = 0], data }: RunTensor,
  mean: readonly number[],
  std: readonly number[],
): Picture {
  const area = width * height;
  const rgb = new Uint8Array(area * 3);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let i = 0; i < area; i += 1) {
      const value = Number(data[channel * area + i]) * (std[channel] ?? 1) + (mean[channel] ?? 0);
      const byte = Math.round(value * 255);
      if (Math.abs(value * 255 - byte) > roundingError) throw new Error(`${value * 255} is no byte`);
      rgb[i * 3 + channel] = byte;
    }
  }
  return { width, height, rgb };
}
