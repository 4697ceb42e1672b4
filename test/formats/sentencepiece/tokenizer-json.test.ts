/**
 * Sentencepiece models as tokenizer.json: against the file that transformers wrote for the same model, and against ids
 * that sentencepiece gave. The messages of broken and unknown models are built here, field by field.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import protobuf from 'protobufjs/minimal.js';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { readSentencePiece } from '../../../src/formats/sentencepiece/read.ts';
import { tokenizerForm, tokenizerJson } from '../../../src/formats/sentencepiece/tokenizer-json.ts';
import type { VlmError } from '../../../src/index.ts';
import { goldenCase } from '../../support/golden-cases.ts';

const folder = goldenCase('llava/hf-tiny').checkpoint;
const bytes = await readFile(join(folder, 'tokenizer.model'));
const written = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8'));
const model = await readSentencePiece(bytes, 'tokenizer.model');

describe('a model of byte pair encoding', () => {
  it('is read whole', () => {
    expect(model).toMatchObject({
      type: 'bpe',
      byteFallback: true,
      addDummyPrefix: true,
      removeExtraWhitespaces: false,
      normaliserBytes: 0,
      whitespaceAsSuffix: false,
    });
    expect(model.pieces.length).toBe(320);
    expect(model.pieces.slice(0, 4)).toEqual([
      { text: '<unk>', score: 0, kind: 'unknown' },
      { text: '<s>', score: 0, kind: 'control' },
      { text: '</s>', score: 0, kind: 'control' },
      { text: '<0x00>', score: 0, kind: 'byte' },
    ]);
    expect(model.pieces[263]).toEqual({ text: '▁i', score: -4, kind: 'normal' });
  });

  it('becomes the file that transformers writes', () => {
    const added = [
      { id: 320, content: '<image>' },
      { id: 321, content: '<pad>' },
    ];
    const made = JSON.parse(JSON.stringify(tokenizerJson(model, { prefix: 'every', begin: '<s>', added })));
    const merges = written.model.merges.map((pair: string) => pair.split(' '));
    expect(made).toEqual({ ...written, model: { ...written.model, merges } });
  });
});

/** Ids of a text, by the library that runs the written file. */
function encode(form: Parameters<typeof tokenizerJson>[1], text: string): readonly number[] {
  return new Tokenizer(tokenizerJson(model, form), {}).encode(text).ids;
}

describe('where a space goes before text', () => {
  // sentencepiece gives 264 for "the", 272 for "an" with the space before it, 266 without.
  it('is at the beginning, or behind every special token', () => {
    const text = 'the</s>an';
    expect(encode({ prefix: 'every', begin: '<s>' }, text)).toEqual([1, 264, 2, 272]);
    expect(encode({ prefix: 'first', begin: '<s>' }, text)).toEqual([1, 264, 2, 266]);
  });

  it('is said by tokenizer_config.json', () => {
    expect(tokenizerForm({}, model)).toEqual({ prefix: 'every', begin: '<s>' });
    expect(tokenizerForm({ legacy: false, bos_token: { content: '</s>' } }, model)).toEqual({
      prefix: 'first',
      begin: '</s>',
    });
    expect(tokenizerForm({ add_bos_token: false, legacy: true }, model)).toEqual({ prefix: 'every' });
    expect(tokenizerForm({ bos_token: 'none such' }, model)).toEqual({ prefix: 'every' });
  });
});

/** A field of a message: its number, and how its value is written. */
type Field = readonly [number, (writer: protobuf.Writer) => protobuf.Writer];
const field = (number: number, wireType: number, write: Field[1]): Field => [number * 8 + wireType, write];
const varint = (number: number, value: number): Field => field(number, 0, (to) => to.int32(value));
const text = (number: number, value: string): Field => field(number, 2, (to) => to.string(value));
const message = (number: number, ...fields: readonly Field[]): Field =>
  field(number, 2, (to) => to.bytes(encoded(fields)));
function encoded(fields: readonly Field[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const [tag, write] of fields) write(writer.uint32(tag));
  return writer.finish();
}

const bpe = [varint(3, 2), varint(35, 1)];
const plain = varint(4, 0);
const pieces = [message(1, text(1, '<unk>'), varint(3, 2)), message(1, text(1, 'a'))];

async function refusal(make: () => Promise<unknown>): Promise<VlmError['record'] | undefined> {
  return make().then(
    () => undefined,
    (error: VlmError) => error.record,
  );
}

describe('what is refused', () => {
  it.each([
    ['unigram', [message(2, varint(3, 1)), message(3, plain)], 'model type unigram'],
    ['rules', [message(2, ...bpe), message(3, plain, text(2, 'rules'))], 'rules of normalisation'],
    ['spaces that are dropped', [message(2, ...bpe)], 'remove_extra_whitespaces'],
    ['suffixes', [message(2, ...bpe, varint(24, 1)), message(3, plain)], 'treat_whitespace_as_suffix'],
    [
      'words of its own',
      [message(2, ...bpe), message(3, plain), message(1, text(1, 'b'), varint(3, 4))],
      'a user-defined piece',
    ],
  ])('%s', async (_, fields, found) => {
    const made = await readSentencePiece(encoded([...pieces, ...fields]), 'tokenizer.model');
    const record = await refusal(async () => tokenizerJson(made, { prefix: 'every' }));
    expect(record).toMatchObject({ code: 'VC1141', where: 'tokenizer.model', found });
  });

  it('takes what is left without any of these', async () => {
    const made = await readSentencePiece(
      encoded([...pieces, message(2, ...bpe), message(3, plain)]),
      'tokenizer.model',
    );
    expect(tokenizerJson(made, { prefix: 'every' })).toMatchObject({
      model: { vocab: { '<unk>': 0, a: 1 } },
    });
  });

  it.each([
    ['nothing', new Uint8Array(), 'no pieces'],
    ['a model that is cut off', bytes.subarray(0, 2001), ''],
    ['a length beyond its message', encoded([field(1, 2, (to) => to.uint32(2 ** 31))]), ''],
    ['a kind of piece that there is not', encoded([message(1, varint(3, 9))]), 'a piece of kind 9'],
    [
      'a piece that would be split for hours',
      encoded([...pieces, message(1, text(1, 'a'.repeat(257)))]),
      'a piece of 257 characters',
    ],
    ['another type', encoded([...pieces, message(2, varint(3, 9))]), 'model type 9'],
    ['text', Buffer.from('version https://git-lfs.github.com/spec/v1'), ''],
  ])('%s', async (_, broken, found) => {
    const record = await refusal(() => readSentencePiece(broken, 'tokenizer.model'));
    expect(record).toMatchObject({ code: 'VC1140', found: expect.stringContaining(found) });
  });
});

it('leaves a checkpoint as it is whose model splits text otherwise', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-sentencepiece-'));
  try {
    await cp(goldenCase('minigpt-v2/tiny').checkpoint, folder, { recursive: true });
    for (const fields of [[message(2, varint(3, 1))], []]) {
      await writeFile(join(folder, 'tokenizer.model'), encoded([...pieces, ...fields]));
      const checkpoint = await openCheckpoint(folder);
      await checkpoint.close();
      expect(checkpoint.sentencePiece).toBeUndefined();
      expect(checkpoint.problems).toMatchObject([{ code: 'VC1115', where: 'tokenizer.model' }]);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
