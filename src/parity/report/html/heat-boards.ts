/**
 * Where token maps lie: the tiles of a picture together in their grid, the global view over the whole picture. Maps
 * hold one view each, in the order of the picture's views, picture after picture.
 */
import type { View } from '../../../architectures/media.ts';
import type { TokenMap } from '../../metrics.ts';
import type { ImageSummary } from '../report.ts';
import { viewName } from '../text.ts';

/** Where a view lies, in pixels of its board. */
export interface Placed {
  /** Index of the token map. */
  readonly map: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Views that are drawn together. */
export interface Board {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly picture: boolean;
  readonly views: readonly Placed[];
}

/** Per picture: tiles together in their grid, and every other view by itself, over the whole picture. */
export function boards(
  tokens: readonly TokenMap[],
  image: ImageSummary | undefined,
  picture: boolean,
): readonly Board[] {
  const views = image?.views ?? [];
  // Pictures of other sizes than the one that is known, as graphs for any size see them.
  const alike = tokens.every(({ rows, columns }, index) => {
    const own = tokens[index % views.length];
    return rows === own?.rows && columns === own.columns;
  });
  if (image === undefined || views.length === 0 || tokens.length % views.length !== 0 || !alike)
    return tokens.map(plainBoard);
  const pictures = tokens.length / views.length;
  return Array.from({ length: pictures }, (_, index) => {
    const first = index * views.length;
    const name = pictures === 1 ? 'The picture' : `Picture ${index}`;
    return pictureBoards(image, first, name).map((board) => ({
      ...board,
      picture: pictures === 1 && picture,
    }));
  }).flat();
}

/** Boards of the picture whose token maps begin with number `first`. */
function pictureBoards(
  { input: { width, height }, grid, views }: ImageSummary,
  first: number,
  name: string,
): readonly Omit<Board, 'picture'>[] {
  const tiles = views.flatMap((view, index) =>
    isTile(view) ? [{ map: first + index, row: view.row, column: view.column }] : [],
  );
  const tileWidth = grid?.tile ?? Math.round(width / (1 + Math.max(...tiles.map(({ column }) => column), 0)));
  const tileHeight = grid?.tile ?? Math.round(height / (1 + Math.max(...tiles.map(({ row }) => row), 0)));
  const tiled = {
    title: `${name} by tiles`,
    width,
    height,
    views: tiles.map(({ map, row, column }) => ({
      map,
      x: column * tileWidth,
      y: row * tileHeight,
      width: tileWidth,
      height: tileHeight,
    })),
  };
  const whole = (view: View, index: number): Omit<Board, 'picture'> => ({
    title: views.length === 1 ? name : `${name}, ${viewName(view)}`,
    width,
    height,
    views: [{ map: first + index, x: 0, y: 0, width, height }],
  });
  return [
    ...(tiles.length === 0 ? [] : [tiled]),
    ...views.flatMap((view, index) => (isTile(view) ? [] : [whole(view, index)])),
  ];
}

function isTile(view: View): view is View & { readonly row: number; readonly column: number } {
  return view.kind === 'tile' && view.row !== undefined && view.column !== undefined;
}

/** A grid whose place in the picture is not known. */
function plainBoard({ view, rows, columns }: TokenMap, map: number): Board {
  const cell = 28;
  const size = { width: columns * cell, height: rows * cell };
  return { title: view, ...size, picture: false, views: [{ map, x: 0, y: 0, ...size }] };
}
