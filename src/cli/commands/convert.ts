/** The conversion as a command: options from flags and config file, the result. */
import { access } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import type { ConvertGraphOptions, ConvertOptions, VlmError } from '../../index.ts';
import { fail } from '../../report/diagnostics.ts';
import { readConfigFile } from '../config-file.ts';
import type { Io } from '../io.ts';
import { withPaths } from '../paths.ts';
import type { Request } from '../program.ts';
import { publishReport, withJunit } from '../publish-report.ts';
import { renderConvertedGraph, renderResult } from '../render/result.ts';
import { flagName, type RunOptions, runJob, splitOptions } from '../run-job.ts';
import { parseOptionValues } from '../schema.ts';
import { checkWholeSizes } from '../whole-sizes.ts';

type ConvertRequest = Extract<Request, { command: 'convert' }>;

export async function runConvert(request: ConvertRequest, io: Io): Promise<number> {
  const { options, run } = await collectOptions(request, io);
  if (isModel(options.checkpoint)) return convertModel(options, run, io);
  const { convert, planConversion, summaryLines } = await import('../../index.ts');
  const junit = run.junit === undefined ? undefined : resolve(io.cwd, run.junit);
  if (junit !== undefined && options.parity === false) {
    throw fail('VC4002', {
      where: '--junit',
      found: '--no-parity',
      expected: 'a check, whose gates it lists',
    });
  }
  if (options.dim !== undefined) throw refused('dim', 'a checkpoint, whose family knows its sizes');
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

/** What the command line and the config file say, of a checkpoint or of a model. */
type AllOptions = ConvertOptions & Pick<ConvertGraphOptions, 'dim'>;

function isModel(path: string): boolean {
  return extname(path).toLowerCase() === '.onnx';
}

/** Options of a model in ONNX; all others are about checkpoints. */
const modelKeys: ReadonlySet<string> = new Set<keyof AllOptions>([
  ...(['checkpoint', 'output', 'adapter', 'resolution', 'precision', 'blockSize', 'symmetric'] as const),
  ...(['quantizeEmbeddings', 'ioDtype', 'target', 'passes', 'parity', 'device', 'gate'] as const),
  ...(['inputs', 'seed', 'dim', 'strict', 'force', 'allowNonfinite', 'linkWeights'] as const),
  ...(['resume', 'verifyInputs', 'memory', 'jobs'] as const),
]);

async function convertModel(all: AllOptions, run: RunOptions, io: Io): Promise<number> {
  const { checkpoint, precision, passes, parity, ...rest } = all;
  for (const [key, value] of Object.entries(all)) {
    if (value !== undefined && !modelKeys.has(key)) throw refused(key, 'an ONNX model');
  }
  if (run.junit !== undefined) throw refused('junit', 'an ONNX model');
  if (typeof precision === 'object' || typeof passes === 'object') {
    throw refused(
      typeof precision === 'object' ? 'precision' : 'passes',
      'components, which a model has not',
    );
  }
  if (parity === 'streamed') throw refused('parity', 'an ONNX model, which is run whole');
  checkWholeSizes(rest.dim);
  const options: ConvertGraphOptions = {
    ...rest,
    model: checkpoint,
    precision,
    passes,
    parity: parity !== false,
  };
  const { convertGraph, graphSummary, planGraphConversion } = await import('../../index.ts');
  return runJob(
    {
      plan: () => planGraphConversion(options, { cwd: io.cwd }),
      work: (context) => convertGraph(options, context),
      render: (result, shown) =>
        renderConvertedGraph(result, shown, result.parity === undefined ? [] : graphSummary(result.parity)),
    },
    run,
    io,
  );
}

function refused(key: string, found: string): VlmError {
  const about = key === 'dim' ? 'an ONNX model' : 'a checkpoint';
  return fail('VC4002', { where: flagName(key), found, expected: about });
}

/** Flags over config file over what the current folder says. */
async function collectOptions(
  request: ConvertRequest,
  io: Io,
): Promise<{ readonly options: AllOptions; readonly run: RunOptions }> {
  const config = await readConfigFile(request.config, io.cwd);
  const flags = parseOptionValues(request.raw, flagName);
  const { run, work } = splitOptions({ ...config?.values, ...flags });
  const rest = work as Partial<ConvertOptions>;
  const checkpoint = rest.checkpoint ?? (await currentCheckpoint(io.cwd));
  const options = withPaths({ ...rest, checkpoint }, io.cwd) as Partial<AllOptions>;
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
