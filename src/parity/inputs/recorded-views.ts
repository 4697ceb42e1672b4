/**
 * Recorded views of sliced pictures: `pixel_values` [views, 3, patch, patch · L] and `tgt_sizes` [views, 2], in the order
 * in which prompts show them. What of them is one picture is not recorded, and where views are padded to each other their
 * features hang on all of them: they are one picture here. A graph that is compiled for its views knows how many a
 * picture has.
 */
import type { ImageGeometry, PictureLayout } from '../../architectures/media.ts';
import { patchGrid, viewSizes } from '../../architectures/minicpm-v/slicing.ts';
import type { EncoderRecipe, SliceFeed } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import { float32Value, int64Value, type RunTensor } from '../../runtime/values.ts';
import { floats, integers, sha256 } from './recorded-values.ts';
import type { SampleMedia } from './sample.ts';
import { sliceFeeds } from './vision-inputs.ts';

export interface RecordedViews {
  readonly vision: EncoderRecipe;
  readonly feed: SliceFeed;
  readonly image: ImageGeometry;
  /** Of the file, for messages. */
  readonly name: string;
}

/** Throws VC6109 for what the graph does not take. */
export function recordedViews(
  pixels: RunTensor,
  sizes: RunTensor | undefined,
  recorded: RecordedViews,
): readonly SampleMedia[] {
  const { vision, feed, image, name } = recorded;
  const [views = 0, channels, rows, columns = 0] = pixels.shape;
  const { count, longest } = knownViews(feed) ?? { count: views, longest: columns / feed.patch };
  const fits =
    pixels.shape.length === 4 &&
    channels === 3 &&
    rows === feed.patch &&
    columns === longest * feed.patch &&
    Number.isSafeInteger(longest) &&
    views > 0 &&
    views % count === 0;
  if (!fits) {
    throw fail('VC6109', {
      where: `${name}: pixel_values`,
      found: `[${pixels.shape}]`,
      expected:
        feed.known === undefined
          ? `[views,3,${feed.patch},a multiple of ${feed.patch}]`
          : `[N · ${count},3,${feed.patch},${longest * feed.patch}]: the graphs were built for such views`,
    });
  }
  const grids = feed.sizes === undefined ? [] : readSizes(sizes, views, longest, `${name}: tgt_sizes`);
  const data = floats(pixels, `${name}: pixel_values`);
  const each = (data.length / views) * count;
  return Array.from({ length: views / count }, (_, index): SampleMedia => {
    const own = data.slice(index * each, (index + 1) * each);
    return {
      kind: 'image',
      feeds: sliceFeeds(
        vision.input,
        feed.sizes,
        float32Value([count, 3, feed.patch, columns], own),
        int64Value([grids.length / 2, 2], grids),
      ),
      layout: feed.known === undefined ? layoutOf(count, image) : image,
      sha256: sha256(own),
      name: `${name} ${index}`,
    };
  });
}

/** How many views a picture has, and patches the longest of them. */
function knownViews({
  known,
  patch,
}: SliceFeed): { readonly count: number; readonly longest: number } | undefined {
  if (known === undefined) return undefined;
  const lengths = viewSizes(known).map((size) => {
    const { rows, columns } = patchGrid(size, patch);
    return rows * columns;
  });
  return { count: lengths.length, longest: Math.max(...lengths) };
}

/** Rows and columns of each view, view after view. */
function readSizes(
  sizes: RunTensor | undefined,
  views: number,
  longest: number,
  where: string,
): readonly number[] {
  const grids = sizes === undefined ? [] : integers(sizes, where);
  const fits = (_: unknown, view: number): boolean => {
    const [rows = 0, columns = 0] = grids.slice(2 * view);
    return rows > 0 && columns > 0 && rows * columns <= longest;
  };
  if (grids.length === 2 * views && Array.from({ length: views }).every(fits)) return grids;
  throw fail('VC6109', {
    where,
    found: sizes === undefined ? 'none' : `[${sizes.shape}] ${grids.slice(0, 8).join(', ')}`,
    expected: `[${views},2], rows and columns of at most ${longest} patches`,
  });
}

function layoutOf(views: number, { input, tokensPerView }: ImageGeometry): PictureLayout {
  return {
    input,
    views: Array.from({ length: views }, () => ({ kind: 'tile' })),
    tokensPerView,
    tokens: views * tokensPerView,
  };
}
