/** What a report says about the inputs of a run: enough to tell whether two runs had the same. */
import { createHash } from 'node:crypto';
import { isAudio, isPicture } from '../../architectures/log-mel.ts';
import type { MediaGeometry } from '../../architectures/media.ts';
import type { GenerationRecipe } from '../../architectures/recipe.ts';
import type { SampleSummary } from '../report/report.ts';
import { drawDrawing, summariseDrawing } from './drawing.ts';
import type { Sample } from './sample.ts';

export function summariseSample(
  sample: Sample,
  geometry: MediaGeometry | undefined,
  decodeSteps: number,
  continuation: 'picked' | 'drawn',
  recipe: GenerationRecipe,
): SampleSummary {
  const { seed, source, media: pictures, prompts } = sample;
  const [first] = pictures;
  const sounds = pictures.flatMap(({ layout, sha256 }) =>
    isPicture(layout) ? [] : [{ frames: layout.frames, tokens: layout.tokens, sha256 }],
  );
  const drawing = drawDrawing(recipe, seed);
  const video = pictures.find(({ kind }) => kind === 'video');
  return {
    seed,
    source,
    ...(source === 'drawn'
      ? {
          ...(geometry !== undefined && !isAudio(geometry) && first !== undefined
            ? { picture: { ...geometry.input, sha256: first.sha256 } }
            : {}),
          ...(video !== undefined && isPicture(video.layout)
            ? { video: { ...video.layout.input, sha256: video.sha256 } }
            : {}),
          ...(sounds.length === 0 ? {} : { sounds }),
        }
      : { pictures: pictures.map(({ name, sha256 }) => ({ name: name ?? '', sha256 })) }),
    prompts: prompts.map((prompt) => ({
      tokens: prompt.ids.length,
      imageTokens: prompt.spans.reduce((sum, { count }) => sum + count, 0),
    })),
    promptsSha256: createHash('sha256').update(JSON.stringify(prompts)).digest('hex'),
    ...(drawing === undefined ? {} : { drawing: summariseDrawing(drawing) }),
    decodeSteps,
    continuation,
  };
}
