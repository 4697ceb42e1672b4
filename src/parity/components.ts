/**
 * How the components of one model are run, whatever the model: names of inputs and outputs as every architecture
 * of ours writes them, the splice of image features, and the decoder with its cache.
 *
 * Layouts, of N rows (one, or the two of a picture that is drawn): inputs_embeds [N, S, hidden]; attention_mask int64
 * [N, past + S]; position_ids int64 [3, N, S] and rope_length int64 scalar (slots of the prefill) where the decoder takes
 * them; past_key_values.N.key|value [N, heads, past, head_dim]; logits [N, S, vocab].
 */
import type { GenerationRecipe } from '../architectures/recipe.ts';
import { fail, type VlmError } from '../report/diagnostics.ts';
import type { Session } from '../runtime/session.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../runtime/values.ts';
import type { Prompt } from './inputs/sample.ts';

export const embedNames = { input: 'input_ids', output: 'inputs_embeds' } as const;

/** Embeddings [1, S, hidden] of ids. */
export function embedIds(session: Session, ids: readonly number[]): Promise<RunTensor> {
  return embedRows(session, [ids]);
}

/** Embeddings [N, S, hidden] of rows of as many ids. */
export async function embedRows(session: Session, rows: readonly (readonly number[])[]): Promise<RunTensor> {
  const ids = int64Value([rows.length, rows[0]?.length ?? 0], rows.flat());
  return output(await session.run(new Map([[embedNames.input, ids]])), embedNames.output);
}

/**
 * Puts image features, one tensor [..., hidden] per picture with a row per token, over the embeddings of the prompt's
 * spans; without spans the embeddings stay as they are. Throws VC6102 when features do not fill their spans.
 */
export function splice(embeds: RunTensor, prompt: Prompt, features: readonly RunTensor[]): RunTensor {
  if (prompt.spans.length === 0) return embeds;
  const hidden = embeds.shape[2] ?? 0;
  const data = Float32Array.from(toFloat32(embeds));
  const taken = new Map<number, number>();
  for (const { first, count, media: picture } of prompt.spans) {
    const own = features[picture];
    const rows = own === undefined ? 0 : own.data.length / hidden;
    // A picture of several spans fills them one after the other; one that is shown again begins anew.
    const from = (taken.get(picture) ?? 0) % rows;
    if (own === undefined || own.shape.at(-1) !== hidden || from + count > rows) {
      throw unfilled(picture, own, `[1,${count},${hidden}]`);
    }
    data.set(toFloat32(own).subarray(from * hidden, (from + count) * hidden), first * hidden);
    taken.set(picture, from + count);
  }
  for (const [picture, count] of taken) {
    const own = features[picture];
    if ((count * hidden) % (own?.data.length ?? 0) !== 0)
      throw unfilled(picture, own, `[1,${count},${hidden}]`);
  }
  return float32Value(embeds.shape, data);
}

function unfilled(picture: number, own: RunTensor | undefined, expected: string): VlmError {
  return fail('VC6102', {
    where: `image features of picture ${picture}`,
    found: own === undefined ? 'none' : `[${own.shape}]`,
    expected,
  });
}

export interface DecoderStep {
  /** [N, S, vocab]. */
  readonly logits: RunTensor;
  /** [N, S, hidden], where another head reads it. */
  readonly hidden?: RunTensor;
  /** By output name, `present.N.key|value`. */
  readonly cache: ReadonlyMap<string, RunTensor>;
}

/**
 * What a decoder is fed with besides embeddings and cache: in the prefill of a prompt, or in the step so many after it.
 * Rows are as long as each other, and every slot of them counts.
 */
export function slotFeeds(
  { decoder }: GenerationRecipe,
  { ids, positions }: Pick<Prompt, 'ids' | 'positions'>,
  step?: number,
  batch = 1,
): Map<string, RunTensor> {
  const { length } = ids;
  const total = step === undefined ? length : length + step + 1;
  const ones = Array.from({ length: batch * total }, () => 1);
  const feeds = new Map([['attention_mask', int64Value([batch, total], ones)]]);
  if (decoder.positions !== undefined) {
    if (positions === undefined || batch > 1) throw new RangeError('the prompt has no positions');
    const { rows, next } = positions;
    const own = step === undefined ? rows : rows.map(() => [next + step]);
    feeds.set('position_ids', int64Value([own.length, 1, own[0]?.length ?? 0], own.flat()));
  }
  const scalarValues = { rope_length: length };
  for (const name of decoder.scalars) feeds.set(name, int64Value([], [scalarValues[name]]));
  return feeds;
}

/** The caches of a prefill: of no slots. */
export function emptyCaches({ decoder }: GenerationRecipe, batch = 1): ReadonlyMap<string, RunTensor> {
  const { layers, kvHeads, headDim } = decoder;
  const empty = float32Value([batch, kvHeads, 0, headDim], new Float32Array(0));
  return new Map(cacheNames(layers).map(([past]) => [past, empty]));
}

/** Runs the decoder over `embeds`: the prefill of a prompt, or a step after it on the cache that was before. */
export async function runDecoder(
  session: Session,
  recipe: GenerationRecipe,
  prompt: Pick<Prompt, 'ids' | 'positions'>,
  embeds: RunTensor,
  after?: { readonly step: number; readonly cache: ReadonlyMap<string, RunTensor> },
): Promise<DecoderStep> {
  const { layers, hidden } = recipe.decoder;
  const pairs = cacheNames(layers);
  const [batch = 1] = embeds.shape;
  const past =
    after === undefined
      ? emptyCaches(recipe, batch)
      : pairs.map(([name, present]) => [name, output(after.cache, present)] as const);
  const feeds = new Map([
    ['inputs_embeds', embeds] as const,
    ...slotFeeds(recipe, prompt, after?.step, batch),
    ...past,
  ]);
  const outputs = await session.run(feeds);
  const presents = pairs.map(([, present]) => [present, output(outputs, present)] as const);
  return {
    logits: output(outputs, 'logits'),
    ...(hidden === undefined ? {} : { hidden: output(outputs, hidden) }),
    cache: new Map(presents),
  };
}

/** Pairs of past input and present output, layer by layer, keys before values. */
export function cacheNames(layers: number): readonly (readonly [string, string])[] {
  return Array.from({ length: layers }, (_, layer) =>
    (['key', 'value'] as const).map(
      (part) => [`past_key_values.${layer}.${part}`, `present.${layer}.${part}`] as const,
    ),
  ).flat();
}

export function output(outputs: ReadonlyMap<string, RunTensor>, name: string): RunTensor {
  const value = outputs.get(name);
  if (value === undefined) {
    throw fail('VC6101', { found: [...outputs.keys()].join(', '), expected: `an output ${name}` });
  }
  return value;
}
