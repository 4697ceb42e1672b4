/**
 * The runs of each component over a sample: a tower once per picture, the embedding table once per prompt with the
 * ids that follow it, the decoder a prefill per prompt and then one step per id on its own cache. What follows the
 * prompts is known beforehand (teacher forcing).
 *
 * Layouts are those of ../components.ts.
 */
import type { GenerationRecipe } from '../../architectures/architecture.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { embedNames, emptyCaches, slotFeeds, splice } from '../components.ts';
import type { Prompt, SampleMedia } from '../inputs/sample.ts';
import type { Call } from './lanes.ts';

/** One call per picture. */
export function pictureCalls(pictures: readonly SampleMedia[]): readonly Call[] {
  return pictures.map(({ feeds }) => ({ feeds }));
}

/** One call per prompt: its ids and the first `steps` of those that follow it. */
export function embedCalls(
  prompts: readonly Prompt[],
  continuations: readonly (readonly number[])[],
  steps: number,
): readonly Call[] {
  return prompts.map(({ ids }, index) => {
    const all = [...ids, ...(continuations[index] ?? []).slice(0, steps)];
    return { feeds: new Map([[embedNames.input, int64Value([1, all.length], all)]]) };
  });
}

/** One run of a decoder: a prefill, or one step after it. */
export interface DecoderCall {
  readonly prompt: number;
  /** Undefined: the prefill. */
  readonly step?: number;
}

/** Prefill and steps of each of so many prompts, in order. */
export function decoderSchedule(prompts: number, steps: number): readonly DecoderCall[] {
  return Array.from({ length: prompts }, (_, prompt): DecoderCall[] => [
    { prompt },
    ...Array.from({ length: steps }, (__, step) => ({ prompt, step })),
  ]).flat();
}

export interface DecoderInputs {
  readonly recipe: GenerationRecipe;
  readonly prompts: readonly Prompt[];
  readonly calls: readonly DecoderCall[];
  /** [1, S + steps, hidden] per prompt, of its ids and those that follow. */
  readonly embeds: readonly RunTensor[];
  /** [1, tokens, hidden] or [tokens, hidden] per picture. */
  readonly features: readonly RunTensor[];
}

/** Throws VC6102 when features do not fill their span. */
export function decoderCalls({ recipe, prompts, calls, embeds, features }: DecoderInputs): readonly Call[] {
  return calls.map(({ prompt: index, step }, at) => {
    const prompt = prompts[index];
    const own = embeds[index];
    if (prompt === undefined || own === undefined) throw new RangeError(`prompt ${index} has no embeddings`);
    const { length } = prompt.ids;
    const feeds = slotFeeds(recipe, prompt, step);
    if (step !== undefined) {
      feeds.set('inputs_embeds', rows(own, length + step, length + step + 1));
      return { feeds, after: at - 1 };
    }
    feeds.set('inputs_embeds', splice(rows(own, 0, length), prompt, features));
    for (const [name, empty] of emptyCaches(recipe)) feeds.set(name, empty);
    return { feeds };
  });
}

/** Rows [begin, end) of the middle axis of [1, S, hidden]. */
function rows(value: RunTensor, begin: number, end: number): RunTensor {
  const hidden = value.shape[2] ?? 0;
  return float32Value([1, end - begin, hidden], toFloat32(value).slice(begin * hidden, end * hidden));
}
