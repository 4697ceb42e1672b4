/**
 * The runs of each component over a sample: a tower once per picture, the embedding table once per prompt with the
 * ids that follow it, the decoder a prefill per prompt and then one step per id on its own cache. What follows the
 * prompts is known beforehand (teacher forcing). A picture that is drawn is one prompt more, of two rows, whose steps are
 * fed with the embeddings of codes.
 *
 * Layouts are those of ../components.ts.
 */
import type { GenerationRecipe } from '../../architectures/recipe.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { embedNames, emptyCaches, slotFeeds, splice } from '../components.ts';
import { type Drawing, drawingSteps } from '../inputs/drawing.ts';
import type { Prompt, SampleMedia } from '../inputs/sample.ts';
import type { Call } from './lanes.ts';

/** One call per picture. */
export function pictureCalls(pictures: readonly SampleMedia[]): readonly Call[] {
  return pictures.map(({ feeds }) => ({ feeds }));
}

/** One call per prompt: its ids and the first `steps` of those that follow it; then one for the rows of a drawing. */
export function embedCalls(
  prompts: readonly Prompt[],
  continuations: readonly (readonly number[])[],
  steps: number,
  drawing?: Drawing,
): readonly Call[] {
  const call = (rows: readonly (readonly number[])[]): Call => ({
    feeds: new Map([[embedNames.input, int64Value([rows.length, rows[0]?.length ?? 0], rows.flat())]]),
  });
  return [
    ...prompts.map(({ ids }, index) => call([[...ids, ...(continuations[index] ?? []).slice(0, steps)]])),
    ...(drawing === undefined ? [] : [call(drawing.rows)]),
  ];
}

/** One run of a decoder: a prefill, or one step after it. */
export interface DecoderCall {
  /** As many as there are prompts: the drawing. */
  readonly prompt: number;
  /** Undefined: the prefill. */
  readonly step?: number;
}

/** Prefill and steps of each of so many prompts, in order; then those of a drawing. */
export function decoderSchedule(prompts: number, steps: number, drawing?: Drawing): readonly DecoderCall[] {
  const runs = (prompt: number, count: number): DecoderCall[] => [
    { prompt },
    ...Array.from({ length: count }, (_, step) => ({ prompt, step })),
  ];
  return [
    ...Array.from({ length: prompts }, (_, prompt) => runs(prompt, steps)).flat(),
    ...(drawing === undefined ? [] : runs(prompts, drawingSteps(drawing, steps))),
  ];
}

export interface DecoderInputs {
  readonly recipe: GenerationRecipe;
  readonly prompts: readonly Prompt[];
  readonly calls: readonly DecoderCall[];
  /** [1, S + steps, hidden] per prompt, of its ids and those that follow. */
  readonly embeds: readonly RunTensor[];
  /** [1, tokens, hidden] or [tokens, hidden] per picture. */
  readonly features: readonly RunTensor[];
  /** What follows the prompts; `embeds` ends with its rows, [2, S, hidden]. */
  readonly drawing?: DrawingInputs | undefined;
}

export interface DrawingInputs {
  readonly drawing: Drawing;
  /** [1, codes, hidden] */
  readonly codes: RunTensor;
}

/** Throws VC6102 when features do not fill their span. */
export function decoderCalls(inputs: DecoderInputs): readonly Call[] {
  const { recipe, prompts, calls, embeds, features } = inputs;
  return calls.map(({ prompt: index, step }, at) => {
    const prompt = prompts[index];
    const own = embeds[index];
    if (index === prompts.length) return drawingCall(inputs, own, step, at);
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

/** Both rows of a drawing at once: they go on with the same codes. */
function drawingCall(
  { recipe, drawing: inputs }: DecoderInputs,
  embeds: RunTensor | undefined,
  step: number | undefined,
  at: number,
): Call {
  if (inputs === undefined || embeds === undefined) throw new RangeError('there is nothing to draw');
  const { drawing, codes } = inputs;
  const [conditional] = drawing.rows;
  const batch = drawing.rows.length;
  const feeds = slotFeeds(recipe, { ids: conditional }, step, batch);
  if (step === undefined) {
    feeds.set('inputs_embeds', embeds);
    for (const [name, empty] of emptyCaches(recipe, batch)) feeds.set(name, empty);
    return { feeds };
  }
  const own = toFloat32(rows(codes, step, step + 1));
  const both = new Float32Array(batch * own.length);
  for (let row = 0; row < batch; row += 1) both.set(own, row * own.length);
  feeds.set('inputs_embeds', float32Value([batch, 1, own.length], both));
  return { feeds, after: at - 1 };
}

/** Rows [begin, end) of the middle axis of [1, S, hidden]. */
function rows(value: RunTensor, begin: number, end: number): RunTensor {
  const hidden = value.shape[2] ?? 0;
  return float32Value([1, end - begin, hidden], toFloat32(value).slice(begin * hidden, end * hidden));
}
