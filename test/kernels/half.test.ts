import { describe, expect, it } from 'vitest';
import {
  bfloatToFloat,
  clampToHalfRange,
  floatToBfloat,
  floatToHalf,
  halfToFloat,
  roundToOdd,
} from '../../src/kernels/half.ts';

const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** IEEE 754 by its definition: exponent and mantissa bits give the value. */
function decode(pattern: number, exponentBits: number, mantissaBits: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const mantissa = pattern & (2 ** mantissaBits - 1);
  const exponent = (pattern >>> mantissaBits) & (2 ** exponentBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa * 2 ** -mantissaBits) * 2 ** (exponent - bias);
}

const formats = [
  { name: 'float16', exponent: 5, mantissa: 10, toFloat: halfToFloat, fromFloat: floatToHalf },
  { name: 'bfloat16', exponent: 8, mantissa: 7, toFloat: bfloatToFloat, fromFloat: floatToBfloat },
] as const;

describe.each(formats)('$name', ({ exponent, mantissa, toFloat, fromFloat }) => {
  const values = toFloat(patterns);
  const infinity = (2 ** exponent - 1) << mantissa;

  it('decodes every pattern as IEEE 754 defines it', () => {
    const wrong = [...patterns].filter((p) => !Object.is(values[p], decode(p, exponent, mantissa)));
    expect(wrong).toEqual([]);
  });

  it('encodes every value to the pattern it came from', () => {
    const back = fromFloat(values);
    const wrong = [...patterns].filter((p) =>
      Number.isNaN(values[p]) ? !Number.isNaN(toFloat(back.slice(p, p + 1))[0]) : back[p] !== p,
    );
    expect(wrong).toEqual([]);
  });

  it('rounds to nearest, ties to even, between all neighbours', () => {
    const inputs: number[] = [];
    const expected: number[] = [];
    // The neighbour of the largest finite value, for rounding, is the power of two that would follow.
    const value = (p: number): number =>
      p === infinity ? 2 ** (2 ** (exponent - 1)) : (values[p] as number);
    for (let p = 0; p < infinity; p++) {
      const middle = (value(p) + value(p + 1)) / 2;
      // Between float32 neighbours of a bfloat16 subnormal the middle itself is still a float32.
      const step = Math.max(middle * 2 ** -23, 2 ** -149);
      for (const sign of [1, -1]) {
        const bit = sign < 0 ? 0x8000 : 0;
        inputs.push(sign * middle, sign * Math.fround(middle - step), sign * Math.fround(middle + step));
        expected.push((p + (p & 1)) | bit, p | bit, (p + 1) | bit);
      }
    }
    const actual = fromFloat(Float32Array.from(inputs));
    const wrong = inputs.filter((_, i) => actual[i] !== expected[i]);
    expect(wrong).toEqual([]);
  });
});

describe('clampToHalfRange', () => {
  it('keeps tiny values alive and large ones finite, and nothing else', () => {
    const values = Float32Array.from([
      0,
      -0,
      1e-30,
      -1e-30,
      5.97e-8,
      65504,
      65505,
      -1e30,
      Infinity,
      -Infinity,
      NaN,
    ]);
    clampToHalfRange(values);
    const tiny = Math.fround(5.96e-8);
    const untouched = Math.fround(5.97e-8);
    expect([...values]).toEqual([
      0,
      -0,
      tiny,
      -tiny,
      untouched,
      65504,
      65504,
      -65504,
      Infinity,
      -Infinity,
      NaN,
    ]);
    expect(floatToHalf(values)[2]).toBe(1);
  });
});

describe('roundToOdd', () => {
  it('makes a second rounding to float16 the same as a single one', () => {
    // 1 + 2^-11 is the tie between 1 and 1 + 2^-10; what lies beyond float32 decides.
    const tie = 1 + 2 ** -11;
    const values = Float64Array.from([tie, tie + 2 ** -40, tie - 2 ** -40, -(tie + 2 ** -40)]);
    expect([...floatToHalf(roundToOdd(values))]).toEqual([0x3c00, 0x3c01, 0x3c00, 0xbc01]);
    // Rounding twice to nearest would lose it.
    expect([...floatToHalf(new Float32Array(values))]).toEqual([0x3c00, 0x3c00, 0x3c00, 0xbc00]);
  });

  it('leaves what float32 holds, and overflow below infinity', () => {
    const values = Float64Array.from([0.5, -0, Infinity, 1e300, NaN]);
    const odd = roundToOdd(values);
    expect([...odd.slice(0, 3)]).toEqual([0.5, -0, Infinity]);
    expect(odd[3]).toBeGreaterThan(3e38);
    expect([...floatToHalf(odd)].slice(3)).toEqual([0x7c00, 0x7e00]);
  });
});
