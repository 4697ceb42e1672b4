/**
 * Arithmetic on doubles as Python does it, where JavaScript does it otherwise: preprocessing of released models is
 * written in Python, and sizes hang on its last bit.
 */

/** `round(x)`: to the nearest integer, halves to the even one. */
export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/** Fractional bits of fixed-point numbers: twice a double's, and room for sums. */
const bits = 128n;
const one = 1n << bits;

/**
 * `math.log(x)` of a positive, normal x: the double nearest to the logarithm, as C libraries compute it. `Math.log` may be
 * one unit off, at 3 for instance, and equal distances of logarithms then differ.
 */
export function naturalLog(x: number): number {
  if (!(x >= Number.MIN_VALUE && x < Number.POSITIVE_INFINITY)) throw new RangeError(`the logarithm of ${x}`);
  let exponent = Math.floor(Math.log2(x));
  let fraction = x / 2 ** exponent;
  if (fraction > Math.SQRT2) {
    fraction /= 2;
    exponent += 1;
  }
  // 53 bits of a number from about 0.7 to 1.4.
  const mantissa = BigInt(fraction * 2 ** 53);
  const unit = 1n << 53n;
  const sum =
    BigInt(exponent) * twiceAtanh(one / 3n) + twiceAtanh(((mantissa - unit) * one) / (mantissa + unit));
  return Number(sum) * 2 ** -Number(bits);
}

/** 2 · atanh(z) = log((1 + z) / (1 - z)), of a fixed-point z of at most a third. */
function twiceAtanh(z: bigint): bigint {
  const square = (z * z) / one;
  let sum = 0n;
  let power = z;
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += power / n;
    power = (power * square) / one;
  }
  return 2n * sum;
}
