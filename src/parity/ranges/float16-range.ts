/** What float16 holds. */

/** The largest finite float16: 2^15 * (2 - 2^-10). */
export const float16Max = 65504;

/** From here on a number rounds to infinity: half a step beyond the largest. */
const float16Overflow = 65520;

/** How many times larger a value could be; below 1 it is beyond the range. */
export function headroom(max: number): number {
  return float16Max / max;
}

/** Whether float16 has no finite number for it. */
export function overflowsFloat16(value: number): boolean {
  return !(Math.abs(value) < float16Overflow);
}
