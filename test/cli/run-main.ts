/** Runs the command line inside the test process and keeps what it prints. */
import { main } from '../../src/cli/main.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stepSummary?: string;
  /** Called with every text that goes to standard output; `interrupt` is Ctrl-C. */
  readonly onOut?: (text: string, interrupt: () => void) => void;
}

export async function runMain(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = '';
  let err = '';
  let interrupt: () => void = () => {};
  const code = await main(argv, {
    out: (text) => {
      out += text;
      options.onOut?.(text, () => interrupt());
    },
    err: (text) => {
      err += text;
    },
    terminal: false,
    columns: 100,
    cwd: options.cwd ?? process.cwd(),
    ...(options.stepSummary === undefined ? {} : { stepSummary: options.stepSummary }),
    onInterrupt: (handler) => {
      interrupt = handler;
      return () => {
        interrupt = () => {};
      };
    },
  });
  return { code, out, err };
}
