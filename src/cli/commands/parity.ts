/** `vlm-convert parity`: checks an output again. */
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RecheckOptions } from '../../index.ts';
import { fail } from '../../report/diagnostics.ts';
import { parityOptions } from '../check-options.ts';
import type { Io } from '../io.ts';
import { withPaths } from '../paths.ts';
import type { Request } from '../program.ts';
import { publishReport, withJunit } from '../publish-report.ts';
import { flagName, runJob, splitOptions } from '../run-job.ts';
import { parseValues } from '../schema.ts';

type ParityRequest = Extract<Request, { command: 'parity' }>;

export async function runParityCommand({ output, raw }: ParityRequest, io: Io): Promise<number> {
  if (output === undefined) throw fail('VC4012');
  const { run, work } = splitOptions(parseValues(parityOptions, raw, (key) => flagName(key, parityOptions)));
  const given = withPaths(work, io.cwd, parityOptions) as Partial<RecheckOptions>;
  const options: RecheckOptions = {
    ...given,
    output: resolve(io.cwd, output),
    checkpoint: given.checkpoint ?? (await currentCheckpoint(io.cwd)),
  };
  const junit = run.junit === undefined ? undefined : resolve(io.cwd, run.junit);
  const { recheck, summaryLines } = await import('../../index.ts');
  return runJob(
    {
      work: (context) =>
        withJunit(junit, async () => {
          const result = await recheck(options, context);
          await publishReport(result.parity, junit, io);
          return result;
        }),
      render: ({ parity }, shown) =>
        [...summaryLines(parity), `Report: ${shown}/parity-report.html, .md and .json`, ''].join('\n'),
    },
    run,
    io,
  );
}

async function currentCheckpoint(cwd: string): Promise<string> {
  try {
    await access(join(cwd, 'config.json'));
    return cwd;
  } catch {
    throw fail('VC4012', { where: cwd, found: 'no checkpoint is named and the current folder is none' });
  }
}
