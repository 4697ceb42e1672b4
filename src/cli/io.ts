/** What the command line touches of its process: streams, the current folder, signals. Tests give their own. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly terminal: boolean;
  readonly columns: number;
  readonly cwd: string;
  /** A file whose Markdown a CI system shows beside the step: GitHub's `GITHUB_STEP_SUMMARY`. */
  readonly stepSummary?: string;
  /** Calls `handler` at SIGINT and SIGTERM; the function returned stops that. */
  readonly onInterrupt: (handler: () => void) => () => void;
}

/** Ctrl-C, `kill`, and a terminal that is closed. */
const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** exitCodes.output; the module of that table is too heavy for `--help`. */
const outputFailed = 5;

export function processIo(): Io {
  surviveLostOutput();
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    terminal:
      process.stdout.isTTY === true &&
      process.stdout.columns > 0 &&
      process.env.TERM !== 'dumb' &&
      process.env.CI === undefined,
    columns: Math.min(process.stdout.columns || 100, 120),
    cwd: process.cwd(),
    ...(process.env.GITHUB_STEP_SUMMARY ? { stepSummary: process.env.GITHUB_STEP_SUMMARY } : {}),
    onInterrupt: (handler) => {
      for (const signal of interrupts) process.on(signal, handler);
      return () => {
        for (const signal of interrupts) process.off(signal, handler);
      };
    },
  };
}

/**
 * A reader that goes away (`| head -1`) does not end the work: the rest of the text is dropped. Text that is lost
 * in another way, as on a full disk, makes a run that went well exit with the code of a failed output.
 */
function surviveLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      process.once('exit', () => {
        if (process.exitCode === 0) process.exitCode = outputFailed;
      });
    });
  }
}
