/** A user's text as a prompt: in the family's form, as ids, with a place for each feature of the pictures it shows. */
import type { GenerationRecipe, PromptTemplate, SpliceRule } from '../../architectures/recipe.ts';
import { inOrder, promptOf } from './recorded.ts';
import type { Prompt, SampleMedia } from './sample.ts';
import { findSpans, type NextPicture, widenSpans } from './spans.ts';
import type { Tokenizer } from './tokenizer.ts';
import { showViews } from './view-text.ts';

export interface PromptText {
  readonly text: string;
  /** Of the first picture that it is about. */
  readonly first: number;
  /** How many it is about, where it does not mark their places itself. */
  readonly shown: number;
  /** For messages. */
  readonly where: string;
}

export interface EncodedPrompt {
  /** How many pictures the text shows. */
  readonly places: number;
  /** Throws VC6109 where there are not as many pictures, or the ids are not the model's. */
  readonly prompt: () => Prompt;
}

/**
 * A text that marks the places of pictures itself is taken as it stands, and shows as many as it marks, one after the
 * other; any other is put into the family's form.
 */
export function encodePrompt(
  { text, first, shown, where }: PromptText,
  tokenizer: Tokenizer,
  recipe: GenerationRecipe,
  pictures: readonly SampleMedia[],
): EncodedPrompt {
  const { splice } = recipe;
  const following = (): NextPicture => inOrder(pictures, first);
  const written = showViews(
    formText(text, pictures.slice(first, first + shown), recipe, tokenizer),
    recipe.prompt,
    following(),
    pictures,
  );
  const ids = tokenizer.encode(written);
  const wide = splice === undefined ? ids : widenSpans(ids, splice, following());
  const spans = splice === undefined ? [] : findSpans(wide, splice, following());
  return {
    places: new Set(spans.map(({ first: at, picture }) => picture?.index ?? `at ${at}`)).size,
    prompt: () => promptOf(wide, recipe, pictures, where, following()),
  };
}

function formText(
  text: string,
  shown: readonly SampleMedia[],
  { prompt, splice }: GenerationRecipe,
  tokenizer: Tokenizer,
): string {
  if (splice !== undefined && tokenizer.encode(text).some((id) => isMark(id, splice))) {
    return prompt === undefined ? text : writeMarks(text, prompt);
  }
  const form = (shown.length === 0 ? prompt?.textOnly : prompt?.withPicture) ?? '{text}';
  const marks = shown.map(({ kind }, index) => {
    const mark = (kind === 'video' ? prompt?.video : undefined) ?? prompt?.picture ?? '';
    return prompt?.counted?.replace('{number}', `${index + 1}`).replace('{picture}', () => mark) ?? mark;
  });
  const pictures = marks.join(prompt?.between ?? '');
  return form.replace('{picture}', () => pictures).replace('{text}', () => text);
}

/** Marks that stand alone as the tokenizer is given a picture; a row of them behind what begins a picture is one already. */
function writeMarks(text: string, { picture, mark }: PromptTemplate): string {
  if (mark === undefined) return text;
  const [begin = ''] = picture.split(mark);
  let written = '';
  let at = 0;
  for (let first = text.indexOf(mark); first !== -1; first = text.indexOf(mark, at)) {
    let end = first;
    while (text.startsWith(mark, end)) end += mark.length;
    const row = text.slice(first, end);
    const isPicture = text.slice(0, first).endsWith(begin);
    written += text.slice(at, first) + (isPicture ? row : row.replaceAll(mark, () => picture));
    at = end;
  }
  return written + text.slice(at);
}

/** Whether the id stands where a picture is shown. */
function isMark(id: number, splice: SpliceRule): boolean {
  return splice.rule === 'between-markers'
    ? id === splice.startId
    : id === splice.tokenId || id === splice.videoTokenId;
}
