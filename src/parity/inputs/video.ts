/** A video as the frames that a model looks at, from a folder of pictures in the order of their names. */
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { ImageGeometry } from '../../architectures/media.ts';
import type { EncoderFeed, EncoderRecipe } from '../../architectures/recipe.ts';
import { videoFrames, videoLimits } from '../../architectures/video-frames.ts';
import { fail } from '../../report/diagnostics.ts';
import { systemReason } from '../../report/show.ts';
import { decodePicture, pictureExtensions } from './decode-picture.ts';
import type { Picture } from './picture.ts';
import { type SampleMedia, sampleMedia } from './sample.ts';
import { fitPicture } from './vision-inputs.ts';

/** `perSecond`: frames that the folder has in a second. Throws VC6109 for what is no video that the model takes. */
export async function readVideo(
  folder: string,
  perSecond: number,
  vision: EncoderRecipe,
  image: ImageGeometry,
): Promise<SampleMedia> {
  const where = basename(folder);
  const names = await frameNames(folder);
  const chosen = videoFrames(names.length, perSecond);
  if (typeof chosen === 'string')
    throw fail('VC6109', { where, found: chosen, expected: 'at least 2 frames' });
  const feed = withLimits(vision.feed, chosen.length, where);
  const frames: Picture[] = [];
  for (const index of chosen) {
    const name = names[index] ?? '';
    const frame = fitPicture(await decodePicture(join(folder, name)), feed, image);
    const [first] = frames;
    if (typeof frame === 'string') throw fail('VC6109', { where: `${where}/${name}`, found: frame });
    if (first !== undefined && (first.width !== frame.width || first.height !== frame.height)) {
      throw fail('VC6109', {
        where: `${where}/${name}`,
        found: `${frame.width}x${frame.height} where another frame is ${first.width}x${first.height}`,
        expected: 'frames of one size',
      });
    }
    frames.push(frame);
  }
  return sampleMedia('video', frames, vision, image, where);
}

/** Numbers in names count as numbers: frame 2 comes before frame 10. */
async function frameNames(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    const order = new Intl.Collator('en', { numeric: true });
    return names
      .filter((name) => pictureExtensions.has(extname(name).toLowerCase()))
      .sort((a, b) => order.compare(a, b));
  } catch (cause) {
    throw fail('VC6109', {
      where: folder,
      found: systemReason(cause),
      expected: 'a folder of frames, as pictures',
      cause,
    });
  }
}

function withLimits(feed: EncoderFeed, frames: number, where: string): EncoderFeed {
  if (feed.form === 'patch-rows') return { ...feed, ...videoLimits(frames, feed) };
  throw fail('VC6109', { where, expected: 'no video: the model takes none' });
}
