/**
 * The chat template of a checkpoint. Publishers keep it in one of three files, and runtimes other than the one that it
 * was written with read one of them only.
 */
import type { JsonValue } from '../../tensor/tensor.ts';
import { isJsonObject } from '../json.ts';
import type { Checkpoint } from './checkpoint.ts';

/** In the order in which transformers looks; undefined where there is none. */
export function chatTemplate(checkpoint: Pick<Checkpoint, 'json' | 'chatTemplate'>): JsonValue | undefined {
  const inJson = (name: string): JsonValue | undefined => {
    const value = checkpoint.json.get(name);
    return isJsonObject(value) ? value.chat_template : undefined;
  };
  return checkpoint.chatTemplate ?? inJson('chat_template.json') ?? inJson('tokenizer_config.json');
}
