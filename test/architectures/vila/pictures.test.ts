/**
 * From a picture's file and a text to the recorded pixels, ids and tokens, through our own preprocessing, tokenizer and
 * graphs; and recorded tensors in the forms that the original code has them in.
 */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import { convert, generate } from '../../../src/index.ts';
import { decodePicture } from '../../../src/parity/inputs/decode-picture.ts';
import { encodePrompt } from '../../../src/parity/inputs/prompt.ts';
import { recordedSample } from '../../../src/parity/inputs/recorded.ts';
import { type SampleMedia, sampleMedia } from '../../../src/parity/inputs/sample.ts';
import { readSamples } from '../../../src/parity/inputs/samples.ts';
import { sharedPrompt } from '../../../src/parity/inputs/shared-prompt.ts';
import { openTokenizer } from '../../../src/parity/inputs/tokenizer.ts';
import { fitPicture } from '../../../src/parity/inputs/vision-inputs.ts';
import { int64Value, type RunTensor } from '../../../src/runtime/values.ts';
import { caseInputs } from '../../support/case-inputs.ts';
import { changed } from '../../support/changed-checkpoint.ts';
import { type GoldenCase, goldenCase, goldenCases } from '../../support/golden-cases.ts';
import { openCase, withBuiltCase } from '../../support/open-case.ts';
import { type Recorded, readIo } from '../../support/read-io.ts';

const io = (golden: GoldenCase): Promise<Recorded> => readIo(join(golden.folder, 'io.safetensors'));
const nvila = goldenCase('vila/nvila-dynamic_s2');

interface VilaCase {
  readonly text: { readonly prompts: readonly string[] };
  readonly preprocessing: { readonly images: readonly { readonly file: string }[] };
}

const vilaCase = ({ json }: GoldenCase): VilaCase => json as unknown as VilaCase;
const filesOf = (golden: GoldenCase): readonly string[] =>
  vilaCase(golden).preprocessing.images.map(({ file }) => join(golden.folder, file));

/** The prompt that the original code tokenized. */
function wholePrompt(golden: GoldenCase): string {
  const [prompt] = vilaCase(golden).text.prompts;
  if (prompt === undefined) throw new Error('no prompt');
  return prompt;
}

/** What a user asks about one picture, of that. */
function question(golden: GoldenCase): string {
  const [, asked] = /<image>\n(.*?)(<\|im_end\|>| ASSISTANT:)/.exec(wholePrompt(golden)) ?? [];
  if (asked === undefined) throw new Error(`no question in ${wholePrompt(golden)}`);
  return asked;
}

/** Of the pictures, as they are seen beside each other. */
async function mediaOf(golden: GoldenCase, { recipe, image }: BuiltModel): Promise<readonly SampleMedia[]> {
  const files = filesOf(golden);
  const { encoder } = files.length > 1 ? sharedPrompt(recipe) : recipe;
  if (encoder === undefined || image === undefined) throw new Error('no encoder');
  return Promise.all(
    files.map(async (file) => {
      const picture = fitPicture(await decodePicture(file), encoder.feed, image);
      if (typeof picture === 'string') throw new Error(picture);
      return sampleMedia('image', [picture], encoder, image, file);
    }),
  );
}

function pixelsOf({ feeds }: SampleMedia): readonly number[] {
  const { shape = [], data = [] } = feeds.get('pixel_values') ?? {};
  const grids = feeds.get('tile_grids');
  // One tile stands for all scales, and was recorded once.
  const single = grids !== undefined && Array.from(grids.data, Number).every((side) => side === 1);
  return Array.from(data, Number).slice(0, single ? data.length / (shape[0] ?? 1) : data.length);
}

describe.each(goldenCases(['vila']))('$name', (golden) => {
  it('becomes the recorded pixels', async () => {
    const recorded = await io(golden);
    await withBuiltCase(golden, async (built) => {
      const found = (await mediaOf(golden, built)).flatMap(pixelsOf);
      const wanted = recorded.float32('in.pixel_values');
      expect(found.length).toBe(wanted.length);
      const worst = wanted.reduce(
        (most, value, at) => Math.max(most, Math.abs(value - (found[at] ?? Number.NaN))),
        0,
      );
      expect(worst).toBeLessThan(1e-6);
    });
  });

  it('becomes the recorded tokens, from the output folder alone', async () => {
    const root = await mkdtemp(join(tmpdir(), 'vlm-vila-'));
    try {
      const recorded = await io(golden);
      const output = join(root, 'out');
      await convert({ checkpoint: golden.checkpoint, output, parity: false });
      const wanted = recorded.ints('out.decode_ids');
      const images = filesOf(golden);
      const ask = (prompt: string) => generate({ output, images, prompt, maxTokens: wanted.length });
      const answer = await ask(wholePrompt(golden));
      expect(answer.ids).toEqual(wanted);
      expect(answer.promptTokens).toBe(recorded.get('out.logits').shape[1]);
      if (images.length > 1) return;
      // A question is put into the form of chat that the original used.
      expect((await ask(question(golden))).ids).toEqual(wanted);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it('is asked about in the recorded ids', async () => {
    const { source, architecture } = await openCase(golden);
    try {
      const built = architecture.build(source, { tiling: 'crop', loraTiles: 'error' });
      const { sideFiles } = built;
      const recipe = filesOf(golden).length > 1 ? sharedPrompt(built.recipe) : built.recipe;
      const made = new Map(
        sideFiles.flatMap((file) => (file.kind === 'json' ? [[file.name, file.value]] : [])),
      );
      const tokenizer = await openTokenizer({ ...source, made });
      const wanted = Array.from(caseInputs(golden, await io(golden), recipe.splice).inputIds.data, Number);
      const media = await mediaOf(golden, built);
      const ids = (text: string): readonly number[] => {
        const asked = { text, first: 0, shown: media.length, where: 'the prompt' };
        return encodePrompt(asked, tokenizer, recipe, media).prompt().ids;
      };
      expect(ids(wholePrompt(golden))).toEqual(wanted);
      if (media.length === 1) expect(ids(question(golden))).toEqual(wanted);
    } finally {
      await source.close();
    }
  });

  it('is read from tensors as the original code has them: one id, or a mark, for a picture', async () => {
    const recorded = await io(golden);
    const values = new Map<string, RunTensor>([
      ['pixel_values', recorded.get('in.pixel_values')],
      ['input_ids', recorded.get('in.input_ids')],
    ]);
    const sizes = golden.json.dims?.block_sizes;
    if (sizes !== undefined) values.set('block_sizes', int64Value([1, 2], sizes));
    await withBuiltCase(golden, async ({ recipe, image }) => {
      const sample = recordedSample(values, { recipe, image }, 1, 'io');
      const wanted = Array.from(caseInputs(golden, recorded, recipe.splice).inputIds.data, Number);
      expect(sample.prompts.map(({ ids }) => ids)).toEqual([wanted]);
      // Written out, they stay as they are.
      const again = new Map(values).set('input_ids', int64Value([1, wanted.length], wanted));
      expect(recordedSample(again, { recipe, image }, 1, 'io').prompts).toEqual(sample.prompts);
    });
  });
});

it('is asked about in a folder of samples', async () => {
  const golden = goldenCase('vila/tiny-mlp_downsample');
  const folder = await mkdtemp(join(tmpdir(), 'vlm-vila-'));
  try {
    await writeFile(join(folder, 'image.txt'), question(golden));
    await cp(join(golden.folder, 'image.png'), join(folder, 'image.png'));
    await withBuiltCase(golden, async ({ recipe, image, sideFiles }, source) => {
      const made = new Map(
        sideFiles.flatMap((file) => (file.kind === 'json' ? [[file.name, file.value]] : [])),
      );
      const sample = await readSamples({ folder, checkpoint: { ...source, made }, recipe, image, seed: 1 });
      const wanted = caseInputs(golden, await io(golden), recipe.splice).inputIds.data;
      expect(sample.prompts[0]?.ids).toEqual(Array.from(wanted, Number));
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('is refused where a folder asks for more tiles than any model takes', async () => {
  await withBuiltCase(nvila, async ({ recipe: { encoder }, image }) => {
    if (encoder?.feed.form !== 'tiles' || image === undefined) throw new Error('no tiles');
    const picture = await decodePicture(join(nvila.folder, 'image.png'));
    const objection = fitPicture(picture, { ...encoder.feed, side: 2 ** 14 }, image);
    expect(objection).toBe('15 tiles of 16384 pixels a side');
  });
});

describe('pictures that share a prompt', () => {
  it('are one tile each, at every scale', async () => {
    await withBuiltCase(nvila, async ({ recipe, image }) => {
      const shared = sharedPrompt(recipe);
      const { encoder } = shared;
      if (encoder === undefined || image === undefined) throw new Error('no encoder');
      const file = await decodePicture(join(nvila.folder, 'image.png'));
      const { feeds, layout } = sampleMedia('image', [file], encoder, image);
      expect(layout.tokens).toBe(4);
      expect(Array.from(feeds.get('tile_grids')?.data ?? [], Number)).toEqual([1, 1, 1, 1, 1, 1]);
      const tiles = feeds.get('pixel_values');
      expect(tiles?.shape).toEqual([3, 3, 56, 56]);
      // The first tile of the recorded ones is the whole picture, resized as the original resizes it.
      const whole = (await io(nvila)).float32('in.pixel_values').subarray(0, 3 * 56 * 56);
      for (const copy of [0, 1, 2]) {
        const own = Array.from(tiles?.data ?? [], Number).slice(
          copy * whole.length,
          (copy + 1) * whole.length,
        );
        expect(Math.max(...own.map((value, at) => Math.abs(value - (whole[at] ?? 9))))).toBeLessThan(1e-6);
      }
    });
  });

  it('are refused in a folder of samples, where each has a prompt of its own, too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vlm-vila-'));
    try {
      for (const name of ['a', 'b']) await cp(join(nvila.folder, 'image.png'), join(folder, `${name}.png`));
      await writeFile(join(folder, 'a.txt'), '<image> and <image>');
      await withBuiltCase(nvila, async ({ recipe, image }, source) => {
        const read = readSamples({ folder, checkpoint: source, recipe, image, seed: 1 });
        await expect(read).rejects.toMatchObject({
          code: 'VC6109',
          record: { found: 'places for 2 pictures' },
        });
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('answer together', async () => {
    const root = await mkdtemp(join(tmpdir(), 'vlm-vila-'));
    try {
      const output = join(root, 'out');
      await convert({ checkpoint: nvila.checkpoint, output, parity: false });
      const image = join(nvila.folder, 'image.png');
      const ask = (images: readonly string[]) => generate({ output, images, prompt: 'What?', maxTokens: 1 });
      const [one, two] = [await ask([image]), await ask([image, image])];
      expect(one.images.map(({ tokens }) => tokens)).toEqual([40]);
      expect(two.images.map(({ tokens }) => tokens)).toEqual([4, 4]);
      // 36 features less for the one; for the other its features, a line break behind them, and one between both.
      expect(two.promptTokens - one.promptTokens).toBe(4 - 40 + 4 + 1 + 1);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});

describe('tiles that are views of their own', () => {
  const golden = goldenCase('vila/tiny-mlp_downsample_3x3_fix');

  it('are written one after the other, with the whole picture last', async () => {
    const { source, architecture } = await openCase(golden);
    try {
      const dynamic = changed(source, { config: { image_aspect_ratio: 'dynamic', max_tiles: 6 } });
      const { recipe, image } = architecture.build(dynamic, { tiling: 'crop', loraTiles: 'error' });
      const { encoder } = recipe;
      if (encoder === undefined || image === undefined) throw new Error('no encoder');
      const file = await decodePicture(join(golden.folder, 'image.png'));
      const media = sampleMedia('image', [file], encoder, image);
      // 150 by 97 pixels: 3x2 tiles.
      expect(media.feeds.get('pixel_values')?.shape).toEqual([7, 3, 70, 70]);
      expect(media.layout.tokens).toBe(28);
      const whole = (await io(golden)).float32('in.pixel_values');
      const lastTile = Array.from(media.feeds.get('pixel_values')?.data ?? [], Number).slice(-whole.length);
      expect(Math.max(...lastTile.map((value, at) => Math.abs(value - (whole[at] ?? 9))))).toBeLessThan(1e-6);
      const tokenizer = await openTokenizer(source);
      const text = { text: 'What?', first: 0, shown: 1, where: 'the prompt' };
      const prompt = encodePrompt(text, tokenizer, recipe, [media]).prompt();
      const first = prompt.ids.indexOf(306);
      // Each view has a line break of embeddings behind it, and one of text.
      expect(prompt.spans).toEqual(
        Array.from({ length: 7 }, (_, view) => ({ first: first + 6 * view, count: 4, media: 0 })),
      );
      expect(prompt.ids.slice(first, first + 6)).toEqual([306, 306, 306, 306, 198, 198]);
      const last = prompt.spans.at(-1)?.first ?? 0;
      expect(prompt.ids.slice(last + 4, last + 7)).toEqual([198, 198, 198]);
      const shared = encodePrompt(text, tokenizer, sharedPrompt(recipe), [
        sampleMedia('image', [file], sharedPrompt(recipe).encoder ?? encoder, image),
      ]).prompt();
      expect(shared.spans).toEqual([{ first, count: 4, media: 0 }]);
      expect(shared.ids.slice(first + 4, first + 6)).toEqual([198, 198]);
    } finally {
      await source.close();
    }
  });
});
