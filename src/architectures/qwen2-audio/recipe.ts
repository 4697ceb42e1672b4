/** How the graphs of a Qwen2-Audio checkpoint work together. */
import { chatTemplate } from '../../formats/checkpoint/chat-template.ts';
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { systemMessage, userMessage } from '../chatml.ts';
import { languageRecipe } from '../llama/recipe.ts';
import type { GenerationRecipe, PromptTemplate } from '../recipe.ts';
import { encoderPorts } from './audio-encoder.ts';
import type { Qwen2AudioConfig } from './config.ts';

export function qwen2AudioRecipe(
  { text, audioTokenId, textIds }: Qwen2AudioConfig,
  prompt: PromptTemplate,
): GenerationRecipe {
  const { features, mask, output, lengths } = encoderPorts;
  return {
    encoder: {
      component: 'audio_encoder',
      input: features,
      output,
      feed: { form: 'log-mel', mask, lengths },
    },
    ...languageRecipe(text),
    splice: { rule: 'image-token', tokenId: audioTokenId },
    prompt,
    textIds,
  };
}

const picture = '<|audio_bos|><|AUDIO|><|audio_eos|>';

/**
 * The form of chat that the checkpoint's template writes around one message of a user. A base model has no template,
 * and takes a sound and the text behind it as they stand.
 */
export function qwen2AudioPrompt(checkpoint: Pick<Checkpoint, 'json' | 'chatTemplate'>): PromptTemplate {
  const template = chatTemplate(checkpoint);
  if (typeof template !== 'string') {
    return { picture, withPicture: '{picture}{text}', textOnly: '{text}' };
  }
  const counted = /Audio \{\{[^}]*\}\}: /.test(template) ? 'Audio {number}: {picture}\n' : '{picture}\n';
  const around = (content: string): string => systemMessage(template) + userMessage(content);
  return { picture, withPicture: around('{picture}{text}'), textOnly: around('{text}'), counted };
}
