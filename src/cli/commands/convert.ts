/** The conversion as a command: options from flags and config file, a reporter that fits the terminal, the result. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join, relative, resolve } from 'node:path';
import type { ConvertContext, ConvertOptions, ConvertResult, Reporter } from '../../index.ts';
import { exitCodes, fail, formatDiagnostic } from '../../report/diagnostics.ts';
import { plainReporter, silentReporter, warningsReporter } from '../../report/sinks.ts';
import { readConfigFile } from '../config-file.ts';
import type { Io } from '../io.ts';
import { optionTable } from '../options.ts';
import type { Request } from '../program.ts';
import { renderPlan } from '../render/plan.ts';
import { renderResult } from '../render/result.ts';
import { type OptionValues, parseOptionValues } from '../schema.ts';

/** Options that are the command's own, not the conversion's. */
interface RunOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

export async function runConvert(request: Extract<Request, { command: 'convert' }>, io: Io): Promise<number> {
  const { options, run } = await collectOptions(request, io);
  const { convert, planConversion } = await import('../../index.ts');
  if (run.dryRun === true) {
    const planned = await planConversion(options, { cwd: io.cwd });
    const ok = planned.refusal === undefined;
    if (run.json === true) {
      io.out(`${JSON.stringify({ ok, dryRun: true, ...planned }, null, 2)}\n`);
      warningsReporter(io.err).warn(planned.plan.warnings);
    } else if (run.quiet !== true) {
      io.out(renderPlan(planned, shownPath(planned.output, io.cwd)));
    }
    if (planned.refusal !== undefined) io.err(`${formatDiagnostic(planned.refusal)}\n`);
    return ok ? exitCodes.ok : exitCodes.gate;
  }
  const reporter = await chooseReporter(run, io);
  const interrupt = new AbortController();
  const stopListening = io.onInterrupt(() => interrupt.abort());
  let result: ConvertResult;
  try {
    result = await convert(options, {
      reporter,
      cwd: io.cwd,
      signal: interrupt.signal,
      ...(run.debug === true ? { onBroken: keepBroken(io) } : {}),
    });
  } catch (error) {
    await reporter.close('failed');
    throw error;
  } finally {
    stopListening();
  }
  await reporter.close('ok');
  if (run.json === true) io.out(`${JSON.stringify({ ok: result.passed, ...result }, null, 2)}\n`);
  else if (run.quiet !== true) io.out(renderResult(result, shownPath(result.output, io.cwd)));
  if (result.failure === undefined) return exitCodes.ok;
  io.err(`${formatDiagnostic(result.failure)}\n`);
  return exitCodes.gate;
}

/** Relative to the current folder where that is shorter. */
function shownPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short !== '' && short.length < path.length ? short : path;
}

/** Flags over config file over what the current folder says. */
async function collectOptions(
  request: Extract<Request, { command: 'convert' }>,
  io: Io,
): Promise<{ readonly options: ConvertOptions; readonly run: RunOptions }> {
  const config = await readConfigFile(request.config, io.cwd);
  const flags = parseOptionValues(request.raw, flagName);
  const values: OptionValues = { ...config?.values, ...flags };
  const { dryRun, json, quiet, debug, ...rest } = values as RunOptions & Partial<ConvertOptions>;
  const checkpoint = rest.checkpoint ?? (await currentCheckpoint(io.cwd));
  const absolute = (path: string): string => (isAbsolute(path) ? path : resolve(io.cwd, path));
  return {
    options: {
      ...rest,
      checkpoint: absolute(checkpoint),
      ...(rest.output === undefined ? {} : { output: absolute(rest.output) }),
    },
    run: {
      ...(dryRun === undefined ? {} : { dryRun }),
      ...(json === undefined ? {} : { json }),
      ...(quiet === undefined ? {} : { quiet }),
      ...(debug === undefined ? {} : { debug }),
    },
  };
}

function flagName(key: string): string {
  const spec = optionTable.find((candidate) => candidate.key === key);
  return spec === undefined ? key : (spec.flag.split(' ')[0] ?? key);
}

async function currentCheckpoint(cwd: string): Promise<string> {
  try {
    await access(join(cwd, 'config.json'));
    return cwd;
  } catch {
    throw fail('VC4005', { where: cwd });
  }
}

async function chooseReporter(run: RunOptions, io: Io): Promise<Reporter> {
  if (run.quiet === true) return silentReporter;
  if (run.json === true) return warningsReporter(io.err);
  if (!io.terminal) return plainReporter(io.out, io.err);
  const { taskListReporter } = await import('../task-list.ts');
  return taskListReporter(io.err);
}

/** Keeps the graph before a pass that broke it, for a report of the bug. */
function keepBroken(io: Io): NonNullable<ConvertContext['onBroken']> {
  return (component, reproducer) => {
    const folder = mkdtempSync(join(tmpdir(), 'vlm-convert-'));
    const path = join(folder, `${component}.txt`);
    writeFileSync(path, `${reproducer.pipeline}\n\n${reproducer.graph}`);
    io.err(`the graph before the pass that failed: ${path}\n`);
  };
}
