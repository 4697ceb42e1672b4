/** Which files of a checkpoint an output folder keeps as they are: tokenizer, generation settings, licence. */
import type { SideFile } from './architecture.ts';

/** Data that a runtime reads beside the graphs. Never code, never weights, never what we write ourselves. */
const kept: readonly RegExp[] = [
  /^(generation_config|special_tokens_map|added_tokens|tokenizer|vocab|chat_template)\.json$/,
  /^merges\.txt$/,
  /^chat_template\.jinja$/,
  /\.tiktoken$/,
  /^(tokenizer|spiece|sentencepiece\.bpe)\.model$/,
  /^(LICEN[CS]E|NOTICE|USE_POLICY)(\.(txt|md))?$/i,
];

export function copiedFiles(files: readonly string[]): readonly SideFile[] {
  return files
    .filter((name) => kept.some((pattern) => pattern.test(name)))
    .map((name) => ({ name, kind: 'copy', from: name }));
}
