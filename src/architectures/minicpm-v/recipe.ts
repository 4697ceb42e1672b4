/** How the graphs of a MiniCPM-Llama3-V 2.5 checkpoint work together. */

import { visionEncoder } from '../components.ts';
import { languageRecipe } from '../llama/recipe.ts';
import type { GenerationRecipe, SliceFeed } from '../recipe.ts';
import type { MiniCpmConfig } from './config.ts';
import type { SpecialTokens } from './special-tokens.ts';

/** The chat's form, as the release's template writes it around one message of a user. */
const chat = (content: string): string =>
  `<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n${content}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n`;

export function miniCpmRecipe(
  { text }: MiniCpmConfig,
  feed: SliceFeed,
  tokens: SpecialTokens,
): GenerationRecipe {
  return {
    encoder: visionEncoder(feed),
    ...languageRecipe(text),
    splice: {
      rule: 'between-markers',
      startId: tokens.imageStart.id,
      endId: tokens.imageEnd.id,
      padId: tokens.unknown.id,
      slices: { startId: tokens.sliceStart.id, endId: tokens.sliceEnd.id },
    },
    prompt: {
      picture: '(<image>./</image>)',
      withPicture: chat('{picture}\n{text}'),
      textOnly: chat('{text}'),
      between: '\n',
      views: {
        view: `${tokens.imageStart.text}{features}${tokens.imageEnd.text}`,
        feature: tokens.unknown.text,
        slices: `${tokens.sliceStart.text}{rows}${tokens.sliceEnd.text}`,
        rowBreak: '\n',
      },
    },
    textIds: tokens.firstId,
    ...(tokens.messageEnd === undefined ? {} : { endOfAnswerId: tokens.messageEnd.id }),
  };
}
