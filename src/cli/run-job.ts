/** What the commands that do work have in common: the plan or the work, a reporter, the result, an exit code. */
import { relative } from 'node:path';
import type { ConvertContext, DiagnosticRecord, PlannedConversion, Reporter } from '../index.ts';
import { exitCodes, formatDiagnostic } from '../report/diagnostics.ts';
import { plainReporter, silentReporter, warningsReporter } from '../report/sinks.ts';
import type { Io } from './io.ts';
import { type OptionSpec, optionTable } from './options.ts';
import { renderPlan } from './render/plan.ts';
import type { OptionValues } from './schema.ts';

/** Options that are the command's own, not those of its work. */
export interface RunOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly junit?: string;
}

export interface Job<R> {
  /** Of commands that know `--dry-run`. */
  readonly plan?: () => Promise<PlannedConversion>;
  readonly work: (context: ConvertContext) => Promise<R>;
  /** `shown`: the output's path as the user reads it. */
  readonly render: (result: R, shown: string) => string;
}

export interface JobResult {
  /** Where something was written. */
  readonly output?: string;
  /** What makes the result no success. */
  readonly failure?: DiagnosticRecord;
}

/** Runs the job, or prints its plan; the exit code. Throws what the job throws. */
export async function runJob<R extends JobResult>(job: Job<R>, run: RunOptions, io: Io): Promise<number> {
  if (run.dryRun === true && job.plan !== undefined) return printPlan(await job.plan(), run, io);
  const reporter = await chooseReporter(run, io);
  const interrupt = new AbortController();
  const stopListening = io.onInterrupt(() => interrupt.abort());
  let result: R;
  try {
    result = await job.work({
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
  const { failure } = result;
  if (run.json === true) io.out(`${JSON.stringify({ ok: failure === undefined, ...result }, null, 2)}\n`);
  else if (run.quiet !== true) io.out(job.render(result, shownPath(result.output ?? io.cwd, io.cwd)));
  if (failure === undefined) return exitCodes.ok;
  io.err(`${formatDiagnostic(failure)}\n`);
  return exitCodes.gate;
}

/** Splits what a command line says into the command's own options and those of its work. */
export function splitOptions(values: OptionValues): {
  readonly run: RunOptions;
  readonly work: OptionValues;
} {
  const { dryRun, json, quiet, debug, junit, ...work } = values as RunOptions & OptionValues;
  return {
    run: {
      ...(dryRun === undefined ? {} : { dryRun }),
      ...(json === undefined ? {} : { json }),
      ...(quiet === undefined ? {} : { quiet }),
      ...(debug === undefined ? {} : { debug }),
      ...(junit === undefined ? {} : { junit }),
    },
    work,
  };
}

/** The flag of an option, as messages name it. */
export function flagName(key: string, specs: readonly OptionSpec[] = optionTable): string {
  const spec = specs.find((candidate) => candidate.key === key);
  return spec === undefined ? key : (/--\S+/.exec(spec.flag)?.[0] ?? key);
}

function printPlan(planned: PlannedConversion, run: RunOptions, io: Io): number {
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

/** Relative to the current folder where that is shorter. */
function shownPath(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short !== '' && short.length < path.length ? short : path;
}

async function chooseReporter(run: RunOptions, io: Io): Promise<Reporter> {
  if (run.quiet === true) return silentReporter;
  if (run.json === true) return warningsReporter(io.err);
  if (!io.terminal) return plainReporter(io.out, io.err);
  const { taskListReporter } = await import('./task-list.ts');
  return taskListReporter(io.err);
}

/** Keeps what is needed to meet the failure of a pass again, for a report of the bug. */
function keepBroken(io: Io): NonNullable<ConvertContext['onBroken']> {
  return async (component, reproducer) => {
    const { writePassReproducer } = await import('../index.ts');
    const folder = await writePassReproducer(reproducer, component);
    io.err(`the graph before the pass that failed: ${folder} (vlm-convert opt --reproduce ${folder})\n`);
  };
}
