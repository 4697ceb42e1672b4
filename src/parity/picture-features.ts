/**
 * The features of the pictures of one prompt: a run of the vision component for each, or one for all where the views of
 * one picture hang on those beside it.
 */
import type { EncoderRecipe } from '../architectures/architecture.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../runtime/values.ts';
import type { SampleMedia } from './inputs/sample.ts';

type Feeds = SampleMedia['feeds'];

/** One tensor [..., hidden] per picture, a row per token. */
export async function pictureFeatures(
  pictures: readonly SampleMedia[],
  { input, feed }: EncoderRecipe,
  run: (feeds: Feeds) => Promise<RunTensor>,
): Promise<readonly RunTensor[]> {
  const joined = feed.form === 'slices' && feed.padded && feed.sizes !== undefined && pictures.length > 1;
  if (!joined) {
    const made: RunTensor[] = [];
    for (const { feeds } of pictures) made.push(await run(feeds));
    return made;
  }
  const all = pictures.map(({ feeds }) => feeds);
  const features = await run(
    new Map([
      [input, joinPixels(all.map((feeds) => take(feeds, input)))],
      [feed.sizes, joinSizes(all.map((feeds) => take(feeds, feed.sizes ?? '')))],
    ]),
  );
  const hidden = features.shape.at(-1) ?? 0;
  const rows = toFloat32(features);
  let first = 0;
  return pictures.map(({ layout }) => {
    const own = rows.slice(first * hidden, (first + layout.tokens) * hidden);
    first += layout.tokens;
    return float32Value([layout.tokens, hidden], own);
  });
}

/** Views [V, 3, patch, columns] of all pictures, 0 behind those that are shorter than the longest. */
function joinPixels(pixels: readonly RunTensor[]): RunTensor {
  const longest = Math.max(...pixels.map(({ shape }) => shape[3] ?? 0));
  const views = pixels.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const [, channels = 0, patch = 0] = pixels[0]?.shape ?? [];
  const data = new Float32Array(views * channels * patch * longest);
  let at = 0;
  for (const picture of pixels) {
    const columns = picture.shape[3] ?? 0;
    const own = toFloat32(picture);
    for (let from = 0; from < own.length; from += columns, at += longest) {
      data.set(own.subarray(from, from + columns), at);
    }
  }
  return float32Value([views, channels, patch, longest], data);
}

function joinSizes(sizes: readonly RunTensor[]): RunTensor {
  const numbers = sizes.flatMap(({ data }) => Array.from(data, Number));
  return int64Value([numbers.length / 2, 2], numbers);
}

function take(feeds: Feeds, name: string): RunTensor {
  const value = feeds.get(name);
  if (value === undefined) throw new RangeError(`a picture without ${name}`);
  return value;
}
