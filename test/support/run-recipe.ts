/**
 * Runs the components of a model through onnxruntime as a recipe says, a batch at a time: vision, embedding,
 * splice, prefill, and decoding on given ids with the cache. It shares no code with the runner of parity.
 */
import type { EncoderFeed, GenerationRecipe, SpliceRule } from '../../src/architectures/recipe.ts';
import { type Device, openSession, type Session } from '../../src/runtime/session.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../src/runtime/values.ts';
import type { ComponentFiles } from './write-models.ts';

export interface RunRequest {
  readonly recipe: GenerationRecipe;
  readonly files: ComponentFiles;
  /** [images, 3, H, W], rows of patches or views, in prompt order over the rows of the batch; left out for text alone. */
  readonly pixels?: RunTensor;
  /** int64 [images, 3] beside rows of patches, [views, 2] beside views, [sounds, frames] beside log-mel frames. */
  readonly grid?: RunTensor;
  /** int64 [batch, tokens] */
  readonly inputIds: RunTensor;
  /** int64 [batch, tokens] */
  readonly attentionMask: RunTensor;
  /** int64 [3, batch, tokens], and [3, batch, steps] of what is decoded, where the decoder takes positions. */
  readonly positions?: { readonly prefill: RunTensor; readonly decode: RunTensor };
  /** Per row, the ids to feed one by one after the prefill. */
  readonly decodeIds: readonly (readonly number[])[];
  /** Default cpu. */
  readonly device?: Device;
}

export interface RunResult {
  /** [images, tokens, hidden] or [tokens, hidden]; [0, hidden] for text alone */
  readonly imageFeatures: RunTensor;
  /** [batch, tokens, hidden], features spliced in */
  readonly inputsEmbeds: RunTensor;
  /** [batch, tokens, vocab] */
  readonly logits: RunTensor;
  /** present.* of the prefill */
  readonly present: ReadonlyMap<string, RunTensor>;
  /** One per step, [batch, 1, vocab]. */
  readonly decodeLogits: readonly RunTensor[];
}

type Values = ReadonlyMap<string, RunTensor>;

export async function runRecipe(request: RunRequest): Promise<RunResult> {
  const { recipe, files, inputIds, device = 'cpu' } = request;
  const imageFeatures = await runVision(request);
  const embedAll = (ids: readonly RunTensor[]): Promise<RunTensor[]> =>
    withSession(files, recipe.embed.component, device, async (session) => {
      const found: RunTensor[] = [];
      for (const each of ids) {
        found.push(get(await session.run(new Map([['input_ids', each]])), 'inputs_embeds'));
      }
      return found;
    });
  const batch = inputIds.shape[0] ?? 0;
  const steps = request.decodeIds[0]?.length ?? 0;
  const stepIds = Array.from({ length: steps }, (_, step) =>
    int64Value(
      [batch, 1],
      request.decodeIds.map((row) => row[step] ?? 0),
    ),
  );
  const [prefill, ...later] = await embedAll([inputIds, ...stepIds]);
  if (prefill === undefined) throw new Error('no embeddings');
  const spliced =
    recipe.encoder?.feed.form === 'log-mel' ? soundRows(imageFeatures, request.grid) : imageFeatures;
  const inputsEmbeds = splice(recipe, inputIds, prefill, spliced);

  return withSession(files, recipe.decoder.component, device, async (session) => {
    const slots = inputIds.shape[1] ?? 0;
    let mask = request.attentionMask;
    const { positions } = request;
    let outputs = await session.run(
      decoderFeeds(recipe, inputsEmbeds, mask, slots, undefined, positions?.prefill),
    );
    const logits = get(outputs, 'logits');
    const present = outputs;
    const decodeLogits: RunTensor[] = [];
    for (const [step, embeds] of later.entries()) {
      mask = extend(mask);
      const own = positions && columnOf(positions.decode, step);
      outputs = await session.run(decoderFeeds(recipe, embeds, mask, slots, outputs, own));
      decodeLogits.push(get(outputs, 'logits'));
    }
    return { imageFeatures, inputsEmbeds, logits, present, decodeLogits };
  });
}

async function runVision({ recipe, files, pixels, grid, device = 'cpu' }: RunRequest): Promise<RunTensor> {
  if (pixels === undefined) return float32Value([0, recipe.hiddenSize], new Float32Array(0));
  if (recipe.encoder === undefined) throw new Error('the recipe has no vision component');
  const { component, input, output, feed } = recipe.encoder;
  const feeds = new Map([[input, pixels]]);
  const name = besideOf(feed);
  if (name !== undefined && grid !== undefined) feeds.set(name, grid);
  return withSession(files, component, device, async (session) => {
    const run = async (own: Values): Promise<RunTensor> => get(await session.run(own), output);
    if (feed.form !== 'tiles' || feed.grids === undefined || grid !== undefined) return run(feeds);
    // Tiles without grids are pictures, one by one, and each stands for all scales.
    const made: RunTensor[] = [];
    for (const own of singleTiles(pixels, feed.squares.length + 1, input, feed.grids))
      made.push(await run(own));
    const rows = made.flatMap((features) => [...toFloat32(features)]);
    return float32Value(
      [made.length, rows.length / made.length / recipe.hiddenSize, recipe.hiddenSize],
      Float32Array.from(rows),
    );
  });
}

function singleTiles(pixels: RunTensor, scales: number, input: string, grids: string): readonly Values[] {
  const [tiles = 0, ...tile] = pixels.shape;
  const all = toFloat32(pixels);
  const each = all.length / tiles;
  const ones = int64Value(
    [scales, 2],
    Array.from({ length: 2 * scales }, () => 1),
  );
  return Array.from({ length: tiles }, (_, index) => {
    const own = Array.from({ length: scales }, () => [
      ...all.subarray(index * each, (index + 1) * each),
    ]).flat();
    return new Map([
      [input, float32Value([scales, ...tile], Float32Array.from(own))],
      [grids, ones],
    ]);
  });
}

function besideOf(feed: EncoderFeed): string | undefined {
  if (feed.form === 'log-mel') return feed.mask;
  if (feed.form === 'tiles') return feed.grids;
  return feed.form === 'patch-rows' ? feed.grid : feed.form === 'slices' ? feed.sizes : undefined;
}

/** Of the rows [sounds, rows, hidden] of an encoder of sounds those that each sound fills, by its mask of frames. */
function soundRows(features: RunTensor, mask: RunTensor | undefined): RunTensor {
  const [sounds = 0, rows = 0, hidden = 0] = features.shape;
  const frames = Array.from(mask?.data ?? [], Number);
  const each = frames.length / sounds;
  const kept = Array.from({ length: sounds }, (_, sound) => {
    const heard = frames.slice(sound * each, (sound + 1) * each).filter((frame) => frame === 1).length;
    const positions = Math.floor((heard - 1) / 2) + 1;
    const tokens = Math.floor((positions - 2) / 2) + 1;
    return [...toFloat32(features).subarray(sound * rows * hidden, (sound * rows + tokens) * hidden)];
  }).flat();
  return float32Value([kept.length / hidden, hidden], Float32Array.from(kept));
}

/** [3, batch, steps] → [3, batch, 1] */
function columnOf(positions: RunTensor, step: number): RunTensor {
  const [axes = 0, batch = 0, steps = 0] = positions.shape;
  const all = Array.from(positions.data, Number);
  return int64Value(
    [axes, batch, 1],
    Array.from({ length: axes * batch }, (_, row) => all[row * steps + step] ?? 0),
  );
}

export async function withSession<T>(
  files: ComponentFiles,
  component: string,
  device: Device,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(files[component] ?? component, { device });
  try {
    return await body(session);
  } finally {
    await session.release();
  }
}

function decoderFeeds(
  { decoder }: GenerationRecipe,
  embeds: RunTensor,
  mask: RunTensor,
  prefillSlots: number,
  before: Values | undefined,
  positions: RunTensor | undefined,
): Values {
  const feeds = new Map<string, RunTensor>([
    ['inputs_embeds', embeds],
    ['attention_mask', mask],
  ]);
  const batch = embeds.shape[0] ?? 0;
  for (let layer = 0; layer < decoder.layers; layer += 1) {
    for (const part of ['key', 'value']) {
      const empty = float32Value([batch, decoder.kvHeads, 0, decoder.headDim], new Float32Array(0));
      feeds.set(
        `past_key_values.${layer}.${part}`,
        before === undefined ? empty : get(before, `present.${layer}.${part}`),
      );
    }
  }
  if (decoder.positions !== undefined && positions !== undefined) feeds.set('position_ids', positions);
  for (const scalar of decoder.scalars) feeds.set(scalar, int64Value([], [prefillSlots]));
  return feeds;
}

/** Features take the place of the embeddings where the rule puts them, image after image. */
function splice(recipe: GenerationRecipe, ids: RunTensor, embeds: RunTensor, features: RunTensor): RunTensor {
  if (recipe.encoder === undefined) return embeds;
  if (recipe.splice === undefined) throw new Error('the recipe has no splice rule');
  const [tokens = 0, hidden = 0] = features.shape.slice(-2);
  const places = featurePlaces(recipe.splice, Array.from(ids.data, Number), tokens);
  const count = features.data.length / hidden;
  if (places.length !== count) throw new Error(`${places.length} places, ${count} features`);
  const data = Float32Array.from(toFloat32(embeds));
  const rows = toFloat32(features);
  for (const [row, place] of places.entries()) {
    data.set(rows.subarray(row * hidden, (row + 1) * hidden), place * hidden);
  }
  return float32Value(embeds.shape, data);
}

/** Positions over the whole batch that take a feature each, in order. */
function featurePlaces(rule: SpliceRule, ids: readonly number[], tokens: number): number[] {
  return ids.flatMap((id, position) => {
    if (rule.rule === 'image-token') {
      return id === rule.tokenId || id === rule.videoTokenId ? [position] : [];
    }
    if (id !== rule.startId) return [];
    const count = ids.indexOf(rule.endId, position) - position - 1;
    if (count !== tokens) throw new Error(`a span of ${count}, ${tokens} features`);
    return Array.from({ length: count }, (_, i) => position + 1 + i);
  });
}

/** One more slot that counts, for every row. */
function extend(mask: RunTensor): RunTensor {
  const [batch = 0, slots = 0] = mask.shape;
  const old = Array.from(mask.data, Number);
  const rows = Array.from({ length: batch }, (_, row) => [...old.slice(row * slots, (row + 1) * slots), 1]);
  return int64Value([batch, slots + 1], rows.flat());
}

export function get(values: Values, name: string): RunTensor {
  const value = values.get(name);
  if (value === undefined) throw new Error(`no value ${name}`);
  return value;
}
