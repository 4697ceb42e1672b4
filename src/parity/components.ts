/**
 * How the components of one model are run, whatever the model: names of inputs and outputs as every architecture
 * of ours writes them, the splice of image features, and the decoder with its cache.
 *
 * Layouts: inputs_embeds [1, S, hidden]; attention_mask int64 [1, past + S]; rope_length int64 scalar (slots of
 * the prefill); past_key_values.N.key|value [1, heads, past, head_dim]; logits [1, S, vocab].
 */
import type { GenerationRecipe } from '../architectures/architecture.ts';
import { fail } from '../report/diagnostics.ts';
import type { Session } from '../runtime/session.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../runtime/values.ts';
import type { Prompt } from './inputs/sample.ts';

export const embedNames = { input: 'input_ids', output: 'inputs_embeds' } as const;

/** Embeddings [1, S, hidden] of ids. */
export async function embedIds(session: Session, ids: readonly number[]): Promise<RunTensor> {
  const outputs = await session.run(new Map([[embedNames.input, int64Value([1, ids.length], ids)]]));
  return output(outputs, embedNames.output);
}

/**
 * Puts image features [1, tokens, hidden], one tensor per picture, over the embeddings of the prompt's spans; without
 * spans the embeddings stay as they are. Throws VC6102 when features do not fill their span.
 */
export function splice(embeds: RunTensor, prompt: Prompt, features: readonly RunTensor[]): RunTensor {
  if (prompt.spans.length === 0) return embeds;
  const hidden = embeds.shape[2] ?? 0;
  const data = Float32Array.from(toFloat32(embeds));
  for (const { first, count, picture } of prompt.spans) {
    const own = features[picture];
    if (own === undefined || own.shape[1] !== count || own.shape[2] !== hidden) {
      throw fail('VC6102', {
        where: `image features of picture ${picture}`,
        found: own === undefined ? 'none' : `[${own.shape}]`,
        expected: `[1,${count},${hidden}]`,
      });
    }
    data.set(toFloat32(own), first * hidden);
  }
  return float32Value(embeds.shape, data);
}

export interface DecoderStep {
  /** [1, S, vocab]. */
  readonly logits: RunTensor;
  /** By output name, `present.N.key|value`. */
  readonly cache: ReadonlyMap<string, RunTensor>;
}

/** Runs the decoder over `embeds`, after the slots that `cache` holds (null: prefill). */
export async function runDecoder(
  session: Session,
  recipe: GenerationRecipe,
  embeds: RunTensor,
  cache: ReadonlyMap<string, RunTensor> | null,
  prefillLength: number,
): Promise<DecoderStep> {
  const { layers, kvHeads, headDim, scalars } = recipe.decoder;
  const feeds = new Map<string, RunTensor>([['inputs_embeds', embeds]]);
  let past = 0;
  for (const [name, present] of cacheNames(layers)) {
    const value = cache?.get(present) ?? float32Value([1, kvHeads, 0, headDim], new Float32Array(0));
    past = value.shape[2] ?? 0;
    feeds.set(name, value);
  }
  const total = past + (embeds.shape[1] ?? 0);
  feeds.set(
    'attention_mask',
    int64Value(
      [1, total],
      Array.from({ length: total }, () => 1),
    ),
  );
  const scalarValues = { rope_length: prefillLength };
  for (const name of scalars) feeds.set(name, int64Value([], [scalarValues[name]]));
  const outputs = await session.run(feeds);
  const presents = cacheNames(layers).map(([, present]) => [present, output(outputs, present)] as const);
  return { logits: output(outputs, 'logits'), cache: new Map(presents) };
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
