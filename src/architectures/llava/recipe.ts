/** How the graphs of a LLaVA checkpoint work together. */
import type { GenerationRecipe } from '../architecture.ts';
import { llamaDecoderRecipe } from '../llama/recipe.ts';
import type { LlavaConfig } from './config.ts';

export function llavaRecipe({ text, imageTokenId }: LlavaConfig): GenerationRecipe {
  return {
    encoder: {
      component: 'vision',
      input: 'pixel_values',
      output: 'image_features',
      feed: { form: 'pixels' },
    },
    embed: { component: 'embed' },
    decoder: llamaDecoderRecipe(text),
    splice: { rule: 'image-token', tokenId: imageTokenId },
    prompt: {
      picture: '<image>',
      withPicture: 'USER: {picture}\n{text} ASSISTANT:',
      textOnly: 'USER: {text} ASSISTANT:',
    },
    vocabSize: text.vocab,
    hiddenSize: text.hidden,
    // <image> is added to Llama's own vocabulary, behind it.
    textIds: imageTokenId,
    ...(text.endOfTextId === undefined ? {} : { endOfTextId: text.endOfTextId }),
  };
}
