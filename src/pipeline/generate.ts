/**
 * Answers a prompt with the graphs of an output folder, as any program that uses them would: pictures are made into
 * what the vision component takes, the prompt into ids with a place for each feature, and the decoder picks token after
 * token, greedily. The folder alone suffices.
 */
import { readdir } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { isPicture } from '../architectures/log-mel.ts';
import {
  argMax,
  cutSounds,
  decodePicture,
  embedIds,
  encodePrompt,
  fitPicture,
  openTokenizer,
  type Prompt,
  readSound,
  readVideo,
  runDecoder,
  type SamplePicture,
  samplePicture,
  sharedPrompt,
  splice,
  type Tokenizer,
} from '../parity/index.ts';
import { fail } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { silentReporter } from '../report/sinks.ts';
import { type RunTensor, toFloat32 } from '../runtime/values.ts';
import { checkDevice } from './check-device.ts';
import type { ConvertContext } from './convert.ts';
import type { Generation } from './generation.ts';
import { readGeneration } from './generation-schema.ts';
import { orInterrupted } from './make-output.ts';
import { openManifest } from './recheck.ts';
import { RunModels } from './run-models.ts';
import { TextStream } from './text-stream.ts';

export interface GenerateOptions {
  /** Folder of an earlier output. */
  readonly output: string;
  /** Picture files, in the order in which the prompt shows them. */
  readonly images?: readonly string[] | undefined;
  /** WAV files, in the order in which the prompt marks them; cut to what the encoder takes. */
  readonly audios?: readonly string[] | undefined;
  /** Folders of frames, as pictures in the order of their names; they come after the pictures. */
  readonly videos?: readonly string[] | undefined;
  /** Frames that such a folder has in a second; two of them are looked at. Default 2: all of them. */
  readonly framesPerSecond?: number | undefined;
  /** A user's words; where they do not mark the places of pictures, these come before them, in the family's form. */
  readonly prompt: string;
  /** Default 256. */
  readonly maxTokens?: number | undefined;
  readonly device?: 'auto' | 'cpu' | 'webgpu' | 'cuda' | undefined;
}

export interface Generated {
  readonly output: string;
  readonly text: string;
  readonly ids: readonly number[];
  /** Why it ends there: at an id that ends an answer, or at as many tokens as were asked for. */
  readonly stopped: 'end' | 'length';
  /** Tokens of the prompt, those of pictures included. */
  readonly promptTokens: number;
  /** Per picture, then per video: its path, the size that it was brought to, its views or pairs of frames, its tokens. */
  readonly images: readonly {
    readonly file: string;
    readonly width: number;
    readonly height: number;
    readonly views: number;
    readonly tokens: number;
  }[];
  /** Per sound: its path, how much of it was heard, and its tokens. */
  readonly sounds: readonly { readonly file: string; readonly seconds: number; readonly tokens: number }[];
  readonly device: string;
  readonly milliseconds: { readonly load: number; readonly prefill: number; readonly decode: number };
}

export interface GenerateContext extends ConvertContext {
  /** Called with the text as it grows. */
  readonly onText?: (text: string) => void;
}

const defaultMaxTokens = 256;
/** As many as are looked at. */
const defaultFramesPerSecond = 2;

/**
 * Throws VlmError: VC4011 when the folder is no output that can be run, VC6109 for pictures and prompts that cannot be
 * used, VC6001 to VC6004 from the runtime, VC6104 where a graph gives numbers that are not finite, VC5190 when stopped
 * by the signal.
 */
export async function generate(options: GenerateOptions, context: GenerateContext = {}): Promise<Generated> {
  const signal = context.signal ?? new AbortController().signal;
  try {
    return await answer(options, context, signal);
  } catch (error) {
    throw orInterrupted(error, signal);
  }
}

async function answer(
  options: GenerateOptions,
  context: GenerateContext,
  signal: AbortSignal,
): Promise<Generated> {
  const cwd = context.cwd ?? process.cwd();
  const folder = resolve(cwd, options.output);
  const known = readGeneration(await openManifest(folder), folder);
  const { device } = await checkDevice(options.device ?? 'cpu', context.reporter ?? silentReporter);
  const files = (options.images ?? []).map((path) => resolve(cwd, path));
  const shared = files.length > 1;
  const generation = shared ? { ...known, recipe: sharedPrompt(known.recipe) } : known;
  const folders = (options.videos ?? []).map((path) => resolve(cwd, path));
  const recordings = (options.audios ?? []).map((path) => resolve(cwd, path));
  const pictures: SamplePicture[] = [];
  for (const path of files) pictures.push(await readPicture(path, generation));
  for (const path of folders) pictures.push(await readFrames(path, options, generation));
  for (const path of recordings) {
    pictures.push(await readSound(path, generation.recipe.encoder, generation.audio));
  }
  context.reporter?.warn(cutSounds(pictures, generation.audio));
  const tokenizer = await openTokenizer({ path: folder, files: await readdir(folder) });
  const prompt = encode(options.prompt, tokenizer, generation, pictures);

  const clock = { started: performance.now(), loaded: 0, filled: 0 };
  const models = new RunModels(folder, generation, device);
  const stream = new TextStream(tokenizer, context.onText ?? (() => {}));
  const most = options.maxTokens ?? defaultMaxTokens;
  let stopped: Generated['stopped'] = 'length';
  try {
    const features = await models.features(pictures, signal);
    const embed = await models.open(generation.recipe.embed.component);
    const decoder = await models.open(generation.recipe.decoder.component);
    clock.loaded = performance.now();
    const { recipe } = generation;
    const start = splice(await embedIds(embed, prompt.ids), prompt, features);
    let run = await runDecoder(decoder, recipe, prompt, start);
    clock.filled = performance.now();
    for (let step = 0; step < most; step += 1) {
      signal.throwIfAborted();
      const id = pick(run.logits);
      if (generation.stopIds.includes(id)) {
        stopped = 'end';
        break;
      }
      stream.push(id);
      if (step + 1 === most) break;
      const after = { step, cache: run.cache };
      run = await runDecoder(decoder, recipe, prompt, await embedIds(embed, [id]), after);
    }
  } finally {
    await models.release();
  }
  const text = stream.finish();
  return {
    output: folder,
    text,
    ids: stream.ids,
    stopped,
    promptTokens: prompt.ids.length,
    ...describeMedia(pictures, [...files, ...folders, ...recordings], generation),
    device,
    milliseconds: {
      load: Math.round(clock.loaded - clock.started),
      prefill: Math.round(clock.filled - clock.loaded),
      decode: Math.round(performance.now() - clock.filled),
    },
  };
}

async function readPicture(path: string, { recipe, image }: Generation): Promise<SamplePicture> {
  const name = basename(path);
  if (recipe.encoder === undefined || image === undefined) {
    throw fail('VC6109', { where: name, expected: 'no pictures: the model takes none' });
  }
  const picture = fitPicture(await decodePicture(path), recipe.encoder.feed, image);
  if (typeof picture === 'string') throw fail('VC6109', { where: name, found: picture });
  return samplePicture('image', [picture], recipe.encoder, image, name);
}

/** `files`: of the pictures, videos and sounds, in their order. */
function describeMedia(
  media: readonly SamplePicture[],
  files: readonly string[],
  { audio }: Generation,
): Pick<Generated, 'images' | 'sounds'> {
  const of = media.map(({ layout }, index) => ({ layout, file: files[index] ?? '' }));
  return {
    images: of.flatMap(({ layout, file }) =>
      isPicture(layout) ? [{ file, ...layout.input, views: layout.views.length, tokens: layout.tokens }] : [],
    ),
    sounds: of.flatMap(({ layout, file }) =>
      isPicture(layout) || audio === undefined
        ? []
        : [{ file, seconds: (layout.frames * audio.hop) / audio.sampleRate, tokens: layout.tokens }],
    ),
  };
}

async function readFrames(
  path: string,
  { framesPerSecond = defaultFramesPerSecond }: GenerateOptions,
  { recipe, image }: Generation,
): Promise<SamplePicture> {
  if (recipe.encoder === undefined || image === undefined) {
    throw fail('VC6109', { where: basename(path), expected: 'no video: the model takes none' });
  }
  return await readVideo(path, framesPerSecond, recipe.encoder, image);
}

function encode(
  text: string,
  tokenizer: Tokenizer,
  { recipe, audio }: Generation,
  pictures: readonly SamplePicture[],
): Prompt {
  const where = 'the prompt';
  const asked = { text, first: 0, shown: pictures.length, where };
  const { places, prompt } = encodePrompt(asked, tokenizer, recipe, pictures);
  if (places === pictures.length) return prompt();
  const what = audio === undefined ? 'picture' : 'sound';
  throw fail('VC6109', {
    where,
    found: `places for ${plural(places, what)}, and ${plural(pictures.length, what)} given`,
    expected: 'as many',
    ...(recipe.prompt === undefined ? {} : { hint: `${recipe.prompt.picture} is where a ${what} goes` }),
  });
}

/** The best id after the last position of logits [1, S, vocab]. */
function pick(logits: RunTensor): number {
  const vocab = logits.shape[2] ?? 0;
  const last = toFloat32(logits).subarray(-vocab);
  const best = argMax(last);
  if (best < 0 || !last.every(Number.isFinite)) throw fail('VC6104', { where: 'logits' });
  return best;
}
