/**
 * Draws a picture with the graphs of a vlm-convert output whose model draws (Janus), in plain onnxruntime-node:
 *
 *   node draw.ts <output folder> "a red square on a blue field" out.png
 *
 * The decoder runs two rows: the prompt, and the same with padding in the place of what is to be seen. A head reads its
 * last hidden states as codes; both rows go on with the embedding of the code that is picked, and in the end a generator
 * turns all codes into pixels.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';
import type { Generation } from './recipe.ts';
import { openTokenizer } from './tokenizer.ts';

export interface Drawn {
  readonly codes: readonly number[];
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** Each code is the most probable one. */
export async function draw(folder: string, text: string): Promise<Drawn> {
  const manifest = JSON.parse(readFileSync(join(folder, 'vlm-convert.json'), 'utf8')) as {
    readonly generation: Generation;
  };
  const { recipe, components } = manifest.generation;
  const { embed, decoder, pictures } = recipe;
  if (pictures === undefined || decoder.hidden === undefined)
    throw new Error(`${folder}: no model that draws`);
  const [embedding, language, head, codeEmbedding, generator] = await Promise.all(
    [embed, decoder, pictures.head, pictures.embed, pictures.generator].map(({ component }) =>
      InferenceSession.create(join(folder, components[component] ?? '')),
    ),
  );
  const run = async (session: InferenceSession | undefined, feeds: Record<string, Tensor>) => {
    if (session === undefined) throw new Error('a graph is missing');
    return session.run(feeds);
  };

  // 1. Two rows of ids.
  const { padId, kept, guidance, grid } = pictures;
  const ids = openTokenizer(folder).encode(pictures.prompt.replace('{text}', () => text));
  const blank = ids.map((id, at) => {
    const stays = kept === 'ends' ? at === 0 || at === ids.length - 1 : kept.includes(id);
    return stays ? id : padId;
  });
  const rows = int64([...ids, ...blank], [2, ids.length]);
  let embeds = only((await run(embedding, { input_ids: rows })).inputs_embeds);

  // 2. Code after code.
  const caches = Array.from({ length: decoder.layers }, (_, n) => [`${n}.key`, `${n}.value`]).flat();
  const empty = new Tensor(new Float32Array(0), [2, decoder.kvHeads, 0, decoder.headDim]);
  let cache = new Map<string, Tensor>(caches.map((name) => [name, empty]));
  const codes: number[] = [];
  for (let step = 0; step < grid.rows * grid.columns; step += 1) {
    const total = ids.length + step;
    const feeds: Record<string, Tensor> = { inputs_embeds: embeds, attention_mask: ones([2, total]) };
    for (const [name, value] of cache) feeds[`past_key_values.${name}`] = value;
    const outputs = await run(language, feeds);
    cache = new Map(caches.map((name) => [name, only(outputs[`present.${name}`])]));
    const hidden = lastOfRows(only(outputs[decoder.hidden]));
    const logits = only((await run(head, { hidden_states: hidden })).logits).data as Float32Array;
    const [shown, unseen] = [logits.subarray(0, pictures.codes), logits.subarray(-pictures.codes)];
    const guided = unseen.map((u, code) => u + guidance * ((shown[code] ?? 0) - u));
    const code = guided.indexOf(guided.reduce((most, value) => Math.max(most, value), -Infinity));
    codes.push(code);
    embeds = only((await run(codeEmbedding, { input_ids: int64([code, code], [2, 1]) })).inputs_embeds);
  }

  // 3. Pixels.
  const { data, dims } = only((await run(generator, { codes: int64(codes, [1, codes.length]) })).pixels);
  const [height = 0, width = 0] = dims.slice(2);
  const area = width * height;
  const rgb = Uint8ClampedArray.from({ length: 3 * area }, (_, i) => {
    const value = Number(data[(i % 3) * area + Math.floor(i / 3)]);
    // Cut, not rounded.
    return Math.trunc((value * (pictures.std[i % 3] ?? 1) + (pictures.mean[i % 3] ?? 0)) * 255);
  });
  return { codes, width, height, rgb: new Uint8Array(rgb) };
}

/** [rows, sequence, hidden] → [rows, 1, hidden] */
function lastOfRows({ data, dims }: Tensor): Tensor {
  const [rows = 0, length = 0, hidden = 0] = dims;
  const last = Array.from({ length: rows }, (_, row) =>
    Array.from(
      (data as Float32Array).subarray(((row + 1) * length - 1) * hidden, (row + 1) * length * hidden),
    ),
  );
  return new Tensor(Float32Array.from(last.flat()), [rows, 1, hidden]);
}

function only(tensor: Tensor | undefined): Tensor {
  if (tensor === undefined) throw new Error('a graph without an output that the recipe names');
  return tensor;
}

const int64 = (values: readonly number[], dims: readonly number[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);

const ones = (dims: readonly [number, number]): Tensor =>
  new Tensor('int64', new BigInt64Array(dims[0] * dims[1]).fill(1n), dims);

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  const [folder = '', text = '', path = 'out.png'] = process.argv.slice(2);
  const { rgb, width, height } = await draw(folder, text);
  await sharp(rgb, { raw: { width, height, channels: 3 } }).toFile(path);
}
