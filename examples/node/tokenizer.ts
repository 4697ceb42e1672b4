/** tokenizer.json by the publisher's own library, or the tiktoken file of Qwen's first version, in a few lines. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';

export interface TextTokenizer {
  encode(text: string): readonly number[];
  decode(ids: readonly number[]): string;
}

export function openTokenizer(folder: string): TextTokenizer {
  const json = (name: string): object =>
    existsSync(join(folder, name)) ? (JSON.parse(readFileSync(join(folder, name), 'utf8')) as object) : {};
  const ranks = readdirSync(folder).find((name) => name.endsWith('.tiktoken'));
  if (ranks !== undefined) return tiktoken(readFileSync(join(folder, ranks), 'utf8'));
  const own = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  return {
    encode: (text) => own.encode(text).ids,
    decode: (ids) => own.decode([...ids], { skip_special_tokens: true }),
  };
}

const words =
  /'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

function tiktoken(text: string): TextTokenizer {
  const ranks = new Map<string, number>();
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const [token = '', rank] = line.split(' ');
    ranks.set(Buffer.from(token, 'base64').toString('latin1'), Number(rank));
  }
  const names = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
  for (let i = 0; i < 205; i += 1) names.push(`<|extra_${i}|>`);
  names.push('<ref>', '</ref>', '<box>', '</box>', '<quad>', '</quad>', '<img>', '</img>', '<imgpad>');
  const special = new Map(names.map((name, index) => [name, ranks.size + index]));
  const apart = new RegExp(`(${names.map((name) => name.replaceAll('|', '\\|')).join('|')})`);
  const tokens = new Map([...ranks].map(([bytes, rank]) => [rank, Buffer.from(bytes, 'latin1')]));
  const merge = (word: string): readonly number[] => {
    const parts = [...Buffer.from(word, 'utf8').toString('latin1')];
    for (;;) {
      const joined = parts.map((part, i) => ranks.get(part + (parts[i + 1] ?? '\u{100}')) ?? Infinity);
      const lowest = Math.min(...joined);
      if (lowest === Infinity) return parts.map((part) => ranks.get(part) ?? 0);
      const at = joined.indexOf(lowest);
      parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`);
    }
  };
  return {
    encode: (prompt) =>
      prompt
        .normalize('NFC')
        .split(apart)
        .flatMap((piece) => special.get(piece) ?? (piece.match(words) ?? []).flatMap(merge)),
    decode: (ids) => Buffer.concat(ids.flatMap((id) => tokens.get(id) ?? [])).toString('utf8'),
  };
}
