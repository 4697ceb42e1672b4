/**
 * A sample from recorded tensors, by the names that models' own code gives them: `pixel_values` [N, 3, H, W] and
 * `input_ids` [B, S] with or without `attention_mask` [B, S]. A row of ids is a prompt, without its padding. Pictures
 * are taken in order, row after row. What is missing is drawn.
 */
import { createHash } from 'node:crypto';
import type { GenerationRecipe, ImageGeometry } from '../../architectures/architecture.ts';
import { fail } from '../../report/diagnostics.ts';
import { float32Value, type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { drawSample, type Prompt, type Sample, type SamplePicture } from './sample.ts';
import { findSpans } from './spans.ts';

/** Throws VC6109 when the tensors do not fit the model or each other; `name` is their file's. */
export function recordedSample(
  values: ReadonlyMap<string, RunTensor>,
  { recipe, image }: { readonly recipe: GenerationRecipe; readonly image: ImageGeometry | undefined },
  seed: number,
  name: string,
): Sample {
  const pixels = values.get('pixel_values');
  const ids = values.get('input_ids');
  if (pixels === undefined && ids === undefined) {
    throw fail('VC6109', {
      where: name,
      found: [...values.keys()].join(', ') || 'no tensor',
      expected: 'pixel_values, input_ids or both',
    });
  }
  const recorded = pixels === undefined ? undefined : readPictures(pixels, recipe, image, name);
  const drawn = drawSample(recipe, image, seed, recorded?.length);
  const pictures = recorded ?? drawn.pictures;
  const prompts =
    ids === undefined
      ? drawn.prompts
      : readPrompts(ids, values.get('attention_mask'), recipe, image, name).map(share(pictures.length));
  const used = prompts.flatMap(({ spans }) => spans.map(({ picture }) => picture));
  if (ids !== undefined && recorded !== undefined && used.length !== pictures.length) {
    throw fail('VC6109', {
      where: name,
      found: `${pictures.length} pictures in pixel_values, ${used.length} in input_ids`,
      expected: 'as many',
    });
  }
  return { seed, source: 'recorded', pictures, prompts };
}

/** A drawn picture stands for all; recorded ones are as many as there are spans. */
const share =
  (pictures: number) =>
  (prompt: Prompt): Prompt => ({
    ...prompt,
    spans: prompt.spans.map((span) => (pictures === 1 ? { ...span, picture: 0 } : span)),
  });

function readPictures(
  pixels: RunTensor,
  recipe: GenerationRecipe,
  image: ImageGeometry | undefined,
  name: string,
): readonly SamplePicture[] {
  const [count = 0, channels, height, width] = pixels.shape;
  const { input } = image ?? {};
  if (recipe.vision === undefined || input === undefined) {
    throw fail('VC6109', { where: `${name}: pixel_values`, expected: 'none: the model takes no pictures' });
  }
  const fits =
    channels === 3 && height === input.height && width === input.width && pixels.shape.length === 4;
  if (!fits || count < 1) {
    throw fail('VC6109', {
      where: `${name}: pixel_values`,
      found: `[${pixels.shape}]`,
      expected: `[N,3,${input.height},${input.width}]`,
    });
  }
  const data = floats(pixels, `${name}: pixel_values`);
  const each = data.length / count;
  return Array.from({ length: count }, (_, index) => {
    const own = data.slice(index * each, (index + 1) * each);
    return {
      pixels: float32Value([1, 3, input.height, input.width], own),
      sha256: createHash('sha256').update(new Uint8Array(own.buffer)).digest('hex'),
      name: `${name} ${index}`,
    };
  });
}

function readPrompts(
  ids: RunTensor,
  mask: RunTensor | undefined,
  recipe: GenerationRecipe,
  image: ImageGeometry | undefined,
  name: string,
): readonly Prompt[] {
  const where = `${name}: input_ids`;
  const [rows = 0, length = 0] = ids.shape;
  const all = integers(ids, where);
  const keep = mask === undefined ? undefined : integers(mask, `${name}: attention_mask`);
  if (ids.shape.length !== 2 || all.length === 0 || (keep !== undefined && keep.length !== all.length)) {
    throw fail('VC6109', {
      where,
      found: `[${ids.shape}]${mask === undefined ? '' : `, attention_mask [${mask.shape}]`}`,
      expected: '[prompts, tokens]',
    });
  }
  let picture = 0;
  return Array.from({ length: rows }, (_, row): Prompt => {
    const own = all
      .slice(row * length, (row + 1) * length)
      .filter((__, at) => keep === undefined || keep[row * length + at] !== 0);
    return promptOf(own, recipe, image, `${where}, row ${row}`, () => picture++);
  });
}

/**
 * A prompt of ids, with its spans; `next` gives each span its picture. Throws VC6109 for an empty prompt, ids that are
 * not in the vocabulary, and spans that the features would not fill.
 */
export function promptOf(
  ids: readonly number[],
  { splice, vocabSize, vision }: GenerationRecipe,
  image: ImageGeometry | undefined,
  where: string,
  next: () => number,
): Prompt {
  if (ids.length === 0) throw fail('VC6109', { where, found: 'no token' });
  const tokens = image?.tokens ?? 0;
  const found = splice === undefined || vision === undefined ? [] : findSpans(ids, splice, tokens);
  const wrong = found.find(({ count }) => count !== tokens);
  if (wrong !== undefined) {
    throw fail('VC6109', {
      where: `${where}, token ${wrong.first}`,
      found: `${wrong.count} tokens for a picture`,
      expected: `${tokens}, as many as the graphs give at ${image?.input.width}x${image?.input.height}`,
    });
  }
  const inside = (at: number): boolean => found.some(({ first, count }) => at >= first && at < first + count);
  // What stands for features is overwritten, and some tokenizers write ids there that are no tokens.
  const kept = ids.map((id, at) => (inside(at) ? placeholder(splice) : id));
  const outside = kept.find((id) => !(Number.isSafeInteger(id) && id >= 0 && id < vocabSize));
  if (outside !== undefined) {
    throw fail('VC6109', { where, found: `the id ${outside}`, expected: `ids below ${vocabSize}` });
  }
  return { ids: kept, spans: found.map((span) => ({ ...span, picture: next() })) };
}

function placeholder(splice: GenerationRecipe['splice']): number {
  if (splice === undefined) return 0;
  return splice.rule === 'between-markers' ? splice.padId : splice.tokenId;
}

function floats(value: RunTensor, where: string): Float32Array {
  try {
    return toFloat32(value);
  } catch (cause) {
    throw fail('VC6109', { where, found: value.dtype, expected: 'float32, float16 or float64', cause });
  }
}

function integers(value: RunTensor, where: string): readonly number[] {
  if (!/^u?int(32|64)$|^bool$/.test(value.dtype)) {
    throw fail('VC6109', { where, found: value.dtype, expected: 'int64 or int32' });
  }
  return Array.from(value.data as ArrayLike<number | bigint>, Number);
}
