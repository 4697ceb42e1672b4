/**
 * The command line as a function: arguments in, exit code out. `--help` and `--version` are answered here from the
 * option table alone; whatever else is imported only when there is work to do, so that the answer comes at once.
 */
import { readFileSync } from 'node:fs';
import { type Io, processIo } from './io.ts';

/** Runs the command line `argv` (without node and script) and returns the exit code; never rejects. */
export async function main(argv: readonly string[], io: Io = processIo()): Promise<number> {
  const end = argv.indexOf('--');
  const flags = end === -1 ? argv : argv.slice(0, end);
  if (flags.includes('--help') || flags.includes('-h')) {
    io.out((await helpOf(argv[0] ?? ''))(io.columns));
    return 0;
  }
  if (flags.includes('--version')) {
    io.out(`${toolVersion()}\n`);
    return 0;
  }
  const { run } = await import('./run.ts');
  return run(argv, io);
}

/** Commands that have a help of their own. */
const commands: ReadonlySet<string> = new Set([
  'bisect',
  'compare',
  'inspect',
  'opt',
  'parity',
  'quantize',
  'run',
]);

async function helpOf(command: string): Promise<(columns: number) => string> {
  const { convertHelp } = await import('./help.ts');
  if (!commands.has(command)) return convertHelp;
  const { commandHelps } = await import('./command-help.ts');
  return commandHelps[command] ?? convertHelp;
}

function toolVersion(): string {
  // The same two levels up from src/cli and from dist/cli.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
