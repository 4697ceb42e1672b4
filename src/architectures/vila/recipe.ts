/** How the graphs of a VILA checkpoint work together. */
import { chatTemplate } from '../../formats/checkpoint/chat-template.ts';
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { addedTokens } from '../added-token.ts';
import { systemMessage, userMessage } from '../chatml.ts';
import { visionEncoder } from '../components.ts';
import { languageRecipe } from '../llama/recipe.ts';
import type { EncoderFeed, GenerationRecipe, PromptTemplate } from '../recipe.ts';
import type { VilaConfig } from './config.ts';
import { type PictureTokens, pictureText } from './picture-tokens.ts';

export function vilaRecipe(
  { text, newer }: VilaConfig,
  feed: EncoderFeed,
  { tokenId, before, after, textIds }: PictureTokens,
  prompt: PromptTemplate,
): GenerationRecipe {
  return {
    encoder: visionEncoder(feed),
    ...languageRecipe(text),
    splice: {
      rule: 'image-token',
      tokenId,
      ...(feed.form === 'tiles' && !feed.joined ? { perView: true } : {}),
      ...(newer ? {} : { mark: pictureMark }),
      ...(before.length === 0 ? {} : { before }),
      ...(after.length === 0 ? {} : { after }),
    },
    prompt,
    textIds,
  };
}

/** What ids of VILA 1.5 have where a picture goes. */
const pictureMark = -200;

/** A user's message, as the conversations of the original code write it for language models told by a token of theirs. */
const conversations: readonly { readonly token: string; readonly around: (message: string) => string }[] = [
  {
    token: '<|eot_id|>',
    around: (message) =>
      `<|start_header_id|>user<|end_header_id|>\n\n${message}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n`,
  },
  {
    token: '<|im_end|>',
    around: userMessage,
  },
];

/** Tiles that are views of their own are pictures to the language model, one after the other. */
const tileText = { view: `${pictureText}\n`, feature: '', slices: '{rows}', rowBreak: '' };

const vicuna = (message: string): string => `USER: ${message} ASSISTANT:`;

/** The form of one message: that of the checkpoint's own template where it is ChatML, with its system message. */
export function vilaPrompt(
  checkpoint: Pick<Checkpoint, 'json' | 'chatTemplate'>,
  feed: EncoderFeed,
): PromptTemplate {
  const template = chatTemplate(checkpoint);
  // Written into JSON, in quotes of the template's own.
  const text = typeof template === 'string' ? template.replaceAll('\\n', '\n') : '';
  const system = systemMessage(text);
  const tokens = addedTokens(checkpoint);
  const known = conversations.find(({ token }) => tokens.has(token));
  const around = (message: string): string => system + (known?.around ?? vicuna)(message);
  return {
    picture: pictureText,
    withPicture: around('{picture}\n{text}'),
    textOnly: around('{text}'),
    between: '\n',
    ...(feed.form === 'tiles' && !feed.joined ? { views: tileText } : {}),
  };
}
