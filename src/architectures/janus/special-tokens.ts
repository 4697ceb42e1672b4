/** The tokens that stand around and for pictures, their ids from the tokenizer's files. */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { fail } from '../../report/diagnostics.ts';
import { addedTokens } from '../added-token.ts';
import { objectOf } from '../processor-settings.ts';

interface Token {
  readonly id: number;
  /** As the tokenizer spells it. */
  readonly text: string;
}

export interface JanusTokens {
  /** Once per feature. */
  readonly image: Token;
  readonly imageStart: Token;
  readonly imageEnd: Token;
  readonly padId: number;
  /** Begins every text; a tokenizer may lack it. */
  readonly begin: Token | undefined;
  /** Ends every text; a tokenizer may lack it. */
  readonly end: Token | undefined;
  /** The first id of all these: those below it are ordinary text. */
  readonly firstId: number;
}

/** Names in the processor's settings, in the tokenizer's, and as released. */
const named = {
  image: ['image_tag', 'image_token', '<image_placeholder>'],
  imageStart: ['image_start_tag', 'boi_token', '<begin_of_image>'],
  imageEnd: ['image_end_tag', 'eoi_token', '<end_of_image>'],
  pad: ['pad_tag', 'pad_token', '<｜▁pad▁｜>'],
  begin: ['', 'bos_token', '<｜begin▁of▁sentence｜>'],
  end: ['', 'eos_token', '<｜end▁of▁sentence｜>'],
} as const;

/** @throws VlmError VC1201 where the tokenizer has no such token, VC1203 where its id is outside the vocabulary */
export function readJanusTokens(checkpoint: Checkpoint, vocab: number): JanusTokens {
  const ids = addedTokens(checkpoint);
  const generation = readerOf(checkpoint, 'generation_config.json');
  const stated = (key: string, reader: ConfigReader | undefined = generation): number | undefined => {
    const range = { max: vocab - 1 };
    if (reader === undefined || !reader.has(key)) return undefined;
    // Ends of a text may be several.
    return Array.isArray(reader.value(key)) ? reader.ints(key, range)[0] : reader.int(key, range);
  };
  const find = (token: keyof typeof named, id?: number): Token => {
    const text = textOf(checkpoint, named[token]);
    const found = id ?? ids.get(text);
    if (found === undefined) {
      throw fail('VC1201', {
        where: 'tokenizer.json: added_tokens',
        found: `no ${JSON.stringify(text)}`,
        expected: 'the tokens around pictures',
      });
    }
    if (found < vocab) return { id: found, text };
    throw fail('VC1203', {
      where: `tokenizer.json: added_tokens, ${JSON.stringify(text)}`,
      found: `${found}`,
      expected: `an id below ${vocab}`,
    });
  };
  const optional = (token: 'begin' | 'end', key: string): Token | undefined => {
    const text = textOf(checkpoint, named[token]);
    const id = stated(key) ?? ids.get(text);
    return id === undefined ? undefined : { id, text };
  };
  const image = find('image', stated('image_token_id', new ConfigReader(checkpoint.config)));
  const imageStart = find(
    'imageStart',
    stated('boi_token_id', generation?.optionalObject('generation_kwargs')),
  );
  const imageEnd = find('imageEnd');
  const padId = find('pad', stated('pad_token_id')).id;
  const begin = optional('begin', 'bos_token_id');
  const end = optional('end', 'eos_token_id');
  const all = [image, imageStart, imageEnd, begin, end].flatMap((token) => token?.id ?? []);
  return { image, imageStart, imageEnd, padId, begin, end, firstId: Math.min(padId, ...all) };
}

function readerOf({ json }: Checkpoint, file: string): ConfigReader | undefined {
  const value = json.get(file);
  return value === undefined ? undefined : new ConfigReader(objectOf(value), file);
}

function textOf({ json }: Checkpoint, [tag, token, released]: readonly [string, string, string]): string {
  const settings = objectOf(json.get('tokenizer_config.json'));
  const candidates = [
    objectOf(json.get('processor_config.json'))[tag],
    settings[token],
    objectOf(settings.extra_special_tokens)[token],
    objectOf(json.get('special_tokens_map.json'))[token],
  ];
  for (const candidate of candidates) {
    const text = typeof candidate === 'string' ? candidate : objectOf(candidate).content;
    if (typeof text === 'string') return text;
  }
  return released;
}
