/** The tokens that stand around and for pictures: their texts and, from the tokenizer's list of added tokens, their ids. */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import { fail } from '../../report/diagnostics.ts';

interface Token {
  readonly id: number;
  /** As the tokenizer spells it. */
  readonly text: string;
}

export interface SpecialTokens {
  /** Before and after the features of a view. */
  readonly imageStart: Token;
  readonly imageEnd: Token;
  /** Before and after all slices of a picture. */
  readonly sliceStart: Token;
  readonly sliceEnd: Token;
  /** Once per feature. */
  readonly unknown: Token;
  /** Ends a message of a chat; a tokenizer may lack it. */
  readonly messageEnd: Token | undefined;
  /** The first id of all added tokens: those below it are ordinary text. */
  readonly firstId: number;
}

const messageEndText = '<|eot_id|>';
const tokenizerFile = 'tokenizer_config.json';

/**
 * Named by preprocessor_config.json, else as released.
 *
 * @throws VlmError VC1201 where the tokenizer has no such token, VC1203 where its id is outside the vocabulary
 */
export function readSpecialTokens({ json }: Checkpoint, vocab: number): SpecialTokens {
  const tokenizer = json.get(tokenizerFile);
  const added = isJsonObject(tokenizer) ? tokenizer.added_tokens_decoder : undefined;
  const ids = new Map<unknown, number>();
  for (const [id, token] of Object.entries(isJsonObject(added) ? added : {})) {
    if (isJsonObject(token) && Number.isSafeInteger(Number(id))) ids.set(token.content, Number(id));
  }
  const settings = json.get('preprocessor_config.json');
  const where = `${tokenizerFile}: added_tokens_decoder`;
  const find = (key: string, released: string): Token => {
    const named = isJsonObject(settings) ? settings[key] : undefined;
    const text = typeof named === 'string' ? named : released;
    const id = ids.get(text);
    if (id === undefined) {
      throw fail('VC1201', {
        where,
        found: `no ${JSON.stringify(text)}`,
        expected: 'the tokens around pictures',
      });
    }
    if (id >= 0 && id < vocab) return { id, text };
    throw fail('VC1203', {
      where,
      found: `${id} for ${JSON.stringify(text)}`,
      expected: `an id below ${vocab}`,
    });
  };
  const messageEnd = ids.get(messageEndText);
  return {
    imageStart: find('im_start', '<image>'),
    imageEnd: find('im_end', '</image>'),
    sliceStart: find('slice_start', '<slice>'),
    sliceEnd: find('slice_end', '</slice>'),
    unknown: find('unk', '<unk>'),
    messageEnd: messageEnd === undefined ? undefined : { id: messageEnd, text: messageEndText },
    firstId: Math.min(...ids.values()),
  };
}
