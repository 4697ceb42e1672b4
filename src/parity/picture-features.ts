/**
 * The features of the pictures or sounds of one prompt: a run of the encoder for each, or one for all where the views of
 * one picture hang on those beside it.
 */

import { isPicture } from '../architectures/log-mel.ts';
import type { MediaLayout } from '../architectures/media.ts';
import type { EncoderRecipe } from '../architectures/recipe.ts';
import { fail } from '../report/diagnostics.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../runtime/values.ts';
import type { SampleMedia } from './inputs/sample.ts';

type Feeds = SampleMedia['feeds'];

/** Of the rows [1, rows, hidden] of one sound those that are its features; what a picture becomes counts whole. */
export function featureRows(features: RunTensor, layout: MediaLayout): RunTensor {
  const [, rows = 0, hidden = 0] = features.shape;
  if (isPicture(layout) || layout.tokens >= rows) return features;
  return float32Value([1, layout.tokens, hidden], toFloat32(features).slice(0, layout.tokens * hidden));
}

/** The output that says how many rows of each sound are features. */
export function lengthsOutput({ feed }: EncoderRecipe): string | undefined {
  return feed.form === 'log-mel' ? feed.lengths : undefined;
}

/** Throws VC6102 where a graph counts other features of a sound than its prompt has places for. */
export function checkLengths(
  outputs: ReadonlyMap<string, RunTensor>,
  name: string | undefined,
  tokens: number,
): void {
  const found = name === undefined ? undefined : outputs.get(name);
  if (name === undefined || found === undefined || Number(found.data[0]) === tokens) return;
  throw fail('VC6102', { where: name, found: `${found.data[0]}`, expected: `${tokens}` });
}

/** One tensor [..., hidden] per picture or sound, a row per token. */
export async function pictureFeatures(
  pictures: readonly SampleMedia[],
  { input, feed }: EncoderRecipe,
  run: (feeds: Feeds) => Promise<RunTensor>,
): Promise<readonly RunTensor[]> {
  const joined = feed.form === 'slices' && feed.padded && feed.sizes !== undefined && pictures.length > 1;
  if (!joined) {
    const made: RunTensor[] = [];
    for (const { feeds, layout } of pictures) made.push(featureRows(await run(feeds), layout));
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
