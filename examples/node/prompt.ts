/** A user's text in a model's own form, as ids with a place for every feature of the pictures. */
import type { Prepared } from './pictures.ts';
import type { PromptForm, Recipe } from './recipe.ts';

export function promptIds(
  { prompt, splice }: Recipe,
  encode: (text: string) => readonly number[],
  text: string,
  pictures: readonly Prepared[],
): number[] {
  const form: PromptForm = prompt ?? { picture: '', withPicture: '{text}', textOnly: '{text}' };
  const template = pictures.length === 0 ? form.textOnly : form.withPicture;
  const marks = pictures
    .map((picture, index) => {
      const mark = picture.text(form);
      return form.counted?.replace('{number}', `${index + 1}`).replace('{picture}', () => mark) ?? mark;
    })
    .join(form.between ?? '');
  const ids = encode(template.replace('{picture}', () => marks).replace('{text}', () => text));
  if (splice === undefined) return [...ids];
  // Features of the spans in their order: one span per picture, or one per view of a picture.
  const byView = splice.rule === 'image-token' ? splice.perView === true : splice.slices !== undefined;
  const counts = pictures.flatMap(({ views, tokens, tokensPerView }) =>
    byView ? Array.from({ length: views }, () => tokensPerView) : [tokens],
  );
  const wide: number[] = [];
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at] ?? 0;
    if (splice.rule === 'image-token') {
      const isPlace = id === splice.tokenId;
      const features = Array.from({ length: isPlace ? (counts.shift() ?? 1) : 1 }, () => id);
      wide.push(...((isPlace && splice.before) || []), ...features, ...((isPlace && splice.after) || []));
      continue;
    }
    wide.push(id);
    const end = id === splice.startId ? ids.indexOf(splice.endId, at) : -1;
    if (end === -1) continue;
    wide.push(...Array.from({ length: counts.shift() ?? 0 }, () => splice.padId));
    at = end - 1;
  }
  return wide;
}

/** Where features go, in their order. */
export function places(ids: readonly number[], splice: Recipe['splice']): number[] {
  let inside = false;
  return ids.flatMap((id, at) => {
    if (splice?.rule === 'image-token') return id === splice.tokenId ? [at] : [];
    if (id === splice?.endId) inside = false;
    const found = inside ? [at] : [];
    if (id === splice?.startId) inside = true;
    return found;
  });
}

/** Time, row and column of every token, and the position of what follows. */
export function positions(
  length: number,
  where: readonly number[],
  pictures: readonly Prepared[],
): { readonly rows: readonly number[][]; readonly next: number } {
  const rows: number[][] = [[], [], []];
  const push = (...each: readonly number[]): void => {
    for (const [axis, value] of each.entries()) rows[axis]?.push(value);
  };
  const left = [...pictures];
  let next = 0;
  for (let at = 0; at < length; at = rows[0]?.length ?? length) {
    const grid = where.includes(at) ? left.shift()?.grid : undefined;
    if (grid === undefined) {
      push(next, next, next);
      next += 1;
      continue;
    }
    for (let i = 0; i < grid.rows * grid.columns; i += 1) {
      push(next, next + Math.floor(i / grid.columns), next + (i % grid.columns));
    }
    next += Math.max(1, grid.rows, grid.columns);
  }
  return { rows, next };
}
