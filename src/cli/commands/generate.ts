/** `vlm-convert run`: an answer of an output's graphs, token by token on standard output, or the picture that they draw. */
import { relative, resolve } from 'node:path';
import type { DrawOptions, GenerateOptions } from '../../index.ts';
import { exitCodes, fail } from '../../report/diagnostics.ts';
import { warningsReporter } from '../../report/sinks.ts';
import { generateOptions } from '../generate-options.ts';
import type { Io } from '../io.ts';
import type { Request } from '../program.ts';
import { flagName, type RunOptions, runJob, splitOptions } from '../run-job.ts';
import { type OptionValues, parseValues } from '../schema.ts';

type GenerateRequest = Extract<Request, { command: 'run' }>;

export async function runGenerate({ output, raw }: GenerateRequest, io: Io): Promise<number> {
  const values = parseValues(generateOptions, raw, (key) => flagName(key, generateOptions));
  const { run, work } = splitOptions(values);
  const { prompt, ...given } = work;
  if (output === undefined || typeof prompt !== 'string') {
    throw fail('VC4015', { found: `no ${output === undefined ? 'output folder' : '--prompt'}` });
  }
  refuseTogether(given);
  const asked = { ...given, output: resolve(io.cwd, output), prompt };
  return isDrawing(asked) ? runDraw(asked, run, io) : runAnswer(asked, run, io);
}

interface Asked {
  readonly output: string;
  readonly prompt: string;
}

interface AskedToDraw extends Asked, Omit<DrawOptions, 'output' | 'prompt' | 'picture'> {
  readonly generate: string;
}

function isDrawing(asked: Asked): asked is AskedToDraw {
  return 'generate' in asked;
}

/** Options of a picture that is drawn, and those of an answer. */
const ofDrawing = ['guidance', 'temperature', 'seed', 'force'] as const;
const ofAnswer = ['image', 'video', 'audio', 'fps', 'maxTokens'] as const;

/** Throws VC4002 for options that would be left out without a word. */
function refuseTogether(given: OptionValues): void {
  const draws = given.generate !== undefined;
  const strange = (draws ? ofAnswer : ofDrawing).find((key) => given[key] !== undefined);
  if (strange === undefined && (given.seed === undefined || given.temperature !== undefined)) return;
  const where = flagName(strange ?? 'seed', generateOptions);
  const expected =
    strange === undefined
      ? 'a --temperature, whose draws it is of'
      : draws
        ? 'no such option: a picture is drawn from words alone'
        : '--generate, which it is of';
  throw fail('VC4002', { where, expected });
}

function runDraw({ generate: picture, ...asked }: AskedToDraw, run: RunOptions, io: Io): Promise<number> {
  return runJob(
    {
      work: async (context) => {
        const { draw } = await import('../../index.ts');
        return draw({ ...asked, picture: resolve(io.cwd, picture) }, context);
      },
      render: ({ picture: path, width, height, codes }) =>
        `${relative(io.cwd, path)}: ${width}x${height}, of ${codes.length} codes\n`,
    },
    run,
    io,
  );
}

async function runAnswer(asked: Asked, run: RunOptions, io: Io): Promise<number> {
  const { image, video, audio, fps, ...others } = asked as Asked &
    Partial<GenerateOptions> & {
      readonly image?: readonly string[];
      readonly video?: readonly string[];
      readonly audio?: readonly string[];
      readonly fps?: number;
    };
  if (fps === 0) throw fail('VC4002', { where: '--fps', found: '0', expected: 'a number above 0' });
  const { generate } = await import('../../index.ts');
  const interrupt = new AbortController();
  const stopListening = io.onInterrupt(() => interrupt.abort());
  try {
    const result = await generate(
      {
        ...others,
        images: image,
        videos: video,
        audios: audio,
        framesPerSecond: fps,
      },
      {
        cwd: io.cwd,
        signal: interrupt.signal,
        reporter: warningsReporter(io.err),
        ...(run.json === true ? {} : { onText: io.out }),
      },
    );
    io.out(run.json === true ? `${JSON.stringify({ ok: true, ...result }, null, 2)}\n` : '\n');
    return exitCodes.ok;
  } finally {
    stopListening();
  }
}
