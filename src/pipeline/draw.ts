/**
 * Draws a picture with the graphs of an output folder: the prompt in two rows, with what to draw and without, goes through
 * the decoder, the head reads its last states as codes, guidance weighs both rows, and the code that is picked goes on as
 * the next embedding of both. The generator makes pixels of all codes. The folder alone suffices.
 */
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { PictureGeneration } from '../architectures/recipe.ts';
import {
  argMax,
  drawingNames,
  embedRows,
  guidedLogits,
  openTokenizer,
  output as outputOf,
  type Picture,
  picturesOf,
  Random,
  runDecoder,
  unconditionalRow,
} from '../parity/index.ts';
import { fail } from '../report/diagnostics.ts';
import { formatSeconds } from '../report/format.ts';
import { type Progress, runStage } from '../report/progress.ts';
import { quote } from '../report/show.ts';
import { silentReporter } from '../report/sinks.ts';
import type { Session } from '../runtime/session.ts';
import { int64Value, toFloat32 } from '../runtime/values.ts';
import { checkDevice } from './check-device.ts';
import type { ConvertContext } from './convert.ts';
import type { Generation } from './generation.ts';
import { readGeneration } from './generation-schema.ts';
import { orInterrupted } from './make-output.ts';
import { checkPictureFile, writePicture } from './picture-file.ts';
import { openManifest } from './recheck.ts';
import { RunModels } from './run-models.ts';

export interface DrawOptions {
  /** Folder of an earlier output. */
  readonly output: string;
  /** The PNG file to write. */
  readonly picture: string;
  /** What the picture is to show. */
  readonly prompt: string;
  /** Weight of the prompt: w of u + w (c - u). Default: the family's. */
  readonly guidance?: number | undefined;
  /** Codes are drawn at this temperature; 0, the default: the best one is picked. */
  readonly temperature?: number | undefined;
  /** Of what is drawn; default 1. */
  readonly seed?: number | undefined;
  /** Replaces the file where it is there. */
  readonly force?: boolean | undefined;
  readonly device?: 'auto' | 'cpu' | 'webgpu' | 'cuda' | undefined;
}

export interface Drawn {
  readonly output: string;
  /** The PNG file. */
  readonly picture: string;
  readonly width: number;
  readonly height: number;
  /** Row-major. */
  readonly codes: readonly number[];
  /** Tokens of each row of the prompt. */
  readonly promptTokens: number;
  readonly guidance: number;
  readonly temperature: number;
  readonly device: string;
  readonly milliseconds: {
    readonly load: number;
    readonly prefill: number;
    readonly decode: number;
    readonly paint: number;
  };
}

/**
 * Throws VlmError: VC4011 when the folder is no output that can be run, VC6113 when its model draws nothing, VC6109 for
 * prompts that cannot be used, VC5122 when the file is there, VC5105 when it cannot be written, VC6001 to VC6004 from the
 * runtime, VC6104 where a graph gives numbers that are not finite, VC5190 when stopped by the signal.
 */
export async function draw(options: DrawOptions, context: ConvertContext = {}): Promise<Drawn> {
  const signal = context.signal ?? new AbortController().signal;
  try {
    return await drawPicture(options, context, signal);
  } catch (error) {
    throw orInterrupted(error, signal);
  }
}

async function drawPicture(
  options: DrawOptions,
  { cwd = process.cwd(), reporter = silentReporter }: ConvertContext,
  signal: AbortSignal,
): Promise<Drawn> {
  const folder = resolve(cwd, options.output);
  const picture = resolve(cwd, options.picture);
  const { force = false, seed = 1, temperature = 0 } = options;
  const generation = readGeneration(await openManifest(folder), folder);
  const { pictures } = generation.recipe;
  if (pictures === undefined) throw fail('VC6113', { where: folder });
  await checkPictureFile(picture, force);
  const { device } = await checkDevice(options.device ?? 'cpu', reporter);
  const rows = await encodeRows(options.prompt, folder, generation, pictures);
  const guidance = options.guidance ?? pictures.guidance;
  reporter.stages([
    { id: 'codes', title: 'Draw codes' },
    { id: 'paint', title: 'Paint the picture' },
  ]);
  const models = new RunModels(folder, generation, device);
  try {
    const pick = temperature === 0 ? best : sampler(temperature, seed);
    const drawn = await runStage(
      reporter,
      'codes',
      (onProgress) => drawCodes({ models, generation, pictures, rows, guidance, pick, onProgress, signal }),
      ({ codes, decode }) => `${codes.length} in ${formatSeconds(decode / 1000)}`,
    );
    const started = performance.now();
    await models.release();
    const painted = await runStage(reporter, 'paint', async () => {
      const made = await models.once(pictures.generator.component, (session) =>
        paint(session, drawn.codes, pictures),
      );
      signal.throwIfAborted();
      await writePicture(picture, made, force);
      return made;
    });
    const { load, prefill, decode } = drawn;
    const times = { load, prefill, decode, paint: performance.now() - started };
    return {
      output: folder,
      picture,
      width: painted.width,
      height: painted.height,
      codes: drawn.codes,
      promptTokens: rows[0].length,
      guidance,
      temperature,
      device,
      milliseconds: {
        load: Math.round(times.load),
        prefill: Math.round(times.prefill),
        decode: Math.round(times.decode),
        paint: Math.round(times.paint),
      },
    };
  } finally {
    await models.release();
  }
}

type Rows = readonly [readonly number[], readonly number[]];

/** Ids of both rows. Throws VC6109 where the text gives ids that are not the model's. */
async function encodeRows(
  text: string,
  folder: string,
  { recipe: { vocabSize } }: Generation,
  pictures: PictureGeneration,
): Promise<Rows> {
  const tokenizer = await openTokenizer({ path: folder, files: await readdir(folder) });
  const ids = tokenizer.encode(pictures.prompt.replace('{text}', () => text));
  const strange = ids.find((id) => id >= vocabSize);
  if (ids.length === 0 || strange !== undefined) {
    throw fail('VC6109', {
      where: 'the prompt',
      found: strange === undefined ? quote(text) : `id ${strange}`,
      expected: `ids below ${vocabSize}`,
    });
  }
  return [ids, unconditionalRow(ids, pictures)];
}

/** Of guided logits a code. */
type Pick = (logits: Float32Array) => number;

const best: Pick = argMax;

/** Softmax of logits over the temperature, in float64; the same seed picks the same. */
function sampler(temperature: number, seed: number): Pick {
  const random = new Random(seed);
  return (logits) => {
    const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const weights = Array.from(logits, (logit) => Math.exp((logit - most) / temperature));
    let left = random.unit() * weights.reduce((a, b) => a + b, 0);
    const code = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    // What rounding leaves over falls to the best one.
    return code === -1 ? argMax(logits) : code;
  };
}

interface CodesRequest {
  readonly models: RunModels;
  readonly generation: Generation;
  readonly pictures: PictureGeneration;
  readonly rows: Rows;
  readonly guidance: number;
  readonly pick: Pick;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

interface DrawnCodes {
  readonly codes: readonly number[];
  /** Milliseconds. */
  readonly load: number;
  readonly prefill: number;
  readonly decode: number;
}

/** Every step picks one code for both rows, and goes on with its embedding. */
async function drawCodes(request: CodesRequest): Promise<DrawnCodes> {
  const { models, pictures, rows, guidance, pick, onProgress, signal } = request;
  const { recipe } = request.generation;
  const count = pictures.grid.rows * pictures.grid.columns;
  const started = performance.now();
  const start = await models.once(recipe.embed.component, (session) => embedRows(session, rows));
  const decoder = await models.open(recipe.decoder.component);
  const head = await models.open(pictures.head.component);
  const embed = await models.open(pictures.embed.component);
  const loaded = performance.now();
  const prompt = { ids: rows[0] };
  let run = await runDecoder(decoder, recipe, prompt, start);
  const filled = performance.now();
  const codes: number[] = [];
  for (;;) {
    signal.throwIfAborted();
    if (run.hidden === undefined) {
      throw fail('VC6101', { where: recipe.decoder.component, expected: 'an output of hidden states' });
    }
    codes.push(pick(await guidedLogits(head, run.hidden, pictures, guidance)));
    onProgress({
      done: codes.length,
      total: count,
      unit: 'steps',
      text: rateText(codes.length, count, filled),
    });
    if (codes.length === count) break;
    const code = codes.at(-1) ?? 0;
    const next = await embedRows(
      embed,
      rows.map(() => [code]),
    );
    run = await runDecoder(decoder, recipe, prompt, next, { step: codes.length - 1, cache: run.cache });
  }
  return { codes, load: loaded - started, prefill: filled - loaded, decode: performance.now() - filled };
}

/** A rate over less time than this is noise. */
const leastSeconds = 0.5;

function rateText(done: number, count: number, since: number): string {
  const seconds = (performance.now() - since) / 1000;
  if (seconds < leastSeconds) return 'codes';
  const rate = done / seconds;
  return `codes, ${rate.toPrecision(3)}/s, ${formatSeconds((count - done) / rate)} left`;
}

/** Throws VC6102 where the generator gives no picture, VC6104 where its pixels are not finite. */
async function paint(
  session: Session,
  codes: readonly number[],
  pictures: PictureGeneration,
): Promise<Picture> {
  const feeds = new Map([[drawingNames.codes, int64Value([1, codes.length], codes)]]);
  const pixels = outputOf(await session.run(feeds), drawingNames.pixels);
  const [count, channels] = pixels.shape;
  const [picture] = picturesOf(pixels, pictures);
  if (picture === undefined || pixels.shape.length !== 4 || count !== 1 || channels !== 3) {
    throw fail('VC6102', {
      where: 'pixels',
      found: `[${pixels.shape}]`,
      expected: 'one picture of three channels',
    });
  }
  if (!toFloat32(pixels).every(Number.isFinite)) throw fail('VC6104', { where: 'pixels' });
  return picture;
}
