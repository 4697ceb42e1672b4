/**
 * How a code is picked: the head reads the decoder's last states as logits, of a conditional and an unconditional row, and
 * classifier-free guidance weighs the two.
 */
import type { PictureGeneration } from '../architectures/recipe.ts';
import { fail } from '../report/diagnostics.ts';
import type { Session } from '../runtime/session.ts';
import { float32Value, type RunTensor, toFloat32 } from '../runtime/values.ts';
import { output } from './components.ts';

/** Names of the head's and the generator's values. */
export const drawingNames = {
  hidden: 'hidden_states',
  logits: 'logits',
  codes: 'codes',
  pixels: 'pixels',
} as const;

/** u + w (c - u), each step rounded to float32, as the original computes it. */
export function guide(conditional: Float32Array, unconditional: Float32Array, weight: number): Float32Array {
  const w = Math.fround(weight);
  return Float32Array.from(unconditional, (u, code) => {
    const c = conditional[code] ?? Number.NaN;
    return u + Math.fround(w * Math.fround(c - u));
  });
}

/**
 * Guided logits of the last position of hidden states [2, S, hidden]. Throws VC6102 where the head does not know as many
 * codes, VC6104 where it gives no numbers.
 */
export async function guidedLogits(
  head: Session,
  hidden: RunTensor,
  { codes }: PictureGeneration,
  guidance: number,
): Promise<Float32Array> {
  const feeds = new Map([[drawingNames.hidden, lastPositions([hidden])]]);
  const logits = output(await head.run(feeds), drawingNames.logits);
  const all = toFloat32(logits);
  if (all.length !== 2 * codes) {
    throw fail('VC6102', {
      where: 'logits of codes',
      found: `[${logits.shape}]`,
      expected: `[2,1,${codes}]`,
    });
  }
  const guided = guide(all.subarray(0, codes), all.subarray(codes), guidance);
  if (!guided.every(Number.isFinite)) throw fail('VC6104', { where: 'logits of codes' });
  return guided;
}

/** Hidden states of the last position of every decoder run of a drawing, [2, 1 + steps, hidden] of [2, S, hidden] each. */
export function lastPositions(runs: readonly RunTensor[]): RunTensor {
  const [batch = 0, , hidden = 0] = runs[0]?.shape ?? [];
  const data = new Float32Array(batch * runs.length * hidden);
  for (const [at, run] of runs.entries()) {
    const [, length = 0] = run.shape;
    const values = toFloat32(run);
    for (let row = 0; row < batch; row += 1) {
      const end = (row + 1) * length * hidden;
      data.set(values.subarray(end - hidden, end), (row * runs.length + at) * hidden);
    }
  }
  return float32Value([batch, runs.length, hidden], data);
}
