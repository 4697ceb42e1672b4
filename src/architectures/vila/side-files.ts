/**
 * The JSON files of the output folder: the config that the checkpoint has with those of its parts in it, the settings of
 * pictures moved to what was built, and the language model's tokenizer with the token of a picture.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import { tokenizerForm, tokenizerJson } from '../../formats/sentencepiece/tokenizer-json.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { ImageGeometry, SideFile } from '../architecture.ts';
import { findSettings, objectOf } from '../processor-settings.ts';
import { copiedFiles } from '../side-files.ts';
import { addedTokens, pictureText } from './picture-tokens.ts';

export function vilaSideFiles(
  checkpoint: Checkpoint,
  geometry: ImageGeometry,
  /** Of a view. */
  size: { readonly width: number; readonly height: number },
  tokenId: number,
): readonly SideFile[] {
  const { settings } = findSettings(checkpoint);
  const { width, height } = size;
  const written: Readonly<Record<string, JsonValue>> = {
    'config.json': checkpoint.config,
    'preprocessor_config.json': {
      ...settings,
      size: { height, width },
      image_mean: geometry.mean,
      image_std: geometry.std,
      vlm_convert: {
        requested: { height: geometry.requested.height, width: geometry.requested.width },
        image_token_span: geometry.tokens,
      },
    },
    ...tokenizerFiles(checkpoint, tokenId),
  };
  const copies: readonly SideFile[] = [
    ...['tokenizer_config.json']
      .filter((name) => checkpoint.files.includes(name))
      .map((name): SideFile => ({ name, kind: 'copy', from: name })),
    ...copiedFiles(checkpoint.files),
  ];
  return [
    ...Object.entries(written).map(([name, value]): SideFile => ({ name, kind: 'json', value })),
    ...copies.filter(({ name }) => written[name] === undefined),
  ];
}

/**
 * The tokenizer as clients read it. Where the token of a picture is not in it, texts before and behind a picture are
 * each a text of its own, as the original code splits them.
 */
function tokenizerFiles(
  { json, sentencePiece }: Checkpoint,
  id: number,
): Readonly<Record<string, JsonValue>> {
  if (addedTokens({ json }).get(pictureText) === id) return {};
  const settings = objectOf(json.get('tokenizer_config.json'));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const tokenizer = json.get('tokenizer.json');
  const added = { id, content: pictureText };
  const model: JsonObject | undefined = isJsonObject(tokenizer)
    ? withToken(tokenizer, { ...added, ...flags })
    : sentencePiece &&
      tokenizerJson(sentencePiece, {
        ...tokenizerForm(settings, sentencePiece),
        prefix: 'every',
        added: [added],
      });
  return {
    'added_tokens.json': { ...objectOf(json.get('added_tokens.json')), [pictureText]: id },
    'tokenizer_config.json': {
      ...settings,
      added_tokens_decoder: {
        ...objectOf(settings.added_tokens_decoder),
        [id]: { content: pictureText, ...flags },
      },
    },
    ...(model === undefined ? {} : { 'tokenizer.json': model }),
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
