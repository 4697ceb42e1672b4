/**
 * A sentencepiece model (`tokenizer.model`), a protobuf message: its pieces in the order of their ids, and how text is
 * split into them. Fields that change no id (what it was trained with) are passed over. Source of the numbers:
 * sentencepiece_model.proto.
 */
import type { Reader } from 'protobufjs';
import { fail, VlmError } from '../../report/diagnostics.ts';

export type PieceKind = 'normal' | 'unknown' | 'control' | 'user-defined' | 'unused' | 'byte';

export interface Piece {
  readonly text: string;
  readonly score: number;
  readonly kind: PieceKind;
}

export interface SentencePieceModel {
  /** For messages. */
  readonly file: string;
  /** By id. */
  readonly pieces: readonly Piece[];
  readonly type: 'unigram' | 'bpe' | 'word' | 'char';
  readonly byteFallback: boolean;
  /** A space goes before the text. */
  readonly addDummyPrefix: boolean;
  /** Spaces at the ends are dropped, and those in a row become one. */
  readonly removeExtraWhitespaces: boolean;
  /** Bytes of compiled normalisation rules; 0: text is taken as it is. */
  readonly normaliserBytes: number;
  /** Spaces stand at the ends of words, not before them. */
  readonly whitespaceAsSuffix: boolean;
}

const kinds: Readonly<Record<number, PieceKind>> = {
  1: 'normal',
  2: 'unknown',
  3: 'control',
  4: 'user-defined',
  5: 'unused',
  6: 'byte',
};
const types: Readonly<Record<number, SentencePieceModel['type']>> = {
  1: 'unigram',
  2: 'bpe',
  3: 'word',
  4: 'char',
};
/** Of the largest vocabularies there are, four times. */
const maxPieces = 2 ** 20;
/** Characters of a piece, sixteen times what a trainer makes: a piece is split at every one, and looked up. */
const maxLength = 256;

/** Reads one field, or says that it does not know it. */
type Fields = Readonly<Record<number, (reader: Reader) => void>>;

/** @throws VlmError VC1133 where the bytes are no such model */
export async function readSentencePiece(bytes: Uint8Array, file: string): Promise<SentencePieceModel> {
  const { default: protobuf } = await import('protobufjs/minimal.js');
  try {
    return readModel(protobuf.Reader.create(bytes), file);
  } catch (cause) {
    if (cause instanceof VlmError) throw cause;
    throw notAModel(file, (cause as Error).message, cause);
  }
}

function readModel(reader: Reader, file: string): SentencePieceModel {
  const pieces: Piece[] = [];
  let type = 1;
  let byteFallback = false;
  let addDummyPrefix = true;
  let removeExtraWhitespaces = true;
  let normaliserBytes = 0;
  let whitespaceAsSuffix = false;
  readMessage(reader, reader.len, {
    1: (field) => {
      if (pieces.length === maxPieces) throw notAModel(file, `more than ${maxPieces} pieces`);
      pieces.push(readPiece(field, file));
    },
    2: (field) =>
      readMessage(field, field.uint32() + field.pos, {
        3: (value) => {
          type = value.int32();
        },
        24: (value) => {
          whitespaceAsSuffix = value.bool();
        },
        35: (value) => {
          byteFallback = value.bool();
        },
      }),
    3: (field) =>
      readMessage(field, field.uint32() + field.pos, {
        2: (value) => {
          normaliserBytes = value.bytes().byteLength;
        },
        3: (value) => {
          addDummyPrefix = value.bool();
        },
        4: (value) => {
          removeExtraWhitespaces = value.bool();
        },
      }),
  });
  const known = types[type];
  if (known === undefined) throw notAModel(file, `model type ${type}`);
  if (pieces.length === 0) throw notAModel(file, 'no pieces');
  return {
    file,
    pieces,
    type: known,
    byteFallback,
    addDummyPrefix,
    removeExtraWhitespaces,
    normaliserBytes,
    whitespaceAsSuffix,
  };
}

function readPiece(reader: Reader, file: string): Piece {
  let text = '';
  let score = 0;
  let kind = 1;
  readMessage(reader, reader.uint32() + reader.pos, {
    1: (value) => {
      text = value.string();
    },
    2: (value) => {
      score = value.float();
    },
    3: (value) => {
      kind = value.int32();
    },
  });
  const known = kinds[kind];
  if (known === undefined) throw notAModel(file, `a piece of kind ${kind}`);
  if (text.length > maxLength) throw notAModel(file, `a piece of ${text.length} characters`);
  return { text, score, kind: known };
}

/** The fields of a message that ends at `end`; those that are not named are skipped. Throws where it is cut off. */
function readMessage(reader: Reader, end: number, fields: Fields): void {
  if (end > reader.len) throw new RangeError('it ends too early');
  while (reader.pos < end) {
    const tag = reader.uint32();
    const read = fields[tag >>> 3];
    if (read === undefined) reader.skipType(tag & 7);
    else read(reader);
  }
  if (reader.pos !== end) throw new RangeError('a field is longer than the message around it');
}

function notAModel(file: string, found: string, cause?: unknown): VlmError {
  return fail('VC1140', { where: file, found, expected: 'a sentencepiece model', cause });
}
