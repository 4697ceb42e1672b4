/**
 * A sample from a user's folder: pictures or sounds, and prompts as text. `<name>.txt` beside `<name>.png` is that
 * picture's prompt; the lines of `prompts.txt` go to the pictures without one, in turn; a text that no picture takes is a
 * prompt of its own. Pictures and sounds go through the family's own preprocessing, texts through the checkpoint's own
 * tokenizer.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { AudioGeometry, ImageGeometry } from '../../architectures/media.ts';
import type { GenerationRecipe } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import { plural } from '../../report/format.ts';
import { systemReason } from '../../report/show.ts';
import { decodePicture, pictureExtensions } from './decode-picture.ts';
import { encodePrompt } from './prompt.ts';
import { type Prompt, type Sample, type SampleMedia, sampleMedia } from './sample.ts';
import { sharedPrompt } from './shared-prompt.ts';
import { readSound } from './sound/read-sound.ts';
import { soundExtensions } from './sound/wav.ts';
import { openTokenizer, type Tokenizer, type TokenizerFolder } from './tokenizer.ts';
import { fitPicture } from './vision-inputs.ts';

export interface SamplesRequest {
  readonly folder: string;
  /** The checkpoint's folder, with its tokenizer. */
  readonly checkpoint: TokenizerFolder;
  readonly recipe: GenerationRecipe;
  readonly image: ImageGeometry | undefined;
  readonly audio?: AudioGeometry | undefined;
  readonly seed: number;
}

/** Each costs as much as the drawn one: what would take a day is asked for by mistake. */
const mostPictures = 64;
const mostPrompts = 256;
/** Of a text file, in bytes. */
const longestText = 2 ** 16;
/** The prompts of all pictures that have none. */
const promptsName = 'prompts.txt';
const defaultPrompts = { picture: 'Describe the picture.', sound: 'Describe the sound.' } as const;

/** Throws VC6109 for a folder, file or prompt that cannot be used. */
export async function readSamples(request: SamplesRequest): Promise<Sample> {
  const { folder, recipe, image, audio, seed } = request;
  const names = await list(folder);
  const files = names.filter((name) => isMedia(name));
  const what = audio === undefined ? 'picture' : 'sound';
  const texts = await planPrompts(folder, names, files, defaultPrompts[what]);
  if (texts.length === 0) {
    throw fail('VC6109', {
      where: folder,
      found: `no ${what} and no text`,
      expected: audio === undefined ? 'PNG, JPEG … and .txt' : '.wav and .txt',
    });
  }
  if (files.length > mostPictures || texts.length > mostPrompts) {
    throw fail('VC6109', {
      where: folder,
      found: `${files.length} ${what}s, ${texts.length} prompts`,
      expected: `at most ${mostPictures} and ${mostPrompts}`,
    });
  }
  const pictures: SampleMedia[] = [];
  for (const name of files) pictures.push(await readMedia(join(folder, name), recipe, { image, audio }));
  const tokenizer = await openTokenizer(request.checkpoint);
  const prompts = texts.map((text) => readPrompt(text, tokenizer, recipe, pictures));
  return { seed, source: 'samples', media: pictures, prompts };
}

function isMedia(name: string): boolean {
  const extension = extname(name).toLowerCase();
  return pictureExtensions.has(extension) || soundExtensions.has(extension);
}

/** Names of the folder's own files, in the order of their bytes. */
async function list(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder);
    const files: string[] = [];
    for (const name of entries) if ((await stat(join(folder, name))).isFile()) files.push(name);
    return files.sort((a, b) => (a < b ? -1 : 1));
  } catch (cause) {
    throw fail('VC6109', { where: folder, found: systemReason(cause), expected: 'a folder', cause });
  }
}

interface PlannedPrompt {
  readonly text: string;
  /** Index of the picture that it is about. */
  readonly picture?: number;
  /** For messages. */
  readonly where: string;
}

async function planPrompts(
  folder: string,
  names: readonly string[],
  pictures: readonly string[],
  defaultPrompt: string,
): Promise<readonly PlannedPrompt[]> {
  const stem = (name: string): string => basename(name, extname(name));
  const texts = names.filter((name) => extname(name) === '.txt' && name !== promptsName);
  const alone = texts.filter((name) => !pictures.some((picture) => stem(picture) === stem(name)));
  const lines = names.includes(promptsName)
    ? (await readText(folder, promptsName)).split(/\r?\n/).filter((line) => line.trim() !== '')
    : [];
  const planned: PlannedPrompt[] = [];
  let taken = 0;
  for (const [picture, name] of pictures.entries()) {
    const own = texts.find((text) => stem(text) === stem(name));
    if (own !== undefined) {
      planned.push({ text: await readText(folder, own), picture, where: own });
      continue;
    }
    const text = lines.length === 0 ? defaultPrompt : (lines[taken % lines.length] ?? defaultPrompt);
    planned.push({ text, picture, where: `the prompt of ${name}` });
    taken += 1;
  }
  for (const [index, text] of lines.entries()) {
    if (index >= taken) planned.push({ text, where: `${promptsName}, prompt ${index + 1}` });
  }
  for (const name of alone) planned.push({ text: await readText(folder, name), where: name });
  return planned;
}

/** Without the line break that editors put at the end. */
async function readText(folder: string, name: string): Promise<string> {
  const bytes = await readFile(join(folder, name));
  if (bytes.byteLength > longestText) {
    throw fail('VC6109', {
      where: name,
      found: `${bytes.byteLength} bytes`,
      expected: `at most ${longestText}`,
    });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch (cause) {
    throw fail('VC6109', { where: name, expected: 'UTF-8 text', cause });
  }
}

async function readMedia(
  path: string,
  recipe: GenerationRecipe,
  { image, audio }: Pick<SamplesRequest, 'image' | 'audio'>,
): Promise<SampleMedia> {
  const name = basename(path);
  if (soundExtensions.has(extname(path).toLowerCase())) return readSound(path, recipe.encoder, audio);
  if (recipe.encoder === undefined || image === undefined) {
    throw fail('VC6109', { where: name, expected: 'no pictures: the model takes none' });
  }
  const picture = fitPicture(await decodePicture(path), recipe.encoder.feed, image);
  if (typeof picture === 'string') {
    throw fail('VC6109', { where: name, found: picture, hint: '--inputs takes recorded pixel_values' });
  }
  return sampleMedia('image', [picture], recipe.encoder, image, name);
}

/** The prompt may be about the pictures that follow its own, too. */
function readPrompt(
  { text, picture, where }: PlannedPrompt,
  tokenizer: Tokenizer,
  recipe: GenerationRecipe,
  pictures: readonly SampleMedia[],
): Prompt {
  const shown = picture === undefined ? 0 : 1;
  const { places, prompt } = encodePrompt(
    { text, first: picture ?? 0, shown, where },
    tokenizer,
    recipe,
    pictures,
  );
  const fits = picture === undefined ? places === 0 : places > 0 && picture + places <= pictures.length;
  if (fits && places > 1 && sharedPrompt(recipe) !== recipe) {
    throw fail('VC6109', {
      where,
      found: `places for ${plural(places, 'picture')}`,
      expected: 'one: the model sees pictures otherwise that share a prompt',
      hint: '--inputs takes recorded pixel_values of several',
    });
  }
  if (fits) return prompt();
  const marker = recipe.prompt?.picture ?? '';
  throw fail('VC6109', {
    where,
    found: `places for ${plural(places, 'picture')}`,
    expected:
      picture === undefined
        ? 'none: there is no picture of this name'
        : `1 to ${pictures.length - picture}: the picture of this name and those after it`,
    ...(marker === '' ? {} : { hint: `${marker} is where a picture goes` }),
  });
}
