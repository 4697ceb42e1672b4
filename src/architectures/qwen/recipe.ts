/** How the graphs of a Qwen-VL or Monkey checkpoint work together. */

import { visionEncoder } from '../components.ts';
import type { GenerationRecipe } from '../recipe.ts';
import type { QwenConfig } from './config.ts';

/**
 * The tokenizer numbers its special tokens after the ranks of the tiktoken file: end of text, two chat
 * markers, 205 extras, six of boxes and references, then `<img>`. So ordinary text ends this far below it.
 */
const specialsBeforeImage = 214;

/** `introduction`: what stands before the picture and between it and the text in a prompt, as publishers write it. */
export function qwenRecipe(
  { text, visual }: QwenConfig,
  introduction: { readonly before: string; readonly after: string },
): GenerationRecipe {
  const endOfText = visual.imageStartId - specialsBeforeImage;
  return {
    encoder: visionEncoder({ form: 'pixels' }),
    embed: { component: 'embed' },
    decoder: {
      component: 'decoder',
      layers: text.layers,
      kvHeads: text.heads,
      headDim: text.headDim,
      scalars: text.dynamicNtk ? ['rope_length'] : [],
    },
    splice: {
      rule: 'between-markers',
      startId: visual.imageStartId,
      endId: visual.imageStartId + 1,
      padId: visual.imageStartId + 2,
    },
    prompt: {
      // Between them the tokenizer writes the picture's path, which the features replace.
      picture: '<img></img>',
      withPicture: `${introduction.before}{picture}${introduction.after}{text}`,
      textOnly: '{text}',
    },
    vocabSize: text.vocab,
    hiddenSize: text.hidden,
    // A vocabulary too small for the rule has no known end of text; what is below <img> is still text.
    ...(endOfText > 0 ? { textIds: endOfText, endOfTextId: endOfText } : { textIds: visual.imageStartId }),
  };
}
