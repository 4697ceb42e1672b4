/** How the graphs of a Qwen2-VL checkpoint work together. */
import { chatTemplate } from '../../formats/checkpoint/chat-template.ts';
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { systemMessage, userMessage } from '../chatml.ts';
import { visionEncoder } from '../components.ts';
import { languageRecipe, llamaDecoderRecipe } from '../llama/recipe.ts';
import type { GenerationRecipe, PatchRowFeed, PromptTemplate } from '../recipe.ts';
import type { Qwen2VlConfig } from './config.ts';

export function qwen2VlRecipe(
  { text, imageTokenId, videoTokenId, textIds }: Qwen2VlConfig,
  feed: PatchRowFeed,
  prompt: PromptTemplate,
): GenerationRecipe {
  return {
    encoder: visionEncoder(feed),
    ...languageRecipe(text),
    decoder: { ...llamaDecoderRecipe(text), positions: 'time-row-column' },
    splice: { rule: 'image-token', tokenId: imageTokenId, videoTokenId },
    prompt,
    textIds,
  };
}

const picture = '<|vision_start|><|image_pad|><|vision_end|>';
const video = '<|vision_start|><|video_pad|><|vision_end|>';

/**
 * The form of chat that the checkpoint's template writes around one message of a user: with the template's own system
 * message where it has one. A base model has no template, and takes text as it stands.
 */
export function qwen2VlPrompt(checkpoint: Pick<Checkpoint, 'json' | 'chatTemplate'>): PromptTemplate {
  const template = chatTemplate(checkpoint);
  if (typeof template !== 'string') {
    return { picture, video, withPicture: '{picture}{text}', textOnly: '{text}' };
  }
  const around = (content: string): string => systemMessage(template) + userMessage(content);
  return { picture, video, withPicture: around('{picture}{text}'), textOnly: around('{text}') };
}
