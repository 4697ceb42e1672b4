/**
 * A sample from recorded tensors, by the names that models' own code gives them: `input_ids` [B, S] with or without
 * `attention_mask` [B, S], and pictures, as `pixel_values` [N, 3, H, W], or as rows of patches with their grids:
 * `pixel_values` [patches, length] and `image_grid_thw` [N, 3], `pixel_values_videos` and `video_grid_thw`; or sounds, as
 * `input_features` [N, bands, frames] and `feature_attention_mask` [N, frames]. A row of ids is a prompt, without its
 * padding. Pictures are taken in order, row after row, and so are videos, and sounds. What is missing is drawn.
 */

import { isPicture } from '../../architectures/log-mel.ts';
import type { AudioGeometry, ImageGeometry, MediaLayout } from '../../architectures/media.ts';
import type { GenerationRecipe, SpliceRule } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { recordedPictures } from './recorded-pictures.ts';
import { integers } from './recorded-values.ts';
import { drawSample, type Prompt, placePrompt, type Sample, type SampleMedia, spanOf } from './sample.ts';
import { recordedSounds } from './sound/recorded-sounds.ts';
import { findSpans, type NextPicture, type ShownPicture, shownPicture, widenSpans } from './spans.ts';

export interface RecordedModel {
  readonly recipe: GenerationRecipe;
  readonly image: ImageGeometry | undefined;
  readonly audio?: AudioGeometry | undefined;
}

/** Throws VC6109 when the tensors do not fit the model or each other; `name` is their file's. */
export function recordedSample(
  values: ReadonlyMap<string, RunTensor>,
  { recipe, image, audio }: RecordedModel,
  seed: number,
  name: string,
): Sample {
  const ids = values.get('input_ids');
  const names =
    audio === undefined
      ? { plural: 'pictures', values: 'pixel_values' }
      : { plural: 'sounds', values: 'input_features' };
  const recorded =
    recordedSounds(values, recipe.encoder, audio, name) ??
    recordedPictures(values, recipe.encoder, image, name);
  if (recorded === undefined && ids === undefined) {
    throw fail('VC6109', {
      where: name,
      found: [...values.keys()].join(', ') || 'no tensor',
      expected: `${names.values}, input_ids or both`,
    });
  }
  const drawn = drawSample(recipe, image ?? audio, seed, recorded);
  const { media: pictures } = drawn;
  if (ids === undefined) return { ...drawn, source: 'recorded' };
  const start = (): NextPicture => (recorded === undefined ? standIns(pictures) : inOrder(pictures));
  const prompts = readPrompts(ids, values.get('attention_mask'), recipe, pictures, name, start);
  const used = new Set(prompts.flatMap(({ spans }) => spans.map(({ media: picture }) => picture)));
  if (recorded !== undefined && used.size !== pictures.length) {
    throw fail('VC6109', {
      where: name,
      found: `${pictures.length} ${names.plural} in ${names.values}, ${used.size} in input_ids`,
      expected: 'as many',
    });
  }
  return { seed, source: 'recorded', media: pictures, prompts };
}

/** A drawn picture stands for all of its kind. */
function standIns(pictures: readonly SampleMedia[]): NextPicture {
  return (video) => {
    const index = pictures.findIndex(({ kind }) => (kind === 'video') === video);
    const layout = pictures[index]?.layout;
    return layout && shownPicture(index, layout);
  };
}

/** Each picture is shown once, from the one of index `first` on. */
export function inOrder(pictures: readonly SampleMedia[], first = 0): NextPicture {
  const left = [...pictures.entries()].slice(first);
  return (video) => {
    const at = left.findIndex(([, { kind }]) => (kind === 'video') === video);
    const [own] = at === -1 ? [] : left.splice(at, 1);
    return own && shownPicture(own[0], own[1].layout);
  };
}

function readPrompts(
  ids: RunTensor,
  mask: RunTensor | undefined,
  recipe: GenerationRecipe,
  pictures: readonly SampleMedia[],
  name: string,
  start: () => NextPicture,
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
  const [next, nextWritten] = [start(), start()];
  return Array.from({ length: rows }, (_, row): Prompt => {
    const own = all
      .slice(row * length, (row + 1) * length)
      .filter((__, at) => keep === undefined || keep[row * length + at] !== 0);
    const written = writtenOut(own, recipe.splice, nextWritten);
    return promptOf(written, recipe, pictures, `${where}, row ${row}`, next);
  });
}

/** Ids with one per feature, where the original code takes one for a picture, or a mark that is none. */
function writtenOut(
  ids: readonly number[],
  splice: SpliceRule | undefined,
  next: NextPicture,
): readonly number[] {
  if (splice?.rule !== 'image-token') return ids;
  const { tokenId, mark } = splice;
  const known = ids.map((id) => (id === mark ? tokenId : id));
  const inRows = known.some((id, at) => id === tokenId && known[at + 1] === tokenId);
  // Pictures are taken in their order, whichever way a row has them.
  const wide = widenSpans(known, splice, next);
  return inRows ? known : wide;
}

/**
 * A prompt of ids, with its spans; `next` gives each span its picture. Throws VC6109 for an empty prompt, ids that are
 * not in the vocabulary, and spans that no picture fills.
 */
export function promptOf(
  ids: readonly number[],
  recipe: GenerationRecipe,
  pictures: readonly SampleMedia[],
  where: string,
  next: NextPicture,
): Prompt {
  if (ids.length === 0) throw fail('VC6109', { where, found: 'no token' });
  const { splice, vocabSize, encoder: vision } = recipe;
  const found = splice === undefined || vision === undefined ? [] : findSpans(ids, splice, next);
  const left = new Map<ShownPicture, number>();
  const spans = found.map(({ first, count, picture, wanted }) => {
    const shown = picture === undefined ? undefined : pictures[picture.index];
    if (picture !== undefined && shown !== undefined && wanted === count) {
      left.set(picture, (left.get(picture) ?? picture.tokens) - count);
      return { first, count, ...spanOf(picture.index, shown) };
    }
    const what = shown?.kind === 'audio' || recipe.encoder?.feed.form === 'log-mel' ? 'sound' : 'picture';
    throw fail('VC6109', {
      where: `${where}, token ${first}`,
      found: `${count} tokens for a ${what}`,
      expected:
        shown === undefined
          ? `no more ${what}s than there are`
          : `${wanted}, as many as the graphs give ${sizeText(shown.layout)}`,
    });
  });
  const [short] = [...left].filter(([, tokens]) => tokens !== 0);
  if (short !== undefined) {
    const [{ tokens }, rest] = short;
    throw fail('VC6109', {
      where,
      found: `places for ${tokens - rest} of the ${tokens} features of a picture`,
      expected: 'one for each of its views',
    });
  }
  const inside = (at: number): boolean => spans.some(({ first, count }) => at >= first && at < first + count);
  // What stands between markers is overwritten, and some tokenizers write ids there that are no tokens.
  const kept =
    splice?.rule === 'between-markers' ? ids.map((id, at) => (inside(at) ? splice.padId : id)) : ids;
  const outside = kept.find(
    (id, at) => !inside(at) && !(Number.isSafeInteger(id) && id >= 0 && id < vocabSize),
  );
  if (outside !== undefined) {
    throw fail('VC6109', { where, found: `the id ${outside}`, expected: `ids below ${vocabSize}` });
  }
  return placePrompt(
    kept,
    spans,
    recipe,
    pictures.map(({ layout }) => layout),
  );
}

/** `at 896x896`, `for 128 frames` */
function sizeText(layout: MediaLayout): string {
  return isPicture(layout)
    ? `at ${layout.input.width}x${layout.input.height}`
    : `for ${layout.frames} frames of sound`;
}
