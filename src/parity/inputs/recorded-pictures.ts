/** Recorded pictures and videos, one by one, in the form that the model takes them in. */
import { createHash } from 'node:crypto';
import type {
  ImageGeometry,
  PatchRowFeed,
  PictureLayout,
  SliceFeed,
  View,
  VisionRecipe,
} from '../../architectures/architecture.ts';
import { viewSizes } from '../../architectures/minicpm-v/slicing.ts';
import { patchGridOf, patchRowLayout } from '../../architectures/patch-rows.ts';
import { fail } from '../../report/diagnostics.ts';
import { float32Value, int64Value, type RunTensor } from '../../runtime/values.ts';
import { floats, integers } from './recorded-values.ts';
import type { SamplePicture } from './sample.ts';
import { patchRowFeeds, sliceFeeds } from './vision-inputs.ts';

/** Pictures, then videos; undefined where nothing of either was recorded. Throws VC6109 for what the model does not take. */
export function recordedPictures(
  values: ReadonlyMap<string, RunTensor>,
  vision: VisionRecipe | undefined,
  image: ImageGeometry | undefined,
  name: string,
): readonly SamplePicture[] | undefined {
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
    return slicedPictures(pixels, values.get('tgt_sizes'), { vision, feed, image, name });
  }
  return pixelPictures(pixels, vision.input, image, name);
}

/** Views, in the order in which prompts show them: those of all pictures as of one, for they are run at once. */
function slicedPictures(
  pixels: RunTensor,
  sizes: RunTensor | undefined,
  {
    vision,
    feed,
    image,
    name,
  }: {
    readonly vision: VisionRecipe;
    readonly feed: SliceFeed;
    readonly image: ImageGeometry;
    readonly name: string;
  },
): readonly SamplePicture[] {
  const where = `${name}: pixel_values`;
  const [views = 0, channels, height, columns = 0] = pixels.shape;
  const grids = sizes === undefined ? [] : integers(sizes, `${name}: tgt_sizes`);
  const known = feed.known === undefined ? undefined : viewSizes(feed.known);
  const longest = known && Math.max(...known.map((view) => (view.width * view.height) / feed.patch ** 2));
  const fits =
    pixels.shape.length === 4 &&
    channels === 3 &&
    height === feed.patch &&
    columns % feed.patch === 0 &&
    (longest === undefined || columns === longest * feed.patch) &&
    views > 0 &&
    views % (known?.length ?? 1) === 0;
  if (!fits || (known === undefined && grids.length !== 2 * views)) {
    throw fail('VC6109', {
      where,
      found: `[${pixels.shape}]${sizes === undefined ? '' : `, tgt_sizes [${sizes.shape}]`}`,
      expected:
        known === undefined || longest === undefined
          ? `[views,3,${feed.patch},columns] and tgt_sizes [views,2]`
          : `[views,3,${feed.patch},${longest * feed.patch}], ${known.length} views of each picture`,
    });
  }
  const data = floats(pixels, where);
  const { tokensPerView } = image;
  const global: View = { kind: 'global' };
  const layout: PictureLayout = {
    input: image.input,
    views: Array.from({ length: views / image.views.length }, () => image.views).flat(),
    tokensPerView,
    tokens: views * tokensPerView,
  };
  return [
    {
      kind: 'image',
      feeds: sliceFeeds(
        vision.input,
        feed.sizes,
        float32Value(pixels.shape, data),
        int64Value([views, 2], grids),
      ),
      layout:
        known === undefined ? { ...layout, views: Array.from({ length: views }, () => global) } : layout,
      sha256: sha256(data),
      name: `${name} 0`,
    },
  ];
}

function pixelPictures(
  pixels: RunTensor,
  inputName: string,
  image: ImageGeometry,
  name: string,
): readonly SamplePicture[] {
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
  return Array.from({ length: count }, (_, index): SamplePicture => {
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
  readonly kind: SamplePicture['kind'];
  readonly rows: RunTensor;
  readonly grid: RunTensor | undefined;
  readonly vision: VisionRecipe;
  readonly feed: PatchRowFeed;
  readonly image: ImageGeometry;
  readonly where: string;
}

function patchRowPictures(recorded: RecordedRows): readonly SamplePicture[] {
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
  return grids.map((grid, index): SamplePicture => {
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

function sha256(values: Float32Array): string {
  return createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex');
}
