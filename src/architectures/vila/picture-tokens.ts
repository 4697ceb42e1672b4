/**
 * What stands for a picture in ids, and around its features. VILA 1.5 marks a picture by a number that is no id; here it
 * is the first behind the vocabulary. Since NVILA it is an id of the tokenizer's, and the embeddings of a line break, or
 * whatever the config says, follow the features.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import { fail } from '../../report/diagnostics.ts';
import { show } from '../../report/show.ts';
import { addedTokens } from '../added-token.ts';
import { objectOf } from '../processor-settings.ts';
import type { VilaConfig } from './config.ts';

export interface PictureTokens {
  readonly tokenId: number;
  /** Ids before and after the features of a picture. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Ids below this are ordinary text. */
  readonly textIds: number;
}

export const pictureText = '<image>';

type Json = Pick<Checkpoint, 'json'>;

/** @throws VlmError VC1201, VC1203 for the id of a picture, VC1232 for texts around it that are no tokens */
export function readPictureTokens(
  checkpoint: Json,
  { text: { vocab }, newer, around }: Pick<VilaConfig, 'text' | 'newer' | 'around'>,
): PictureTokens {
  if (!newer) return { tokenId: vocab, before: [], after: [], textIds: vocab };
  const added = addedTokens(checkpoint);
  const where = `llm/tokenizer_config.json: ${show(pictureText)}`;
  const tokenId = added.get(pictureText);
  if (tokenId === undefined) {
    throw fail('VC1201', { where, found: 'no such token', expected: 'the token of a picture' });
  }
  if (tokenId >= vocab) {
    throw fail('VC1203', { where, found: `${tokenId}`, expected: `an id below ${vocab}` });
  }
  return {
    tokenId,
    before: idsOf(around.before, checkpoint, added),
    after: idsOf(around.after, checkpoint, added),
    textIds: Math.min(...added.values()),
  };
}

/** As the tokenizer writes a text that stands alone, with what it puts around every text. */
function idsOf(text: string, { json }: Json, added: ReadonlyMap<string, number>): readonly number[] {
  if (text === '') return [];
  const tokenizer = objectOf(json.get('tokenizer.json'));
  const vocab = objectOf(objectOf(tokenizer.model).vocab ?? json.get('vocab.json'));
  const piece = [...new TextEncoder().encode(text)].map(byteCharacter).join('');
  const id = added.get(text) ?? (Object.hasOwn(vocab, piece) ? vocab[piece] : undefined);
  if (typeof id === 'number' && Number.isSafeInteger(id)) return surrounded(id, tokenizer);
  throw fail('VC1232', {
    where: 'config.json: image_encoder',
    found: `${show(text)}, which is no token of its own`,
    expected: 'one token, of a vocabulary of bytes',
  });
}

/** With the special tokens that a template of the tokenizer puts before and after each text. */
function surrounded(id: number, { post_processor: processor }: JsonObject): readonly number[] {
  const all = [processor, ...listOf(objectOf(processor).processors)].filter(isJsonObject);
  const template = all.find(({ type }) => type === 'TemplateProcessing');
  if (template === undefined) return [id];
  const special = objectOf(template.special_tokens);
  return listOf(template.single).flatMap((piece): readonly number[] => {
    const { SpecialToken: token } = objectOf(piece);
    if (token === undefined) return [id];
    const named = objectOf(token).id;
    const { ids } = objectOf(typeof named === 'string' ? special[named] : undefined);
    return listOf(ids).filter((one): one is number => typeof one === 'number');
  });
}

function listOf(value: JsonObject[string] | undefined): readonly JsonObject[string][] {
  return Array.isArray(value) ? value : [];
}

/** How byte-level vocabularies write a byte: those that can be seen as they are, the others from U+0100 on. */
function byteCharacter(byte: number): string {
  const seen = (value: number): boolean =>
    (value >= 33 && value <= 126) || (value >= 161 && value <= 172) || value >= 174;
  if (seen(byte)) return String.fromCharCode(byte);
  let hidden = 0;
  for (let value = 0; value < byte; value += 1) if (!seen(value)) hidden += 1;
  return String.fromCharCode(256 + hidden);
}
