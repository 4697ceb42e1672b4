/** What the vision component is fed with for one picture or video, as the recipe says, and what its features are. */
import type { ImageGeometry, PictureLayout, Size } from '../../architectures/media.ts';
import { slicedLayout, slicePicture } from '../../architectures/minicpm-v/slicing.ts';
import { patchRowLayout } from '../../architectures/patch-rows.ts';
import type { EncoderFeed, EncoderRecipe } from '../../architectures/recipe.ts';
import { smartResize } from '../../architectures/smart-resize.ts';
import { pillowResize } from '../../kernels/pillow-resize.ts';
import { float32Value, int64Value, type RunTensor } from '../../runtime/values.ts';
import { patchRows } from './patch-rows.ts';
import { normalise, type Picture } from './picture.ts';
import { preprocess } from './preprocess.ts';
import { slicedPicture } from './sliced-picture.ts';
import { tiledPicture, tilesObjection } from './tiled-picture.ts';

export interface VisionInputs {
  /** Inputs of the component, by name. */
  readonly feeds: ReadonlyMap<string, RunTensor>;
  readonly layout: PictureLayout;
}

/** Inputs of frames that have the component's size already: one picture, or the frames of a video. */
export function visionInputs(
  frames: readonly Picture[],
  { input, feed }: EncoderRecipe,
  image: ImageGeometry,
): VisionInputs {
  const { mean, std } = image;
  if (feed.form === 'patch-rows') {
    const { grid, length, data } = patchRows(frames, feed, mean, std);
    return {
      feeds: patchRowFeeds(input, feed.grid, data, length, [grid.frames, grid.rows, grid.columns]),
      layout: patchRowLayout(grid, feed),
    };
  }
  const [only, ...more] = frames;
  if (only === undefined || more.length > 0) throw new RangeError(`${frames.length} frames of one picture`);
  if (feed.form === 'slices') {
    const slicing = feed.known ?? slicePicture(only, feed);
    const { pixels, sizes } = slicedPicture(only, slicing, feed.patch, image);
    return {
      feeds: sliceFeeds(input, feed.sizes, pixels, sizes),
      layout: slicedLayout(only, slicing, image.tokensPerView),
    };
  }
  if (feed.form === 'tiles') return tiledPicture(only, input, feed, image);
  const pixels = float32Value([1, 3, only.height, only.width], normalise(only, mean, std));
  return { feeds: new Map([[input, pixels]]), layout: image };
}

/** Rows, and their grid where the component takes one. */
export function patchRowFeeds(
  input: string,
  grid: string | undefined,
  data: Float32Array,
  length: number,
  gridThw: readonly number[],
): ReadonlyMap<string, RunTensor> {
  const rows = float32Value([data.length / length, length], data);
  return new Map([
    [input, rows],
    ...(grid === undefined ? [] : [[grid, int64Value([1, 3], gridThw)] as const]),
  ]);
}

/** Views, and their sizes where the component takes them. */
export function sliceFeeds(
  input: string,
  sizesInput: string | undefined,
  pixels: RunTensor,
  sizes: RunTensor,
): ReadonlyMap<string, RunTensor> {
  return new Map([[input, pixels], ...(sizesInput === undefined ? [] : [[sizesInput, sizes] as const])]);
}

/** A picture at the size that the component takes it at, or why there is none. */
export function fitPicture(picture: Picture, feed: EncoderFeed, image: ImageGeometry): Picture | string {
  // Cutting a picture resizes it: once, from what it is.
  if (feed.form === 'slices') return picture;
  if (feed.form === 'tiles') return tilesObjection(picture, feed) ?? picture;
  if (feed.form === 'patch-rows' && feed.grid !== undefined) {
    const to = smartResize(picture, { ...feed, unit: feed.patch * feed.merge });
    return typeof to === 'string' ? to : resized(picture, to);
  }
  const { steps } = image;
  return steps === undefined
    ? "a way of resampling in the checkpoint's preprocessor settings that is not known"
    : preprocess(picture, image, steps);
}

function resized(picture: Picture, to: Size): Picture {
  return { ...to, rgb: pillowResize(picture.rgb, picture, to, 'bicubic') };
}
