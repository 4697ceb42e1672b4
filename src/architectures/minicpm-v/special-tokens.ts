/** The ids of the tokens that stand around and for pictures, from the tokenizer's own list of added tokens. */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import { fail } from '../../report/diagnostics.ts';

export interface SpecialTokens {
  /** `<image>` and `</image>`, around the features of a view. */
  readonly imageStart: number;
  readonly imageEnd: number;
  /** `<slice>` and `</slice>`, around all slices of a picture. */
  readonly sliceStart: number;
  readonly sliceEnd: number;
  /** `<unk>`, once per feature. */
  readonly unknown: number;
  /** The first of all added tokens: ids below it are ordinary text. */
  readonly first: number;
}

/** Their contents, by the keys under which preprocessor_config.json may name others. */
const contents = {
  imageStart: ['im_start', '<image>'],
  imageEnd: ['im_end', '</image>'],
  sliceStart: ['slice_start', '<slice>'],
  sliceEnd: ['slice_end', '</slice>'],
  unknown: ['unk', '<unk>'],
} as const;

const file = 'tokenizer_config.json';

/** @throws VlmError VC1201 where the tokenizer has no such token, VC1203 where its id is outside the vocabulary */
export function readSpecialTokens({ json }: Checkpoint, vocab: number): SpecialTokens {
  const tokenizer = json.get(file);
  const added = isJsonObject(tokenizer) ? tokenizer.added_tokens_decoder : undefined;
  const ids = new Map<unknown, number>();
  for (const [id, token] of Object.entries(isJsonObject(added) ? added : {})) {
    if (isJsonObject(token)) ids.set(token.content, Number(id));
  }
  const settings = json.get('preprocessor_config.json');
  const idOf = (key: keyof typeof contents): number => {
    const [name, released] = contents[key];
    const content = (isJsonObject(settings) ? settings[name] : undefined) ?? released;
    const id = ids.get(content);
    const where = `${file}: added_tokens_decoder`;
    if (id === undefined) {
      throw fail('VC1201', {
        where,
        found: `no ${JSON.stringify(content)}`,
        expected: 'the tokens around pictures',
      });
    }
    if (Number.isSafeInteger(id) && id >= 0 && id < vocab) return id;
    throw fail('VC1203', {
      where,
      found: `${id} for ${JSON.stringify(content)}`,
      expected: `an id below ${vocab}`,
    });
  };
  return {
    imageStart: idOf('imageStart'),
    imageEnd: idOf('imageEnd'),
    sliceStart: idOf('sliceStart'),
    sliceEnd: idOf('sliceEnd'),
    unknown: idOf('unknown'),
    first: Math.min(...ids.values()),
  };
}
