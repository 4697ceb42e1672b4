/** The files of an output folder beside its graphs: JSON that a family writes, and what it keeps of the checkpoint's. */
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../tensor/tensor.ts';
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

/** `written` by name; of the files that are not, tokenizer, generation settings, licence, and those of `also`. */
export function sideFilesOf(
  { files }: Pick<Checkpoint, 'files'>,
  written: Readonly<Record<string, JsonValue | undefined>>,
  also: readonly string[] = ['tokenizer_config.json'],
): readonly SideFile[] {
  const copied = [
    ...also.filter((name) => files.includes(name)),
    ...files.filter((name) => kept.some((pattern) => pattern.test(name))),
  ];
  return [
    ...Object.entries(written).flatMap(([name, value]): SideFile[] =>
      value === undefined ? [] : [{ name, kind: 'json', value }],
    ),
    ...copied
      .filter((name) => written[name] === undefined)
      .map((name): SideFile => ({ name, kind: 'copy', from: name })),
  ];
}
