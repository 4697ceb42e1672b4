/** Classifier-free guidance: what a code is picked by, of the logits of a conditional and an unconditional row. */

/** u + w (c - u), each step rounded to float32, as the original computes it. */
export function guide(conditional: Float32Array, unconditional: Float32Array, weight: number): Float32Array {
  const w = Math.fround(weight);
  return Float32Array.from(unconditional, (u, code) => {
    const c = conditional[code] ?? Number.NaN;
    return u + Math.fround(w * Math.fround(c - u));
  });
}
