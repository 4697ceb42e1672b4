/** Bit patterns that decide whether a float conversion is right. */
import { halfToFloat } from '../../src/kernels/half.ts';
import { random } from './arena.ts';

/** Every pattern of 16 bits. */
export const allOf16 = Uint16Array.from({ length: 65536 }, (_, pattern) => pattern);

/**
 * float32 patterns: every bfloat16 with what may follow it (nothing, below, at and above the tie, ones: that is
 * every tie of bfloat16, every NaN prefix and every exponent), every tie between neighbours of float16 with its
 * own neighbours, and random ones.
 */
export function float32Patterns(): Uint32Array {
  const followers = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
  const patterns: number[] = [];
  for (const upper of allOf16) {
    for (const lower of followers) patterns.push(((upper << 16) | lower) >>> 0);
  }
  const halves = new Uint32Array(halfToFloat(allOf16).buffer);
  for (const bits of halves) {
    // Half a step of a normal float16 is bit 12.
    for (const offset of [-1, 0, 1, 0xfff, 0x1000, 0x1001]) patterns.push((bits + offset) >>> 0);
  }
  // Ties between subnormal float16: (m + ½)·2^-24.
  const ties = new Float32Array(1025).map((_, m) => (m + 0.5) * 2 ** -24);
  for (const bits of new Uint32Array(ties.buffer)) {
    for (const sign of [0, 0x80000000]) {
      for (const offset of [-1, 0, 1]) patterns.push((bits + offset + sign) >>> 0);
    }
  }
  // Where clamping begins: 5.96e-8 and 65504.
  for (const value of Float32Array.of(5.96e-8, 65504, 65519, 65520, 65536, 2 ** -25, 2 ** -126, 2 ** -149)) {
    const [bits = 0] = new Uint32Array(Float32Array.of(value).buffer);
    for (const offset of [-2, -1, 0, 1, 2])
      patterns.push((bits + offset) >>> 0, (bits + offset + 2 ** 31) >>> 0);
  }
  const uniform = random(7);
  for (let i = 0; i < 50_000; i++) patterns.push(Math.floor(uniform() * 2 ** 32));
  return Uint32Array.from(patterns);
}
