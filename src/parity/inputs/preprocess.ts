/**
 * A user's picture as the graphs take it: the family's own steps on bytes, then `normalise`. Layout: [height, width, 3].
 */
import type { ImageGeometry, InsideStep, PictureStep, Size } from '../../architectures/media.ts';
import { formatSize, maxSide } from '../../architectures/resolution.ts';
import { type PillowFilter, pillowResize } from '../../kernels/pillow-resize.ts';
import { roundHalfEven } from '../../kernels/python-math.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Picture } from './picture.ts';

/** A long strip grows with the square of its length on the way: this many pixels are the largest graph's own picture. */
const maxPixels = maxSide ** 2;

/**
 * Throws a RangeError when the steps do not end at the size that the graphs take, VC6109 for a picture that would be too
 * large on the way.
 */
export function preprocess(
  picture: Picture,
  { input }: ImageGeometry,
  steps: readonly PictureStep[],
): Picture {
  const done = steps.reduce(runStep, picture);
  if (done.width !== input.width || done.height !== input.height) {
    throw new RangeError(
      `preprocessing ends at ${done.width}x${done.height}, not at ${input.width}x${input.height}`,
    );
  }
  return done;
}

function runStep(picture: Picture, step: PictureStep): Picture {
  switch (step.step) {
    case 'resize':
      return resize(picture, step.to, step.filter);
    case 'shortest-side':
      return resize(picture, shortestSide(picture, step.side), step.filter);
    case 'center-crop':
      return centerCrop(picture, step.to);
    case 'pad-square': {
      const side = Math.max(picture.width, picture.height);
      return pad(picture, bearable(picture, { width: side, height: side }), step.color);
    }
    case 'inside':
      return resize(picture, insideSize(picture, step), step.filter);
    case 'pad':
      return pad(picture, step.to, step.color);
  }
}

function resize(picture: Picture, to: Size, filter: PillowFilter): Picture {
  return { ...to, rgb: pillowResize(picture.rgb, picture, bearable(picture, to), filter) };
}

function bearable(picture: Size, to: Size): Size {
  if (to.width * to.height <= maxPixels) return to;
  throw fail('VC6109', {
    where: `a picture of ${formatSize(picture)}`,
    found: `${formatSize(to)} pixels on the way to what the model takes`,
    expected: 'sides whose ratio is nearer to 1',
  });
}

/** As transformers computes it: the longer side is cut to whole pixels, not rounded. */
function shortestSide({ width, height }: Size, side: number): Size {
  return width <= height
    ? { width: side, height: Math.trunc((side * height) / width) }
    : { width: Math.trunc((side * width) / height), height: side };
}

/** As transformers crops: what lies outside the picture is black. */
function centerCrop(picture: Picture, to: Size): Picture {
  const x = Math.floor((picture.width - to.width) / 2);
  const y = Math.floor((picture.height - to.height) / 2);
  const begin = Math.max(x, 0);
  const end = Math.min(x + to.width, picture.width);
  const rgb = new Uint8Array(to.width * to.height * 3);
  for (let row = Math.max(y, 0); row < Math.min(y + to.height, picture.height); row += 1) {
    const source = (row * picture.width + begin) * 3;
    const target = ((row - y) * to.width + begin - x) * 3;
    rgb.set(picture.rgb.subarray(source, source + (end - begin) * 3), target);
  }
  return { ...to, rgb };
}

/** In the order of operations in which the originals compute it: a double's last bit decides at halves. */
export function insideSize(
  { width, height }: Size,
  { to, least, rounding }: Pick<InsideStep, 'to' | 'least' | 'rounding'>,
): Size {
  const wide = width * to.height >= height * to.width;
  const [longer, target] = wide ? [width, to.width] : [height, to.height];
  const scaled = (side: number): number =>
    rounding === 'down' ? Math.trunc((side / longer) * target) : roundHalfEven(side * (target / longer));
  return { width: Math.max(scaled(width), least), height: Math.max(scaled(height), least) };
}

/** As the original codes of LLaVA and Janus pad: what does not split evenly goes to the right and below. */
function pad(picture: Picture, to: Size, color: readonly number[]): Picture {
  const x = Math.floor((to.width - picture.width) / 2);
  const y = Math.floor((to.height - picture.height) / 2);
  const line = Uint8Array.from({ length: to.width * 3 }, (_, index) => color[index % 3] ?? 0);
  const rgb = new Uint8Array(to.width * to.height * 3);
  for (let row = 0; row < to.height; row += 1) rgb.set(line, row * to.width * 3);
  for (let row = 0; row < picture.height; row += 1) {
    const source = row * picture.width * 3;
    rgb.set(picture.rgb.subarray(source, source + picture.width * 3), ((row + y) * to.width + x) * 3);
  }
  return { ...to, rgb };
}
