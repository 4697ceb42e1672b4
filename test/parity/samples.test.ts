/**
 * A user's pictures and prompts, against what the original implementations made of them: pixel values to the last bit,
 * ids token by token.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImageGeometry } from '../../src/architectures/media.ts';
import type { GenerationRecipe } from '../../src/architectures/recipe.ts';
import { preprocess } from '../../src/parity/inputs/preprocess.ts';
import type { Sample } from '../../src/parity/inputs/sample.ts';
import { tiktokenTokenizer } from '../../src/parity/inputs/tiktoken.ts';
import { readSample } from '../../src/pipeline/check-inputs.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { caseInputs } from '../support/case-inputs.ts';
import { type GoldenCase, goldenCase, goldenCases } from '../support/golden-cases.ts';
import { withBuiltCase } from '../support/open-case.ts';
import { casePixels } from '../support/pixel-values.ts';
import { readIo } from '../support/read-io.ts';
import { get } from '../support/run-recipe.ts';

let root = '';
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-samples-'));
});

afterAll(() => rm(root, { recursive: true, force: true }));

/** A new folder of texts, and pictures copied from elsewhere. */
function folderOf(
  texts: Readonly<Record<string, string>>,
  pictures: Readonly<Record<string, string>>,
): string {
  count += 1;
  const folder = join(root, String(count));
  mkdirSync(folder);
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
  for (const [name, path] of Object.entries(pictures)) cpSync(path, join(folder, name));
  return folder;
}

interface Read {
  readonly sample: Sample;
  readonly recipe: GenerationRecipe;
  readonly image: ImageGeometry | undefined;
}

async function read(golden: GoldenCase, folder: string): Promise<Read> {
  return withBuiltCase(golden, async (built, checkpoint) => ({
    sample: await readSample(built, checkpoint, { inputs: undefined, samples: folder, seed: 1 }),
    recipe: built.recipe,
    image: built.image,
  }));
}

interface SampleJson {
  readonly text: { readonly prompt?: readonly string[]; readonly prompts?: readonly string[] };
  readonly preprocessing?: {
    readonly from?: readonly string[];
    readonly images?: readonly { file: string }[];
  };
}

const cases = goldenCases(['monkey', 'qwen-vl', 'llava', 'minigpt-v2']).filter(({ json }) => {
  const { text, preprocessing } = json as unknown as SampleJson;
  return (text.prompt ?? text.prompts) !== undefined && preprocessing !== undefined;
});

const pictureMarks = /<image>|<img>|<ImageHere>/g;

describe.each(cases)('$name', (golden) => {
  const { text, preprocessing } = golden.json as unknown as SampleJson;
  const prompts = text.prompt ?? text.prompts ?? [];
  const files = preprocessing?.from ?? preprocessing?.images?.map(({ file }) => file) ?? [];

  it('becomes the recorded pixel values and ids', async () => {
    const texts: Record<string, string> = {};
    let next = 0;
    for (const [index, prompt] of prompts.entries()) {
      const marks = prompt.match(pictureMarks)?.length ?? 0;
      const name = marks === 0 ? `text${index}` : (files[next] ?? '').replace('.png', '');
      // The line break at the end is the editor's, not the prompt's.
      texts[`${name}.txt`] = `${prompt}\n`;
      next += marks;
    }
    const pictures = Object.fromEntries(files.map((name) => [name, join(golden.folder, name)]));
    const { sample, image, recipe } = await read(golden, folderOf(texts, pictures));
    const io = await readIo(join(golden.folder, 'io.safetensors'));

    const wanted = io.has('in.pixel_values') ? io.float32('in.pixel_values') : toFloat32(casePixels(golden));
    const each = wanted.length / files.length;
    expect(sample.media.map(({ name }) => name)).toEqual(files);
    for (const [index, { feeds }] of sample.media.entries()) {
      const own = wanted.subarray(index * each, (index + 1) * each);
      const found = toFloat32(get(feeds, 'pixel_values'));
      let worst = 0;
      for (let i = 0; i < each; i += 1) {
        worst = Math.max(worst, Math.abs((found[i] ?? Number.NaN) - (own[i] ?? 0)));
      }
      expect(found.length).toBe(each);
      expect(worst).toBe(0);
    }

    const { inputIds, attentionMask } = caseInputs(golden, io, recipe.splice);
    const [rows = 0, length = 0] = inputIds.shape;
    const ids = Array.from(inputIds.data, Number);
    const mask = Array.from(attentionMask.data, Number);
    expect(rows).toBe(prompts.length);
    const found = sample.prompts.map((prompt) => JSON.stringify(prompt.ids));
    for (let row = 0; row < rows; row += 1) {
      const own = ids
        .slice(row * length, (row + 1) * length)
        .filter((_, at) => mask[row * length + at] === 1);
      // What the tokenizer writes where features go is overwritten: the path's bytes, then padding.
      const match = sample.prompts.find(
        (prompt) =>
          prompt.ids.length === own.length &&
          prompt.ids.every(
            (id, at) =>
              id === own[at] || prompt.spans.some(({ first, count: n }) => at >= first && at < first + n),
          ),
      );
      expect(match, `row ${row} ${JSON.stringify(own)} among ${found.join(' ')}`).toBeDefined();
      expect(match?.spans.length).toBe((prompts[row]?.match(pictureMarks) ?? []).length);
      for (const span of match?.spans ?? []) expect(span.count).toBe(image?.tokens);
    }
    const used = new Set(sample.prompts.flatMap(({ spans }) => spans.map(({ media: picture }) => picture)));
    expect(used.size).toBe(files.length);
  });
});

it('has cases of each family to compare with', () => {
  expect(new Set(cases.map(({ family }) => family)).size).toBe(4);
});

describe('prompts of a folder', () => {
  const golden = goldenCase('llava/hf-tiny');
  const picture = join(golden.folder, 'image.png');

  it("are the picture's own, those of prompts.txt in turn, or one for all; others stand alone", async () => {
    const both = { 'a.png': picture, 'b.png': picture, 'c.png': picture };
    const withText = await read(golden, folderOf({ 'b.txt': 'Count.', 'd.txt': 'Hello' }, both));
    expect(withText.sample.prompts.map(({ spans }) => spans[0]?.media)).toEqual([0, 1, 2, undefined]);
    const [first, second, third] = withText.sample.prompts.map(({ ids }) => ids.join());
    expect(first).toBe(third);
    expect(first).not.toBe(second);

    const lines = folderOf(
      { 'prompts.txt': 'One.\nTwo.\n\nThree.\n' },
      { 'a.png': picture, 'b.png': picture },
    );
    const { sample } = await read(golden, lines);
    expect(sample.prompts.map(({ spans }) => spans[0]?.media)).toEqual([0, 1, undefined]);
    expect(new Set(sample.prompts.map(({ ids }) => ids.join())).size).toBe(3);
    expect(sample.source).toBe('samples');
  });

  it.each<[string, Record<string, string>, Record<string, string>, string]>([
    ['an empty folder', {}, {}, 'no picture and no text'],
    ['a picture that is none', { 'a.png': 'not a picture' }, {}, 'a.png'],
    ['a text about a picture that is not there', { 'a.txt': 'Look: <image>' }, {}, 'no picture of this name'],
    ['a text about more pictures than follow', { 'a.txt': '<image><image>' }, { 'a.png': picture }, '1 to 1'],
    ['bytes that are no text', { 'a.txt': 'x'.repeat(70_000) }, {}, 'at most 65536'],
  ])('are refused: %s', async (_what, texts, pictures, says) => {
    const refusal = await read(golden, folderOf(texts, pictures)).catch((error: unknown) => String(error));
    expect(refusal).toContain('VC6109');
    expect(refusal).toContain(says);
  });

  it('need a folder', async () => {
    await expect(read(golden, join(root, 'nowhere'))).rejects.toThrow('VC6109');
  });
});

describe('pictures', () => {
  const golden = goldenCase('qwen-vl/batch-left-pad');

  it('lose alpha, and repeat grey', async () => {
    const grey = new PNG({ width: 3, height: 2, colorType: 0 });
    for (let at = 0; at < 6; at += 1) grey.data.set([at * 40, at * 40, at * 40, 255], at * 4);
    const clear = new PNG({ width: 3, height: 2 });
    for (let at = 0; at < 6; at += 1) clear.data.set([at * 40, at * 40, at * 40, at * 3], at * 4);
    const folder = folderOf({}, {});
    writeFileSync(join(folder, 'a.png'), PNG.sync.write(grey, { colorType: 0, inputColorType: 6 }));
    writeFileSync(join(folder, 'b.png'), PNG.sync.write(clear));
    const { sample } = await read(golden, folder);
    expect(sample.media[0]?.sha256).toBe(sample.media[1]?.sha256);
    const [first] = sample.media;
    expect(new Set(toFloat32(get(first?.feeds ?? new Map(), 'pixel_values'))).size).toBeGreaterThan(5);
  });

  it('of more than 8 bits are refused, which Pillow would cut otherwise', async () => {
    const folder = folderOf({}, {});
    writeFileSync(join(folder, 'a.png'), PNG.sync.write(new PNG({ width: 2, height: 2 }), { bitDepth: 16 }));
    await expect(read(golden, folder)).rejects.toThrow('ushort');
  });

  it('are resized by the shorter side, the longer one cut to whole pixels', () => {
    const step = { step: 'shortest-side', side: 4, filter: 'bicubic' } as const;
    for (const [width, height, input] of [
      [3, 5, { width: 4, height: 6 }],
      [5, 3, { width: 6, height: 4 }],
    ] as const) {
      const picture = { width, height, rgb: new Uint8Array(45).fill(7) };
      const done = preprocess(picture, { input } as ImageGeometry, [step]);
      expect({ ...done, rgb: new Set(done.rgb) }).toEqual({ ...input, rgb: new Set([7]) });
      const other = { input: { width: 7, height: 4 } } as ImageGeometry;
      expect(() => preprocess(picture, other, [step])).toThrow(RangeError);
    }
  });

  it('are cropped in the middle; outside is black', () => {
    const rgb = Uint8Array.from({ length: 4 * 2 * 3 }, (_, i) => 10 + i);
    const crop = (width: number, height: number) =>
      preprocess({ width: 4, height: 2, rgb }, { input: { width, height } } as ImageGeometry, [
        { step: 'center-crop', to: { width, height } },
      ]).rgb;
    expect([...crop(2, 2)]).toEqual([...rgb.subarray(3, 9), ...rgb.subarray(15, 21)]);
    const tall = [...crop(4, 5)];
    // Two rows of the picture from row 1 on, as transformers pads.
    expect(tall.slice(0, 24)).toEqual(Array(24).fill(0));
    expect(tall.slice(24, 48)).toEqual([...rgb]);
    expect(tall.slice(48)).toEqual(Array(12).fill(0));
  });
});

describe('the tiktoken file', () => {
  const lines = (tokens: readonly string[]) =>
    tokens.map((token, rank) => `${Buffer.from(token, 'latin1').toString('base64')} ${rank}`).join('\n');
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  /** Ranks 256 bc, 257 ab, 258 two blanks. */
  const { encode } = tiktokenTokenizer(lines([...bytes, 'bc', 'ab', '  ']), 'x.tiktoken');

  it('merges the pair of the lowest rank first, inside words only', () => {
    expect(encode('abc')).toEqual([97, 256]);
    expect(encode('abd')).toEqual([257, 100]);
    expect(encode('a bc')).toEqual([97, 32, 256]);
    expect(encode('a   b')).toEqual([97, 258, 32, 98]);
    expect(encode('12')).toEqual([49, 50]);
  });

  it('knows special tokens by name, numbered behind the ranks, and composes characters', () => {
    expect(encode('<|endoftext|>a<img></img><imgpad>')).toEqual([259, 97, 259 + 214, 259 + 215, 259 + 216]);
    expect(encode('<|extra_204|>')).toEqual([259 + 3 + 204]);
    expect(encode('e\u0301')).toEqual([...Buffer.from('\u00e9')]);
  });

  it('is refused where a line is no token, or a byte has none', () => {
    expect(() => tiktokenTokenizer('IQ== 0\n!', 'x.tiktoken')).toThrow('x.tiktoken, line 2');
    expect(() => tiktokenTokenizer('IQ== 0', 'x.tiktoken').encode('a')).toThrow('the byte 97');
  });
});
