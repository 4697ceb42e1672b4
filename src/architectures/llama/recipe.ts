/** How embedding and decoder of a model with Llama's names are run, in the recipe of whatever family has one. */
import type { GenerationRecipe } from '../recipe.ts';
import type { LlamaConfig } from './config.ts';

export function llamaDecoderRecipe({ layers, kvHeads, headDim }: LlamaConfig): GenerationRecipe['decoder'] {
  return { component: 'decoder', layers, kvHeads, headDim, scalars: [] };
}

/** All of a recipe that the language model decides. */
export function languageRecipe(
  text: LlamaConfig,
): Pick<GenerationRecipe, 'embed' | 'decoder' | 'vocabSize' | 'hiddenSize' | 'endOfTextId'> {
  return {
    embed: { component: 'embed' },
    decoder: llamaDecoderRecipe(text),
    vocabSize: text.vocab,
    hiddenSize: text.hidden,
    ...(text.endOfTextId === undefined ? {} : { endOfTextId: text.endOfTextId }),
  };
}
