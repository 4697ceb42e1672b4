/** How the decoder of buildLlamaDecoder is run, in the recipe of whatever family has one. */
import type { GenerationRecipe } from '../architecture.ts';
import type { LlamaConfig } from './config.ts';

export function llamaDecoderRecipe({ layers, kvHeads, headDim }: LlamaConfig): GenerationRecipe['decoder'] {
  return { component: 'decoder', layers, kvHeads, headDim, scalars: [] };
}
