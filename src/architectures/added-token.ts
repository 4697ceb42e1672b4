/**
 * The tokenizer's files of a language model that knows no pictures, with a token for them. The original codes cut the
 * text where a picture goes and encode each piece alone, so that a space stands before every one of them.
 */
import type { Checkpoint, JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../formats/json.ts';
import { type AddedToken, tokenizerForm, tokenizerJson } from '../formats/sentencepiece/tokenizer-json.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import { objectOf } from './processor-settings.ts';

const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/** Those of `tokenizer.json` and `tokenizer_config.json` that there are, or that a sentencepiece model gives. */
export function filesWithToken(
  { json, sentencePiece }: Pick<Checkpoint, 'json' | 'sentencePiece'>,
  token: AddedToken,
): Readonly<Record<string, JsonValue>> {
  const { id, content } = token;
  const tokenizer = json.get('tokenizer.json');
  const settings = json.get('tokenizer_config.json');
  const known = objectOf(settings);
  const made =
    sentencePiece &&
    tokenizerJson(sentencePiece, {
      ...tokenizerForm(known, sentencePiece),
      prefix: 'every',
      added: [token],
    });
  return {
    'added_tokens.json': { ...objectOf(json.get('added_tokens.json')), [content]: id },
    ...(isJsonObject(settings)
      ? {
          'tokenizer_config.json': {
            ...settings,
            added_tokens_decoder: { ...objectOf(known.added_tokens_decoder), [id]: { content, ...flags } },
            ...(made === undefined ? {} : { legacy: true }),
          },
        }
      : {}),
    ...(made === undefined ? {} : { 'tokenizer.json': made }),
    ...(isJsonObject(tokenizer) ? { 'tokenizer.json': withToken(tokenizer, { id, content, ...flags }) } : {}),
  };
}

function withToken(tokenizer: JsonObject, token: JsonObject): JsonObject {
  const { added_tokens: listed, pre_tokenizer: split } = tokenizer;
  const spaces = objectOf(split);
  const first = spaces.type === 'Metaspace' && spaces.prepend_scheme === 'first';
  return {
    ...tokenizer,
    ...(first ? { pre_tokenizer: { ...spaces, prepend_scheme: 'always' } } : {}),
    added_tokens: [...(Array.isArray(listed) ? listed : []), token],
  };
}
