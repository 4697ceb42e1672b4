/** `vlm-convert inspect`: prints an inspection; exit code 4 when it shows something that is refused. */
import { basename, resolve } from 'node:path';
import type { InspectOptions } from '../../index.ts';
import { exitCodes, formatDiagnostic } from '../../report/diagnostics.ts';
import { inspectOptions } from '../inspect-options.ts';
import type { Io } from '../io.ts';
import type { Request } from '../program.ts';
import { renderInspection, renderViews } from '../render/inspection.ts';
import { flagName, splitOptions } from '../run-job.ts';
import { parseValues } from '../schema.ts';

type InspectRequest = Extract<Request, { command: 'inspect' }>;

export async function runInspect({ path: given, raw }: InspectRequest, io: Io): Promise<number> {
  const { run, work } = splitOptions(
    parseValues(inspectOptions, raw, (key) => flagName(key, inspectOptions)),
  );
  const { inspect } = await import('../../index.ts');
  const path = resolve(io.cwd, given ?? '.');
  const inspection = await inspect(path, work as InspectOptions);
  const errors = inspection.problems.filter((problem) => problem.severity === 'error');
  if (run.json === true) io.out(`${JSON.stringify({ ok: errors.length === 0, ...inspection }, null, 2)}\n`);
  else io.out(renderViews(inspection) ?? renderInspection(inspection, basename(path)));
  for (const problem of inspection.problems) io.err(`${formatDiagnostic(problem)}\n`);
  return errors.length === 0 ? exitCodes.ok : exitCodes.input;
}
