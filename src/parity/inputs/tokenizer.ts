/** The tokenizer of a checkpoint, or of what became of it: `tokenizer.json`, or the tiktoken file of Qwen v1. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../report/diagnostics.ts';
import { tiktokenTokenizer } from './tiktoken.ts';

export interface Tokenizer {
  /** Ids of a text in which special tokens may stand by their names; with what the tokenizer itself puts around. */
  encode(text: string): readonly number[];
  /** The text of ids, without special tokens. Bytes that are no character yet are U+FFFD. */
  decode(ids: readonly number[]): string;
}

/** The largest published one, of 256 000 tokens, has 35 MB. */
const maxBytes = 2 ** 27;

/** `files`: names in the checkpoint's folder. Throws VC6109 when none of them is a tokenizer that can be read. */
export async function openTokenizer(folder: string, files: readonly string[]): Promise<Tokenizer> {
  const tiktoken = files.find((name) => name.endsWith('.tiktoken'));
  if (files.includes('tokenizer.json')) {
    const name = 'tokenizer.json';
    const settings = 'tokenizer_config.json';
    const model = parse(await read(folder, name), name);
    const config = files.includes(settings) ? parse(await read(folder, settings), settings) : {};
    const library = await import('@huggingface/tokenizers');
    try {
      const tokenizer = new library.Tokenizer(model, config);
      return {
        encode: (text) => tokenizer.encode(text).ids,
        decode: (ids) => tokenizer.decode([...ids], { skip_special_tokens: true }),
      };
    } catch (cause) {
      throw fail('VC6109', { where: name, found: (cause as Error).message, cause });
    }
  }
  if (tiktoken !== undefined) return tiktokenTokenizer(await read(folder, tiktoken), tiktoken);
  throw fail('VC6109', {
    where: folder,
    found: 'no tokenizer',
    expected: 'tokenizer.json or a .tiktoken file in the checkpoint',
    hint: "transformers' AutoTokenizer.save_pretrained writes tokenizer.json; --inputs takes recorded input_ids",
  });
}

async function read(folder: string, name: string): Promise<string> {
  const bytes = await readFile(join(folder, name));
  if (bytes.byteLength > maxBytes) {
    throw fail('VC6109', {
      where: name,
      found: `${bytes.byteLength} bytes`,
      expected: `at most ${maxBytes}`,
    });
  }
  return bytes.toString('utf8');
}

function parse(text: string, where: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
    throw new Error('not an object');
  } catch (cause) {
    throw fail('VC6109', { where, found: (cause as Error).message, expected: 'JSON', cause });
  }
}
