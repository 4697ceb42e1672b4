/**
 * Tokens beside a tokenizer's own: those that a checkpoint lists, and one for pictures, where the language model knows
 * none. The original codes cut the
 * text where a picture goes and encode each piece alone, so that a space stands before every one of them.
 */
import type { Checkpoint, JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { configLimits } from '../formats/checkpoint/config.ts';
import { isJsonObject } from '../formats/json.ts';
import { type AddedToken, tokenizerForm, tokenizerJson } from '../formats/sentencepiece/tokenizer-json.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import { objectOf } from './processor-settings.ts';

const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/** The tokenizer's files with a token more: those that there are, or that a sentencepiece model gives. */
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

/** Text → id, of all files that list such tokens. */
export function addedTokens({ json }: Pick<Checkpoint, 'json'>): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  const add = (text: JsonValue | undefined, id: unknown): void => {
    const usable = typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id < configLimits.vocab;
    if (typeof text === 'string' && usable) ids.set(text, id);
  };
  for (const [text, id] of Object.entries(objectOf(json.get('added_tokens.json')))) add(text, id);
  const decoder = objectOf(objectOf(json.get('tokenizer_config.json')).added_tokens_decoder);
  for (const [id, token] of Object.entries(decoder)) add(objectOf(token).content, Number(id));
  const listed = objectOf(json.get('tokenizer.json')).added_tokens;
  for (const token of Array.isArray(listed) ? listed : []) add(objectOf(token).content, objectOf(token).id);
  return ids;
}
