/**
 * Answers a question about pictures or sounds with the graphs of a vlm-convert output, in plain onnxruntime-node:
 *
 *   node generate.ts <output folder> "What is this?" photo.png
 *   node generate.ts <output folder> "What is that sound?" bark.wav
 *
 * How the graphs work together stands in the folder's vlm-convert.json, the same way for every model family: what a
 * picture becomes, how a prompt is written, where features go, what the decoder is fed with.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { joined, type Prepared, prepare } from './pictures.ts';
import { places, positions, promptIds } from './prompt.ts';
import type { Generation } from './recipe.ts';
import { prepareSound } from './sounds.ts';
import { openTokenizer } from './tokenizer.ts';

export interface Step {
  readonly id: number;
  /** What came since the last step; nothing while a character is not whole. */
  readonly text: string;
}

/** The answer, token after token, each the most probable one. `media`: files of pictures, or of sounds. */
export async function* generate(
  folder: string,
  text: string,
  media: readonly string[],
  limit = 128,
): AsyncGenerator<Step> {
  const manifest = JSON.parse(readFileSync(join(folder, 'vlm-convert.json'), 'utf8')) as {
    readonly generation: Generation;
  };
  const { recipe, image, audio, components, stopIds } = manifest.generation;
  const { encoder, embed, decoder, hiddenSize } = recipe;
  const tokenizer = openTokenizer(folder);
  const open = (component: string): Promise<InferenceSession> =>
    InferenceSession.create(join(folder, components[component] ?? ''));

  // 1. Pictures, or sounds: what the encoder takes of each, and the features that it gives.
  const pictures: Prepared[] = [];
  const features: Float32Array[] = [];
  if (encoder !== undefined && media.length > 0) {
    const { feed, input, output } = encoder;
    const session = await open(encoder.component);
    for (const path of media) {
      if (feed.form === 'log-mel' && audio !== undefined) {
        pictures.push(prepareSound(path, input, feed, audio));
      } else if (image !== undefined) {
        pictures.push(await prepare(path, encoder, image, media.length === 1));
      }
    }
    const each = pictures.map(({ feeds }) => feeds);
    // Where views are padded to the longest of a call, features hang on it: all pictures go in one.
    const together = feed.form === 'slices' && feed.padded;
    for (const feeds of together ? [joined(each)] : each) {
      const outputs = await session.run(feeds);
      const rows = floats(outputs[output]);
      // Of a sound only the first rows are features.
      const heard = feed.form === 'log-mel' ? Number(named(outputs[feed.lengths]).data[0]) : undefined;
      features.push(heard === undefined ? rows : rows.subarray(0, heard * hiddenSize));
    }
    await session.release();
  }

  // 2. The prompt: ids with a place for every feature, their embeddings, and the features in their places.
  const ids = promptIds(recipe, tokenizer.encode, text, pictures);
  const embedding = await open(embed.component);
  const embedded = async (some: readonly number[]): Promise<Tensor> =>
    named((await embedding.run({ input_ids: int64(some, [1, some.length]) })).inputs_embeds);
  const where = pictures.length === 0 ? [] : places(ids, recipe.splice);
  let embeds = await embedded(ids);
  const rows = floats(embeds);
  let next = 0;
  for (const each of features) {
    for (let at = 0; at < each.length; at += hiddenSize, next += 1) {
      rows.set(each.subarray(at, at + hiddenSize), (where[next] ?? 0) * hiddenSize);
    }
  }
  embeds = new Tensor(rows, embeds.dims);

  // 3. The decoder: the prompt first, then token after token, with the cache of all that was.
  const session = await open(decoder.component);
  const caches = Array.from({ length: decoder.layers }, (_, n) => [`${n}.key`, `${n}.value`]).flat();
  const empty = new Tensor(new Float32Array(0), [1, decoder.kvHeads, 0, decoder.headDim]);
  let cache = new Map<string, Tensor>(caches.map((name) => [name, empty]));
  const own = positions(ids.length, where, pictures);
  const answer: number[] = [];
  let shown = '';
  for (let step = 0; step < limit; step += 1) {
    const total = ids.length + step;
    const feeds: Record<string, Tensor> = {
      inputs_embeds: embeds,
      attention_mask: int64(
        Array.from({ length: total }, () => 1),
        [1, total],
      ),
    };
    for (const [name, value] of cache) feeds[`past_key_values.${name}`] = value;
    for (const scalar of decoder.scalars) feeds[scalar] = int64([ids.length], []);
    if (decoder.positions !== undefined) {
      const now = step === 0 ? own.rows : own.rows.map(() => [own.next + step - 1]);
      feeds.position_ids = int64(now.flat(), [3, 1, now[0]?.length ?? 0]);
    }
    const outputs = await session.run(feeds);
    cache = new Map(caches.map((name) => [name, named(outputs[`present.${name}`])]));
    const { data, dims } = named(outputs.logits);
    const last = (data as Float32Array).subarray(-(dims[2] ?? 0));
    const id = last.indexOf(last.reduce((most, value) => Math.max(most, value), -Infinity));
    if (stopIds.includes(id)) break;
    answer.push(id);
    const whole = tokenizer.decode(answer);
    const grown = whole.endsWith('\ufffd') || !whole.startsWith(shown) ? '' : whole.slice(shown.length);
    shown += grown;
    yield { id, text: grown };
    embeds = await embedded([id]);
  }
  await embedding.release();
  await session.release();
}

function named(tensor: Tensor | undefined): Tensor {
  if (tensor === undefined) throw new Error('a graph without an output that the recipe names');
  return tensor;
}

const floats = (tensor: Tensor | undefined): Float32Array => named(tensor).data as Float32Array;

const int64 = (values: readonly number[], dims: readonly number[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const [folder = '', question = '', ...media] = process.argv.slice(2);
  for await (const { text } of generate(folder, question, media)) process.stdout.write(text);
  process.stdout.write('\n');
}
