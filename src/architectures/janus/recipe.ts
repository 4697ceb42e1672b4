/** How the graphs of a Janus checkpoint work together, to answer and to draw. */

import { visionEncoder } from '../components.ts';
import { languageRecipe, llamaDecoderRecipe } from '../llama/recipe.ts';
import type { GenerationRecipe, PictureGeneration } from '../recipe.ts';
import type { JanusConfig } from './config.ts';
import type { JanusTokens } from './special-tokens.ts';

/** The decoder's extra output, which the generation head reads. */
export const hiddenOutput = 'hidden_states';

const systemPrompt =
  'You are a helpful language and vision assistant. You are able to understand the visual content that the user provides, and assist the user with a variety of tasks using natural language.\n\n';

const chat = (content: string): string => `<|User|>: ${content}\n\n<|Assistant|>:`;

export interface JanusDrawing extends Pick<PictureGeneration, 'guidance' | 'kept' | 'mean' | 'std'> {}

export function janusRecipe(
  { text, codes, side }: JanusConfig,
  { image, imageStart, imageEnd, padId, end, firstId }: JanusTokens,
  { guidance, kept, mean, std }: JanusDrawing,
  { withSystem }: { readonly withSystem: boolean },
): GenerationRecipe {
  const system = withSystem ? systemPrompt : '';
  return {
    encoder: visionEncoder({ form: 'pixels' }),
    ...languageRecipe({ ...text, endOfTextId: end?.id }),
    decoder: { ...llamaDecoderRecipe(text), hidden: hiddenOutput },
    pictures: {
      head: { component: 'gen_head' },
      embed: { component: 'gen_embed' },
      generator: { component: 'image_decoder' },
      grid: { rows: side, columns: side },
      codes,
      guidance,
      prompt: `${chat('{text}')}${imageStart.text}`,
      padId,
      kept,
      mean,
      std,
    },
    splice: { rule: 'image-token', tokenId: image.id },
    prompt: {
      picture: `${imageStart.text}${image.text}${imageEnd.text}`,
      mark: image.text,
      withPicture: `${system}${chat('{picture}\n{text}')}`,
      textOnly: `${system}${chat('{text}')}`,
      between: '\n',
    },
    textIds: firstId,
  };
}
