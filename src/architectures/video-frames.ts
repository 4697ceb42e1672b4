/**
 * Which frames of a video a model looks at, and how large: the rule of the tools that its publisher gives with Qwen2-VL
 * (qwen_vl_utils). Pure arithmetic, rounded as Python and torch round it.
 */
import { roundHalfEven } from '../kernels/python-math.ts';
import type { PatchRowFeed } from './recipe.ts';

/** Frames are looked at in pairs. */
const pair = 2;
const framesPerSecond = 2;
const leastFrames = 4;
const mostFrames = 768;

/** Of one frame, and of two frames' share of the whole video, in pixels. */
const token = 28 * 28;
const leastPixels = 128 * token;
const mostPixels = 768 * token;
const allPixels = 24576 * token;

/**
 * Indices of the frames, evenly spaced, the first and the last among them; or why there are none. `perSecond`: frames
 * that the video has in a second.
 */
export function videoFrames(total: number, perSecond: number): readonly number[] | string {
  const least = Math.ceil(leastFrames / pair) * pair;
  const most = Math.floor(Math.min(mostFrames, total) / pair) * pair;
  const wanted = (total / perSecond) * framesPerSecond;
  const count = roundHalfEven(Math.min(Math.max(wanted, least), most) / pair) * pair;
  if (count < pair || count > total) return `${total} frames, of which ${count} would be looked at`;
  return Array.from({ length: count }, (_, index) => roundHalfEven(spaced(index, total - 1, count)));
}

/** torch.linspace(0, end, count)[index]: in float32, from the nearer end. */
function spaced(index: number, end: number, count: number): number {
  const step = Math.fround(end / (count - 1));
  return index < count / 2 ? Math.fround(step * index) : Math.fround(end - step * (count - index - 1));
}

/** Least and most pixels of each of so many frames; where the processor's own leave none of these, its own. */
export function videoLimits(
  frames: number,
  own: Pick<PatchRowFeed, 'minPixels' | 'maxPixels'>,
): Pick<PatchRowFeed, 'minPixels' | 'maxPixels'> {
  const share = Math.max(Math.min(mostPixels, (allPixels / frames) * pair), Math.trunc(leastPixels * 1.05));
  const minPixels = Math.max(leastPixels, own.minPixels);
  const maxPixels = Math.min(share, own.maxPixels);
  return minPixels <= maxPixels ? { minPixels, maxPixels } : own;
}
