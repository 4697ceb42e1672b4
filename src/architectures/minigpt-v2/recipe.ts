/** How the graphs of a MiniGPT-v2 checkpoint work together. */

import { visionEncoder } from '../components.ts';
import { languageRecipe } from '../llama/recipe.ts';
import type { GenerationRecipe } from '../recipe.ts';
import type { MiniGptConfig } from './config.ts';

/** Stands for a picture's features in a prompt; the original code cuts the text there. */
export const pictureToken = '<ImageHere>';

/** What recorded ids have in place of what is cut out there. */
const pictureMark = -200;

export function miniGptRecipe({ text, template, imageTokenId }: MiniGptConfig): GenerationRecipe {
  // The original's text begins with <s>, and its tokenizer puts another before it.
  const form = (words: string): string => `<s>${template.replace('{}', () => words)}`;
  return {
    encoder: visionEncoder({ form: 'pixels' }),
    ...languageRecipe(text),
    splice: { rule: 'image-token', tokenId: imageTokenId, mark: pictureMark },
    prompt: {
      picture: `<Img>${pictureToken}</Img>`,
      mark: pictureToken,
      withPicture: form('{picture} {text}'),
      textOnly: form('{text}'),
    },
    textIds: text.vocab,
  };
}
