/**
 * The tokenizer of a checkpoint, or of what became of it: `tokenizer.json`, a sentencepiece model, or the tiktoken file
 * of Qwen v1.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import { readSentencePiece } from '../../formats/sentencepiece/read.ts';
import { tokenizerForm, tokenizerJson } from '../../formats/sentencepiece/tokenizer-json.ts';
import { fail } from '../../report/diagnostics.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { tiktokenTokenizer } from './tiktoken.ts';

export interface Tokenizer {
  /** Ids of a text in which special tokens may stand by their names; with what the tokenizer itself puts around. */
  encode(text: string): readonly number[];
  /** The text of ids, without special tokens. Bytes that are no character yet are U+FFFD. */
  decode(ids: readonly number[]): string;
}

/** The largest published one, of 256 000 tokens, has 35 MB. */
const maxBytes = 2 ** 27;

/** Where a tokenizer is looked for: an output folder, or a checkpoint. */
export interface TokenizerFolder {
  readonly path: string;
  /** Names of its files, and the folders of those that stand elsewhere. */
  readonly files: readonly string[];
  readonly partFolders?: ReadonlyMap<string, string>;
  /** JSON files that count before those. */
  readonly made?: ReadonlyMap<string, JsonValue>;
}

/**
 * Throws VC6109 when there is no tokenizer that can be read, VC1140, VC1141 for a sentencepiece model that cannot.
 */
export async function openTokenizer(folder: TokenizerFolder): Promise<Tokenizer> {
  const { path, files, made } = folder;
  const json = async (name: string): Promise<JsonObject | undefined> => {
    const own = made?.get(name);
    if (isJsonObject(own)) return own;
    return files.includes(name) ? parse(await read(folder, name), name) : undefined;
  };
  const settings = (await json('tokenizer_config.json')) ?? {};
  const model = (await json('tokenizer.json')) ?? (await converted(folder, settings));
  if (model !== undefined) return libraryTokenizer(model, settings);
  const tiktoken = files.find((name) => name.endsWith('.tiktoken'));
  if (tiktoken !== undefined) {
    return tiktokenTokenizer((await read(folder, tiktoken)).toString('utf8'), tiktoken);
  }
  throw fail('VC6109', {
    where: path,
    found: 'no tokenizer',
    expected: 'tokenizer.json, tokenizer.model or a .tiktoken file in the checkpoint',
    hint: "transformers' AutoTokenizer.save_pretrained writes tokenizer.json; --inputs takes recorded input_ids",
  });
}

/** A sentencepiece model as `tokenizer.json`; undefined where there is none. */
async function converted(folder: TokenizerFolder, settings: JsonObject): Promise<JsonObject | undefined> {
  const name = 'tokenizer.model';
  if (!folder.files.includes(name)) return undefined;
  const model = await readSentencePiece(await read(folder, name), name);
  return tokenizerJson(model, tokenizerForm(settings, model));
}

async function libraryTokenizer(model: JsonObject, settings: JsonObject): Promise<Tokenizer> {
  const library = await import('@huggingface/tokenizers');
  try {
    const tokenizer = new library.Tokenizer(model, settings);
    return {
      encode: (text) => tokenizer.encode(text).ids,
      decode: (ids) => tokenizer.decode([...ids], { skip_special_tokens: true }),
    };
  } catch (cause) {
    throw fail('VC6109', { where: 'tokenizer.json', found: (cause as Error).message, cause });
  }
}

async function read({ path, partFolders }: TokenizerFolder, name: string): Promise<Buffer> {
  const bytes = await readFile(join(partFolders?.get(name) ?? path, name));
  if (bytes.byteLength > maxBytes) {
    throw fail('VC6109', {
      where: name,
      found: `${bytes.byteLength} bytes`,
      expected: `at most ${maxBytes}`,
    });
  }
  return bytes;
}

function parse(text: Buffer, where: string): JsonObject {
  try {
    const value = JSON.parse(text.toString('utf8')) as JsonValue;
    if (isJsonObject(value)) return value;
    throw new Error('not an object');
  } catch (cause) {
    throw fail('VC6109', { where, found: (cause as Error).message, expected: 'JSON', cause });
  }
}
