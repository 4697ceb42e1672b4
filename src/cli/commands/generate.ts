/** `vlm-convert run`: an answer of an output's graphs, token by token on standard output. */
import { resolve } from 'node:path';
import type { GenerateOptions } from '../../index.ts';
import { exitCodes, fail } from '../../report/diagnostics.ts';
import { warningsReporter } from '../../report/sinks.ts';
import { generateOptions } from '../generate-options.ts';
import type { Io } from '../io.ts';
import type { Request } from '../program.ts';
import { flagName, splitOptions } from '../run-job.ts';
import { parseValues } from '../schema.ts';

type GenerateRequest = Extract<Request, { command: 'run' }>;

export async function runGenerate({ output, raw }: GenerateRequest, io: Io): Promise<number> {
  const values = parseValues(generateOptions, raw, (key) => flagName(key, generateOptions));
  const { run, work } = splitOptions(values);
  const { prompt, image, video, audio, fps, ...others } = work as Partial<GenerateOptions> & {
    readonly image?: readonly string[];
    readonly video?: readonly string[];
    readonly audio?: readonly string[];
    readonly fps?: number;
  };
  if (fps === 0) throw fail('VC4002', { where: '--fps', found: '0', expected: 'a number above 0' });
  if (output === undefined || prompt === undefined) {
    throw fail('VC4015', { found: `no ${output === undefined ? 'output folder' : '--prompt'}` });
  }
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
        prompt,
        output: resolve(io.cwd, output),
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
