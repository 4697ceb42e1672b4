/** How the graphs of a LLaVA checkpoint work together. */

import { visionEncoder } from '../components.ts';
import { languageRecipe } from '../llama/recipe.ts';
import type { GenerationRecipe } from '../recipe.ts';
import type { LlavaConfig } from './config.ts';

export function llavaRecipe({ text, imageTokenId }: LlavaConfig): GenerationRecipe {
  return {
    encoder: visionEncoder({ form: 'pixels' }),
    ...languageRecipe(text),
    splice: { rule: 'image-token', tokenId: imageTokenId },
    prompt: {
      picture: '<image>',
      withPicture: 'USER: {picture}\n{text} ASSISTANT:',
      textOnly: 'USER: {text} ASSISTANT:',
    },
    // <image> is added to Llama's own vocabulary, behind it.
    textIds: imageTokenId,
  };
}
