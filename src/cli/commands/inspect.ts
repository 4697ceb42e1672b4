/** `vlm-convert inspect`: prints an inspection; exit code 4 when it shows something that is refused. */
import { basename, resolve } from 'node:path';
import { exitCodes, formatDiagnostic } from '../../report/diagnostics.ts';
import type { Io } from '../io.ts';
import type { Request } from '../program.ts';
import { renderInspection } from '../render/inspection.ts';

export async function runInspect(request: Extract<Request, { command: 'inspect' }>, io: Io): Promise<number> {
  const { inspect } = await import('../../index.ts');
  const path = resolve(io.cwd, request.path ?? '.');
  const inspection = await inspect(path);
  const errors = inspection.problems.filter((problem) => problem.severity === 'error');
  if (request.json) io.out(`${JSON.stringify({ ok: errors.length === 0, ...inspection }, null, 2)}\n`);
  else io.out(renderInspection(inspection, basename(path)));
  for (const problem of inspection.problems) io.err(`${formatDiagnostic(problem)}\n`);
  return errors.length === 0 ? exitCodes.ok : exitCodes.input;
}
