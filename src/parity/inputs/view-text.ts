/** The text of a prompt in which pictures are written view by view. */

import { isPicture } from '../../architectures/log-mel.ts';
import type { PictureLayout } from '../../architectures/media.ts';
import type { PromptTemplate, ViewTemplate } from '../../architectures/recipe.ts';
import type { SampleMedia } from './sample.ts';
import type { NextPicture } from './spans.ts';

/** Each marked place of a picture as its views; what no picture is left for stays a mark. */
export function showViews(
  text: string,
  prompt: PromptTemplate | undefined,
  next: NextPicture,
  pictures: readonly SampleMedia[],
): string {
  if (prompt?.views === undefined) return text;
  const { picture: mark, views } = prompt;
  return text.replaceAll(mark, () => {
    const layout = pictures[next(false)?.index ?? -1]?.layout;
    return layout === undefined || !isPicture(layout) ? mark : viewText(layout, views);
  });
}

/** The whole picture, and directly behind it its slices, a row like the one before it. */
export function viewText(
  { views, tokensPerView }: Pick<PictureLayout, 'views' | 'tokensPerView'>,
  { view, feature, slices, rowBreak }: ViewTemplate,
): string {
  const one = view.replace('{features}', () => feature.repeat(tokensPerView));
  const tiles = views.filter(({ kind }) => kind === 'tile');
  if (tiles.length === 0) return one;
  const rows = new Map<number, string>();
  for (const { row = 0 } of tiles) rows.set(row, `${rows.get(row) ?? ''}${one}`);
  return one + slices.replace('{rows}', () => [...rows.values()].join(rowBreak));
}
