/**
 * Qwen v1's tokenizer: byte pair encoding over the ranks of a `.tiktoken` file, and special tokens that are numbered
 * behind them. The pattern and the special tokens are those of the publisher's tokenization_qwen.py.
 */
import { fail } from '../../report/diagnostics.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Splits text into words before pairs are merged; `(?i:…)` is spelled out, which older engines do not know. */
const words =
  /'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

const extras = 205;

/** In the order of their ids, from the number of ranks on. */
const specials: readonly string[] = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  ...Array.from({ length: extras }, (_, index) => `<|extra_${index}|>`),
  '<ref>',
  '</ref>',
  '<box>',
  '</box>',
  '<quad>',
  '</quad>',
  '<img>',
  '</img>',
  '<imgpad>',
];

/** Bytes as a string of code units 0 to 255: a key that a Map compares by value. */
type Key = string;

/** Throws VC6109 when a line is not a token in base 64 and its rank. */
export function tiktokenTokenizer(text: string, name: string): Tokenizer {
  const ranks = new Map<Key, number>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const [, token, rank] = /^([A-Za-z0-9+/]+=*) (\d{1,9})\r?$/.exec(line) ?? [];
    if (token === undefined || rank === undefined) {
      throw fail('VC6109', {
        where: `${name}, line ${index + 1}`,
        found: line,
        expected: 'base 64 and a rank',
      });
    }
    ranks.set(Buffer.from(token, 'base64').toString('latin1'), Number(rank));
  }
  const tokens = new Map([...ranks].map(([key, rank]) => [rank, Buffer.from(key, 'latin1')]));
  const special = new Map(specials.map((token, index) => [token, ranks.size + index]));
  const pattern = new RegExp(`(${specials.map((token) => token.replaceAll('|', '\\|')).join('|')})`);
  return {
    encode: (prompt) =>
      prompt
        .normalize('NFC')
        .split(pattern)
        .flatMap((piece) => {
          const id = special.get(piece);
          return id === undefined ? encodeText(piece, ranks, name) : [id];
        }),
    decode: (ids) => Buffer.concat(ids.flatMap((id) => tokens.get(id) ?? [])).toString('utf8'),
  };
}

function encodeText(text: string, ranks: ReadonlyMap<Key, number>, name: string): readonly number[] {
  return (text.match(words) ?? []).flatMap((word) =>
    mergePairs(Buffer.from(word, 'utf8').toString('latin1'), ranks).map((token) => {
      const id = ranks.get(token);
      if (id === undefined) {
        throw fail('VC6109', {
          where: name,
          found: `no token for the byte ${token.charCodeAt(0)}`,
          expected: 'a token for every byte',
        });
      }
      return id;
    }),
  );
}

/** Merges neighbours, those of the lowest rank first and of equals the leftmost, until no pair has a rank. */
function mergePairs(bytes: Key, ranks: ReadonlyMap<Key, number>): readonly Key[] {
  const parts: Key[] = [...bytes];
  for (;;) {
    let lowest = Number.POSITIVE_INFINITY;
    let at = -1;
    for (let index = 0; index + 1 < parts.length; index += 1) {
      const rank = ranks.get(`${parts[index]}${parts[index + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < lowest) {
        lowest = rank;
        at = index;
      }
    }
    if (at < 0) return parts;
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`);
  }
}
