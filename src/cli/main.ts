/**
 * The command line as a function: arguments in, exit code out. Nothing heavy is imported before it is known that
 * there is work to do: `--help` and `--version` answer at once.
 */
import { readFileSync } from 'node:fs';
import { exitCodes, fail, VlmError } from '../report/diagnostics.ts';
import { type Io, processIo } from './io.ts';
import { parseCommandLine, type Request } from './program.ts';

/** Runs the command line `argv` (without node and script) and returns the exit code; never rejects. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  let request: Request | undefined;
  try {
    request = parseCommandLine(argv, toolVersion(), io.columns);
    switch (request.command) {
      case 'print':
        io.out(request.text);
        return exitCodes.ok;
      case 'inspect': {
        const { runInspect } = await import('./commands/inspect.ts');
        return await runInspect(request, io);
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

/** The stacks of an error and its causes. */
function stackOf(error: Error): string {
  const stacks: string[] = [];
  for (let at: unknown = error; at instanceof Error && stacks.length < 8; at = at.cause) {
    stacks.push(at.stack ?? at.message);
  }
  return stacks.join('\ncaused by ');
}

function toolVersion(): string {
  // The same two levels up from src/cli and from dist/cli.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
