/**
 * What a Qwen2 language model says in its config, validated: Llama's keys, other defaults, biases on q, k and v. Absent
 * keys mean the defaults of transformers' Qwen2Config.
 */
import type { ConfigReader } from '../../formats/checkpoint/config.ts';
import { type LlamaConfig, readLlamaConfig } from '../llama/config.ts';

/** @throws VlmError VC1201 to VC1204, these for attention over a window, too, VC1232 for another model_type or rope_type */
export function readQwen2Config(reader: ConfigReader): LlamaConfig {
  refuseWindows(reader);
  const config = readLlamaConfig(reader, {
    modelType: 'qwen2',
    mlpWidth: 22016,
    vocab: 151936,
    maxPositions: 32768,
    kvHeads: 32,
    endOfTextId: undefined,
  });
  return { ...config, qkvBias: true, outputBias: false, mlpBias: false };
}

/** Keys that every published model leaves off, and that would bound attention to a window. */
export function refuseWindows(reader: ConfigReader): void {
  if (reader.bool('use_sliding_window', { default: false })) {
    throw reader.conflict(['use_sliding_window'], 'true', 'false: attention over all slots');
  }
}
