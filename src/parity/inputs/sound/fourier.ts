/**
 * The discrete Fourier transform of real numbers, of any length, in float64: X[k] = Σ x[n] exp(-2πi nk / N). The library
 * takes powers of two; other lengths (400 samples of a window at 16 kHz) become a convolution with a chirp of such a
 * length (Bluestein 1970), since nk = (n² + k² - (k - n)²) / 2.
 */
import { cfft, cifft } from 'fourier-transform';

export interface Fourier {
  /** |X[k]|² for k from 0 to N / 2, into `out`; `x` has N numbers. */
  power(x: Float64Array, out: Float64Array): void;
}

export function fourier(length: number): Fourier {
  const size = 2 ** Math.ceil(Math.log2(2 * length - 1));
  const cos = new Float64Array(length);
  const sin = new Float64Array(length);
  for (let n = 0; n < length; n += 1) {
    // n² / 2 turns by 1 / N, reduced to one turn before it loses digits.
    const angle = (Math.PI * ((n * n) % (2 * length))) / length;
    cos[n] = Math.cos(angle);
    sin[n] = Math.sin(angle);
  }
  const chirpRe = new Float64Array(size);
  const chirpIm = new Float64Array(size);
  for (let n = 0; n < length; n += 1) {
    for (const at of [n, (size - n) % size]) {
      chirpRe[at] = cos[n] ?? 0;
      chirpIm[at] = sin[n] ?? 0;
    }
  }
  cfft(chirpRe, chirpIm);
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  return {
    power: (x, out) => {
      re.fill(0);
      im.fill(0);
      for (let n = 0; n < length; n += 1) {
        re[n] = (x[n] ?? 0) * (cos[n] ?? 0);
        im[n] = -(x[n] ?? 0) * (sin[n] ?? 0);
      }
      cfft(re, im);
      for (let k = 0; k < size; k += 1) {
        const [a, b, c, d] = [re[k] ?? 0, im[k] ?? 0, chirpRe[k] ?? 0, chirpIm[k] ?? 0];
        re[k] = a * c - b * d;
        im[k] = a * d + b * c;
      }
      cifft(re, im);
      // What is left is a turn by the chirp of k, which no magnitude sees.
      for (let k = 0; k < out.length; k += 1) out[k] = (re[k] ?? 0) ** 2 + (im[k] ?? 0) ** 2;
    },
  };
}
