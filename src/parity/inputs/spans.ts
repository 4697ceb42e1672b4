/** Where pictures, or sounds, stand in a prompt's ids, by the model's splice rule. */

import { isPicture } from '../../architectures/log-mel.ts';
import type { MediaLayout } from '../../architectures/media.ts';
import type { SpliceRule } from '../../architectures/recipe.ts';

export interface FoundSpan {
  readonly first: number;
  readonly count: number;
  /** Of what it shows; undefined: there is none left. */
  readonly picture: ShownPicture | undefined;
  /** Features of the picture that belong here. */
  readonly wanted: number;
}

export interface ShownPicture {
  /** Index into the sample's pictures. */
  readonly index: number;
  /** Features that it becomes. */
  readonly tokens: number;
  /** Features of each of its views: those of a span, where views have spans of their own. */
  readonly tokensPerView?: number;
}

export function shownPicture(index: number, layout: MediaLayout): ShownPicture {
  const { tokens } = layout;
  return isPicture(layout) ? { index, tokens, tokensPerView: layout.tokensPerView } : { index, tokens };
}

/** Gives the pictures of a kind, one after the other, in the order in which prompts show them. */
export type NextPicture = (video: boolean) => ShownPicture | undefined;

/**
 * Spans in their order. Between markers: what stands between them, whatever it is; an opening marker without a closing
 * one opens nothing. By token: as many neighbours as the picture has features, for pictures may follow each other
 * without a gap; what is left over is a span too short.
 */
export function findSpans(ids: readonly number[], rule: SpliceRule, next: NextPicture): readonly FoundSpan[] {
  const spans: FoundSpan[] = [];
  const nextSpan = spanBySpan(rule, next);
  let at = 0;
  while (at < ids.length) {
    const span =
      rule.rule === 'between-markers'
        ? betweenAt(ids, at, rule, nextSpan)
        : runAt(ids, at, rule, rule.perView === true ? nextSpan : undefined, next);
    if (span !== undefined) spans.push(span);
    at = span === undefined ? at + 1 : span.first + span.count;
  }
  return spans;
}

type Between = Extract<SpliceRule, { rule: 'between-markers' }>;
type ByToken = Extract<SpliceRule, { rule: 'image-token' }>;

type NextSpan = () => Pick<FoundSpan, 'picture' | 'wanted'>;

/** What each span shows: a picture, or a view of one until all of its views have been shown. */
function spanBySpan(rule: SpliceRule, next: NextPicture): NextSpan {
  const byView = rule.rule === 'between-markers' ? rule.slices !== undefined : rule.perView === true;
  let picture: ShownPicture | undefined;
  let shown = 0;
  return () => {
    if (picture === undefined || shown >= picture.tokens) {
      picture = next(false);
      shown = 0;
    }
    const wanted = (byView ? picture?.tokensPerView : picture?.tokens) ?? 0;
    shown += wanted;
    return { picture, wanted };
  };
}

function betweenAt(
  ids: readonly number[],
  at: number,
  rule: Between,
  nextSpan: NextSpan,
): FoundSpan | undefined {
  const count = lengthBetween(ids, at, rule);
  return count === undefined || count === 0 ? undefined : { first: at + 1, count, ...nextSpan() };
}

/** How many ids stand between the marker at `at` and the one that closes it; undefined where none opens there. */
function lengthBetween(ids: readonly number[], at: number, { startId, endId }: Between): number | undefined {
  if (ids[at] !== startId) return undefined;
  const end = ids.indexOf(endId, at);
  return end === -1 ? undefined : end - at - 1;
}

function runAt(
  ids: readonly number[],
  at: number,
  rule: ByToken,
  nextView: NextSpan | undefined,
  next: NextPicture,
): FoundSpan | undefined {
  const id = ids[at];
  const video = id !== undefined && id === rule.videoTokenId;
  if (id !== rule.tokenId && !video) return undefined;
  const { picture, wanted } = !video && nextView !== undefined ? nextView() : whole(next(video));
  let count = 1;
  while (count < wanted && ids[at + count] === id) count += 1;
  return { first: at, count, picture, wanted };
}

/** How many equal ids stand side by side from `at` on. */
function rowAt(ids: readonly number[], at: number): number {
  let end = at + 1;
  while (end < ids.length && ids[end] === ids[at]) end += 1;
  return end - at;
}

function whole(picture: ShownPicture | undefined): ReturnType<NextSpan> {
  return { picture, wanted: picture?.tokens ?? 0 };
}

/** Ids in which each picture's place, whatever the tokenizer wrote there, has one id per feature. */
export function widenSpans(ids: readonly number[], rule: SpliceRule, next: NextPicture): readonly number[] {
  const wide: number[] = [];
  const nextSpan = spanBySpan(rule, next);
  const repeat = (id: number, count: number): void => {
    for (let i = 0; i < count; i += 1) wide.push(id);
  };
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at] ?? 0;
    if (rule.rule === 'image-token') {
      const video = id === rule.videoTokenId;
      if (!video && id !== rule.tokenId) {
        wide.push(id);
        continue;
      }
      const { wanted } = !video && rule.perView === true ? nextSpan() : whole(next(video));
      const tokens = wanted || 1;
      // A row as long as the picture's features is the picture written out.
      const written = tokens > 1 && rowAt(ids, at) === tokens;
      if (!written) wide.push(...(rule.before ?? []));
      repeat(id, tokens);
      if (written) at += tokens - 1;
      else wide.push(...(rule.after ?? []));
      continue;
    }
    wide.push(id);
    const between = lengthBetween(ids, at, rule);
    if (between === undefined) continue;
    repeat(rule.padId, nextSpan().wanted || 1);
    at += between;
  }
  return wide;
}
