/** One prompt through a decoder: prefill, then one step per token, keeping what a comparison needs. */
import type { GenerationRecipe } from '../architectures/recipe.ts';
import type { Session } from '../runtime/session.ts';
import { type RunTensor, toFloat32 } from '../runtime/values.ts';
import { runDecoder } from './components.ts';
import type { Prompt } from './inputs/sample.ts';
import { argMax } from './metrics.ts';
import { sampledLayers, sampledRows } from './places.ts';

/** What a decoder gave for one prompt. */
export interface Decoding {
  /** Positions of the rows in `logits`: sampled prefill positions, then one per decode step. */
  readonly positions: readonly number[];
  /** [positions, vocab]. */
  readonly logits: Float32Array;
  readonly vocab: number;
  /** Arg max of the last prefill row, then of each step. */
  readonly picks: readonly number[];
  /** The cache after the last step, of the sampled layers: it covers the prefill and every step. */
  readonly cache: ReadonlyMap<string, RunTensor>;
}

/**
 * Runs a prefill of a prompt over `embeds` [1, S, hidden], features spliced in, then `steps` steps. `next(pick, step)` gives the embedding
 * [1, 1, hidden] to feed after the token `pick`.
 */
export async function decode(
  session: Session,
  recipe: GenerationRecipe,
  prompt: Pick<Prompt, 'ids' | 'positions'>,
  embeds: RunTensor,
  steps: number,
  next: (pick: number, step: number) => Promise<RunTensor>,
): Promise<Decoding> {
  const length = embeds.shape[1] ?? 0;
  let run = await runDecoder(session, recipe, prompt, embeds);
  const vocab = run.logits.shape[2] ?? 0;
  const prefill = toFloat32(run.logits);
  const sampled = sampledRows(length, vocab);
  const logits = new Float32Array((sampled.length + steps) * vocab);
  const row = (data: Float32Array, index: number): Float32Array =>
    data.subarray(index * vocab, (index + 1) * vocab);
  for (const [index, position] of sampled.entries()) logits.set(row(prefill, position), index * vocab);
  const picks = [argMax(row(prefill, length - 1))];
  for (let step = 0; step < steps; step += 1) {
    const own = await next(picks[step] ?? 0, step);
    run = await runDecoder(session, recipe, prompt, own, { step, cache: run.cache });
    const last = toFloat32(run.logits);
    logits.set(last, (sampled.length + step) * vocab);
    picks.push(argMax(last));
  }
  return {
    positions: [...sampled, ...Array.from({ length: steps }, (_, step) => length + step)],
    logits,
    vocab,
    picks,
    cache: sampleCache(recipe, run.cache, length + steps),
  };
}

/** Number of layers whose cache is compared after `slots` slots. */
export function comparedLayers(recipe: GenerationRecipe, slots: number): readonly number[] {
  const { layers, kvHeads, headDim } = recipe.decoder;
  return sampledLayers(layers, 2 * kvHeads * headDim * slots);
}

function sampleCache(
  recipe: GenerationRecipe,
  cache: ReadonlyMap<string, RunTensor>,
  slots: number,
): ReadonlyMap<string, RunTensor> {
  const kept = comparedLayers(recipe, slots).flatMap((layer) => [
    `present.${layer}.key`,
    `present.${layer}.value`,
  ]);
  return new Map([...cache].filter(([name]) => kept.includes(name)));
}
