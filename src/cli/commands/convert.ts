/** The conversion as a command: options from flags and config file, the result. */
import { access } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import type { ConvertOptions } from '../../index.ts';
import { fail } from '../../report/diagnostics.ts';
import { readConfigFile } from '../config-file.ts';
import type { Io } from '../io.ts';
import { withPaths } from '../paths.ts';
import type { Request } from '../program.ts';
import { publishReport, withJunit } from '../publish-report.ts';
import { renderResult } from '../render/result.ts';
import { flagName, type RunOptions, runJob, splitOptions } from '../run-job.ts';
import { parseOptionValues } from '../schema.ts';

type ConvertRequest = Extract<Request, { command: 'convert' }>;

export async function runConvert(request: ConvertRequest, io: Io): Promise<number> {
  const { options, run } = await collectOptions(request, io);
  const { convert, planConversion, summaryLines } = await import('../../index.ts');
  const junit = run.junit === undefined ? undefined : resolve(io.cwd, run.junit);
  if (junit !== undefined && options.parity === false) {
    throw fail('VC4002', {
      where: '--junit',
      found: '--no-parity',
      expected: 'a check, whose gates it lists',
    });
  }
  return runJob(
    {
      plan: () => planConversion(options, { cwd: io.cwd }),
      work: (context) =>
        withJunit(junit, async () => {
          const result = await convert(options, context);
          if (result.parity !== undefined) await publishReport(result.parity, junit, io);
          return result;
        }),
      render: (result, shown) =>
        renderResult(result, shown, result.parity === undefined ? [] : summaryLines(result.parity)),
    },
    run,
    io,
  );
}

/** Flags over config file over what the current folder says. */
async function collectOptions(
  request: ConvertRequest,
  io: Io,
): Promise<{ readonly options: ConvertOptions; readonly run: RunOptions }> {
  const config = await readConfigFile(request.config, io.cwd);
  const flags = parseOptionValues(request.raw, flagName);
  const { run, work } = splitOptions({ ...config?.values, ...flags });
  const rest = work as Partial<ConvertOptions>;
  const checkpoint = rest.checkpoint ?? (await currentCheckpoint(io.cwd));
  if (extname(checkpoint).toLowerCase() === '.onnx') {
    const hint = 'vlm-convert quantize takes an ONNX model';
    throw fail('VC1102', { where: checkpoint, hint });
  }
  const options = withPaths({ ...rest, checkpoint }, io.cwd) as Partial<ConvertOptions>;
  return { options: { checkpoint, ...options }, run };
}

async function currentCheckpoint(cwd: string): Promise<string> {
  try {
    await access(join(cwd, 'config.json'));
    return cwd;
  } catch {
    throw fail('VC4005', { where: cwd });
  }
}
