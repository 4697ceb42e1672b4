/**
 * A sentencepiece model in the form of `tokenizer.json`, which every client reads: byte pair encoding over the same ids.
 * Where sentencepiece joins the two neighbours that make the piece of the best score, the other form joins by a list of
 * pairs: all pairs of pieces that make a piece, in the order of its score. That is how transformers converts Llama's
 * tokenizer (convert_slow_tokenizer.py: LlamaConverter).
 */
import { fail } from '../../report/diagnostics.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { JsonObject } from '../checkpoint/checkpoint.ts';
import type { SentencePieceModel } from './read.ts';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
}

export interface TokenizerForm {
  /**
   * Where a space goes before text: at its beginning, or also behind every special token, where each stretch of text is
   * a text of its own (`legacy` of transformers).
   */
  readonly prefix: 'first' | 'every';
  /** Goes before every text: the name of a control piece. */
  readonly begin?: string;
  /** Special tokens that the model does not have. */
  readonly added?: readonly AddedToken[];
}

/** Stands for a space in pieces. */
const space = '▁';

/**
 * What `tokenizer_config.json` says of it; absent keys mean the defaults of transformers' LlamaTokenizer, which
 * released files rely on.
 */
export function tokenizerForm(settings: JsonObject, { pieces }: SentencePieceModel): TokenizerForm {
  const { bos_token: named, legacy, add_bos_token: begins } = settings;
  const begin = typeof named === 'string' ? named : contentOf(named);
  const known = pieces.find(({ text, kind }) => kind === 'control' && text === (begin ?? '<s>'));
  return {
    prefix: legacy === false ? 'first' : 'every',
    ...(begins === false || known === undefined ? {} : { begin: known.text }),
  };
}

/** @throws VlmError VC1141 for models that split text in a way that this form does not know */
export function tokenizerJson(
  model: SentencePieceModel,
  { prefix, begin, added = [] }: TokenizerForm,
): JsonObject {
  requireConvertible(model);
  const { pieces, byteFallback, addDummyPrefix } = model;
  const unknown = pieces.find(({ kind }) => kind === 'unknown')?.text ?? null;
  const special = pieces.flatMap(({ text, kind }, id) =>
    kind === 'control' || kind === 'unknown' ? [{ id, content: text }] : [],
  );
  const first = addDummyPrefix && prefix === 'first';
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: space };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...special, ...added].map((token) => ({
      ...token,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: first
      ? null
      : {
          type: 'Sequence',
          normalizers: addDummyPrefix ? [{ type: 'Prepend', prepend: space }, spaces] : [spaces],
        },
    pre_tokenizer: first
      ? { type: 'Metaspace', replacement: space, prepend_scheme: 'first', split: false }
      : null,
    post_processor: begin === undefined ? null : beginWith(begin, model),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: space }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(addDummyPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: byteFallback,
      vocab: Object.fromEntries(pieces.map(({ text }, id) => [text, id])),
      merges: mergesOf(model),
    },
  };
}

/** All pairs of pieces that make a piece, the piece of the best score first; of one piece by the ids of its parts. */
function mergesOf({ pieces }: SentencePieceModel): readonly JsonValue[] {
  const ids = new Map<string, number>();
  for (const [id, { text, kind }] of pieces.entries()) if (kind === 'normal') ids.set(text, id);
  const merges: { readonly pair: readonly [string, string]; readonly score: number }[] = [];
  for (const { text, score, kind } of pieces) {
    if (kind !== 'normal') continue;
    const characters = [...text];
    const pairs: {
      readonly pair: readonly [string, string];
      readonly left: number;
      readonly right: number;
    }[] = [];
    for (let at = 1; at < characters.length; at += 1) {
      const pair = [characters.slice(0, at).join(''), characters.slice(at).join('')] as const;
      const [left, right] = [ids.get(pair[0]), ids.get(pair[1])];
      if (left !== undefined && right !== undefined) pairs.push({ pair, left, right });
    }
    pairs.sort((a, b) => a.left - b.left || a.right - b.right);
    for (const { pair } of pairs) merges.push({ pair, score });
  }
  return merges.sort((a, b) => b.score - a.score).map(({ pair }) => pair);
}

function beginWith(begin: string, { file, pieces }: SentencePieceModel): JsonObject {
  const id = pieces.findIndex(({ text }) => text === begin);
  if (id < 0) throw new RangeError(`${file} has no ${begin}`);
  const token = (type: number) => ({ SpecialToken: { id: begin, type_id: type } });
  const text = (name: string, type: number) => ({ Sequence: { id: name, type_id: type } });
  return {
    type: 'TemplateProcessing',
    single: [token(0), text('A', 0)],
    pair: [token(0), text('A', 0), token(1), text('B', 1)],
    special_tokens: { [begin]: { id: begin, ids: [id], tokens: [begin] } },
  };
}

/** Throws VC1141 for what would give other ids. */
export function requireConvertible(model: SentencePieceModel): void {
  const { type, normaliserBytes, removeExtraWhitespaces, whitespaceAsSuffix, pieces, file } = model;
  const own = pieces.find(({ kind }) => kind === 'user-defined' || kind === 'unused');
  const found =
    type !== 'bpe'
      ? `model type ${type}`
      : normaliserBytes > 0
        ? 'rules of normalisation'
        : removeExtraWhitespaces
          ? 'remove_extra_whitespaces'
          : whitespaceAsSuffix
            ? 'treat_whitespace_as_suffix'
            : own && `a ${own.kind} piece`;
  if (found === undefined) return;
  throw fail('VC1141', {
    where: file,
    found,
    expected: 'byte pair encoding of the text as it stands, as Llama has it',
  });
}

function contentOf(token: JsonValue | undefined): string | undefined {
  const content =
    typeof token === 'object' && token !== null && 'content' in token ? token.content : undefined;
  return typeof content === 'string' ? content : undefined;
}
