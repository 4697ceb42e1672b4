/** Recorded pictures and videos, one by one, in the form that the model takes them in. */
import type { ImageGeometry } from '../../architectures/media.ts';
import { patchGridOf, patchRowLayout } from '../../architectures/patch-rows.ts';
import type { EncoderRecipe, PatchRowFeed } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import { float32Value, type RunTensor } from '../../runtime/values.ts';
import { recordedTiles } from './recorded-tiles.ts';
import { floats, integers, sha256 } from './recorded-values.ts';
import { recordedViews } from './recorded-views.ts';
import type { SampleMedia } from './sample.ts';
import { patchRowFeeds } from './vision-inputs.ts';

/** Pictures, then videos; undefined where nothing of either was recorded. Throws VC6109 for what the model does not take. */
export function recordedPictures(
  values: ReadonlyMap<string, RunTensor>,
  vision: EncoderRecipe | undefined,
  image: ImageGeometry | undefined,
  name: string,
): readonly SampleMedia[] | undefined {
  const pixels = values.get('pixel_values');
  const videos = values.get('pixel_values_videos');
  if (pixels === undefined && videos === undefined) return undefined;
  if (vision === undefined || image === undefined) {
    throw fail('VC6109', { where: `${name}: pixel_values`, expected: 'none: the model takes no pictures' });
  }
  const { feed } = vision;
  if (feed.form === 'patch-rows') {
    const rows = (kind: 'image' | 'video', key: string, of: RunTensor | undefined) => {
      if (of === undefined) return [];
      const grid = values.get(`${kind}_grid_thw`);
      return patchRowPictures({ kind, rows: of, grid, vision, feed, image, where: `${name}: ${key}` });
    };
    return [...rows('image', 'pixel_values', pixels), ...rows('video', 'pixel_values_videos', videos)];
  }
  if (pixels === undefined) {
    throw fail('VC6109', {
      where: `${name}: pixel_values_videos`,
      expected: 'none: the model takes no videos',
    });
  }
  if (feed.form === 'slices') {
    return recordedViews(pixels, values.get('tgt_sizes'), { vision, feed, image, name });
  }
  if (feed.form === 'tiles') return recordedTiles(pixels, values.get('block_sizes'), { vision, feed, name });
  return pixelPictures(pixels, vision.input, image, name);
}

function pixelPictures(
  pixels: RunTensor,
  inputName: string,
  image: ImageGeometry,
  name: string,
): readonly SampleMedia[] {
  const [count = 0, channels, height, width] = pixels.shape;
  const { input } = image;
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
  return Array.from({ length: count }, (_, index): SampleMedia => {
    const own = data.slice(index * each, (index + 1) * each);
    return {
      kind: 'image',
      feeds: new Map([[inputName, float32Value([1, 3, input.height, input.width], own)]]),
      layout: image,
      sha256: sha256(own),
      name: `${name} ${index}`,
    };
  });
}

interface RecordedRows {
  readonly kind: SampleMedia['kind'];
  readonly rows: RunTensor;
  readonly grid: RunTensor | undefined;
  readonly vision: EncoderRecipe;
  readonly feed: PatchRowFeed;
  readonly image: ImageGeometry;
  readonly where: string;
}

function patchRowPictures(recorded: RecordedRows): readonly SampleMedia[] {
  const { kind, rows, vision, feed, where } = recorded;
  const grids = readGrids(recorded);
  const [count = 0, length = 0] = rows.shape;
  const wanted = 3 * feed.frames * feed.patch ** 2;
  const total = grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
  if (rows.shape.length !== 2 || length !== wanted || count !== total || grids.length === 0) {
    throw fail('VC6109', {
      where,
      found: `[${rows.shape}], and ${total} patches in ${kind}_grid_thw`,
      expected: `[patches,${wanted}], as many as the grids have`,
    });
  }
  const data = floats(rows, where);
  let first = 0;
  return grids.map((grid, index): SampleMedia => {
    const [frames, height, width] = grid;
    const own = data.slice(first * length, (first + frames * height * width) * length);
    first += frames * height * width;
    return {
      kind,
      feeds: patchRowFeeds(vision.input, feed.grid, own, length, grid),
      layout: patchRowLayout({ frames, rows: height, columns: width }, feed),
      sha256: sha256(own),
      name: `${where} ${index}`,
    };
  });
}

type GridThw = readonly [number, number, number];

/** Frames, rows and columns of each; of a graph for one size its own, whatever else was recorded is refused. */
function readGrids({ kind, grid, feed, image, where }: RecordedRows): readonly GridThw[] {
  const place = where.replace(/[^ ]+$/, `${kind}_grid_thw`);
  if (grid === undefined || grid.shape.length !== 2 || grid.shape[1] !== 3) {
    throw fail('VC6109', {
      where: place,
      found: grid === undefined ? 'none' : `[${grid.shape}]`,
      expected: '[N,3]',
    });
  }
  const all = integers(grid, place);
  const fixed = feed.grid === undefined ? patchGridOf(image.input, feed) : undefined;
  return Array.from({ length: all.length / 3 }, (_, index): GridThw => {
    const [t = 0, h = 0, w = 0] = all.slice(3 * index);
    const whole = [t, h / feed.merge, w / feed.merge].every((side) => Number.isSafeInteger(side) && side > 0);
    const fits = fixed === undefined || (h === fixed.rows && w === fixed.columns);
    if (whole && fits) return [t, h, w];
    throw fail('VC6109', {
      where: place,
      found: `[${t}, ${h}, ${w}]`,
      expected:
        fixed === undefined
          ? `frames, rows and columns, these in multiples of ${feed.merge}`
          : `[frames, ${fixed.rows}, ${fixed.columns}]: the graphs were built for this size`,
    });
  });
}
