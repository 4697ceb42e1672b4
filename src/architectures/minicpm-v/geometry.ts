/**
 * Picture sizes of MiniCPM-Llama3-V 2.5. Without a resolution the graph takes views of any sizes; with one it is compiled
 * for the views that a picture of that size is cut into.
 */
import type { ImageGeometry, Size } from '../media.ts';
import type { SliceRule, Slicing } from '../recipe.ts';
import { checkCount, checkSize, formatSize } from '../resolution.ts';
import type { MiniCpmPreprocessing } from './config.ts';
import { patchGrid, slicedLayout, slicePicture, viewSizes } from './slicing.ts';

/** Attention over more patches takes 16 GiB per head for its scores alone. */
const maxPatches = 65536;

/** What pictures of a size become. */
export interface SlicedPicture {
  readonly slicing: Slicing;
  readonly geometry: ImageGeometry;
}

/** A graph for any picture, checked with one that is cut into two slices. */
export function anySize(preprocessing: MiniCpmPreprocessing, queries: number): SlicedPicture {
  const { scale } = preprocessing.rule;
  const drawn = { width: Math.ceil(1.5 * scale), height: scale };
  const slicing = slicePicture(drawn, preprocessing.rule);
  const geometry = describe(drawn, slicing, preprocessing, queries);
  return {
    slicing,
    geometry: { ...geometry, summary: `any size; checked at ${geometry.summary}` },
  };
}

/** A graph for one size. Throws VC4201 to VC4203 for sizes that make no picture. */
export function oneSize(
  requested: Size,
  preprocessing: MiniCpmPreprocessing,
  queries: number,
): SlicedPicture {
  const request = { size: requested, where: 'resolution' };
  checkSize(request, 1, 'pixel');
  const { rule } = preprocessing;
  const slicing = slicePicture(requested, rule);
  for (const size of viewSizes(slicing)) {
    checkSize({ ...request, size }, rule.patch, 'patch');
    checkCount(request, patchGrid(size, rule.patch), maxPatches, 'patches');
  }
  return { slicing, geometry: describe(requested, slicing, preprocessing, queries) };
}

function describe(
  requested: Size,
  slicing: Slicing,
  { rule, mean, std }: MiniCpmPreprocessing,
  queries: number,
): ImageGeometry {
  const layout = slicedLayout(requested, slicing, queries);
  const { source, slices } = slicing;
  const shown = (size: Size): string => `${formatSize(size)} (${formatGrid(size, rule)} patches)`;
  const cut =
    slices === undefined
      ? ''
      : ` and ${slices.grid.columns}x${slices.grid.rows} slices of ${shown(slices.size)}`;
  return {
    ...layout,
    requested,
    steps: [],
    mean,
    std,
    summary: `${formatSize(requested)} → ${shown(source)}${cut}, ${layout.tokens} tokens`,
  };
}

function formatGrid(size: Size, { patch }: SliceRule): string {
  const { rows, columns } = patchGrid(size, patch);
  return `${columns}x${rows}`;
}
