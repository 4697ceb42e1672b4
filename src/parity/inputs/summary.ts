/** What a report says about the inputs of a run: enough to tell whether two runs had the same. */
import { createHash } from 'node:crypto';
import type { ImageGeometry } from '../../architectures/architecture.ts';
import type { SampleSummary } from '../report/report.ts';
import type { Sample } from './sample.ts';

export function summariseSample(
  sample: Sample,
  image: ImageGeometry | undefined,
  decodeSteps: number,
  continuation: 'picked' | 'drawn',
): SampleSummary {
  const { seed, source, media: pictures, prompts } = sample;
  const [first] = pictures;
  const video = pictures.find(({ kind }) => kind === 'video');
  return {
    seed,
    source,
    ...(source === 'drawn'
      ? {
          ...(image !== undefined && first !== undefined
            ? { picture: { ...image.input, sha256: first.sha256 } }
            : {}),
          ...(video === undefined ? {} : { video: { ...video.layout.input, sha256: video.sha256 } }),
        }
      : { pictures: pictures.map(({ name, sha256 }) => ({ name: name ?? '', sha256 })) }),
    prompts: prompts.map((prompt) => ({
      tokens: prompt.ids.length,
      imageTokens: prompt.spans.reduce((sum, { count }) => sum + count, 0),
    })),
    promptsSha256: createHash('sha256').update(JSON.stringify(prompts)).digest('hex'),
    decodeSteps,
    continuation,
  };
}
