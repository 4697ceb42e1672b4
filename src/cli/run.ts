/** Runs a command line that asks for work, and turns whatever goes wrong into one message and an exit code. */
import { fail, VlmError } from '../report/diagnostics.ts';
import type { Io } from './io.ts';
import { parseCommandLine } from './program.ts';

/** Never rejects; codes are in report/diagnostics.ts. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    const request = parseCommandLine(argv);
    switch (request.command) {
      case 'inspect': {
        const { runInspect } = await import('./commands/inspect.ts');
        return await runInspect(request, io);
      }
      case 'quantize': {
        const { runQuantize } = await import('./commands/quantize.ts');
        return await runQuantize(request, io);
      }
      case 'parity': {
        const { runParityCommand } = await import('./commands/parity.ts');
        return await runParityCommand(request, io);
      }
      case 'compare': {
        const { runCompare } = await import('./commands/compare.ts');
        return await runCompare(request, io);
      }
      case 'bisect': {
        const { runBisect } = await import('./commands/bisect.ts');
        return await runBisect(request, io);
      }
      case 'run': {
        const { runGenerate } = await import('./commands/generate.ts');
        return await runGenerate(request, io);
      }
      case 'opt': {
        const { runOpt } = await import('./commands/opt.ts');
        return await runOpt(request, io);
      }
      case 'convert': {
        const { runConvert } = await import('./commands/convert.ts');
        return await runConvert(request, io);
      }
    }
  } catch (error) {
    const known = error instanceof VlmError ? error : internal(error);
    const debug = argv.includes('--debug');
    io.err(`${known.message}\n${debug ? `${stackOf(known)}\n` : ''}`);
    if (argv.includes('--json')) {
      io.out(`${JSON.stringify({ ok: false, exitCode: known.exitCode, error: known.record }, null, 2)}\n`);
    }
    return known.exitCode;
  }
}

function internal(cause: unknown): VlmError {
  const found = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return fail('VC9001', { found, hint: 'please report this, with the stack that --debug prints', cause });
}

/** Chains longer than this repeat themselves. */
const mostCauses = 8;

/** The stacks of an error and its causes. */
function stackOf(error: Error): string {
  const stacks: string[] = [];
  for (let at: unknown = error; at instanceof Error && stacks.length < mostCauses; at = at.cause) {
    stacks.push(at.stack ?? at.message);
  }
  return stacks.join('\ncaused by ');
}
