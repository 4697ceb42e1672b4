/** What the command line touches of its process: streams, the current folder, signals. Tests give their own. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly terminal: boolean;
  readonly columns: number;
  readonly cwd: string;
  /** Calls `handler` at SIGINT and SIGTERM; the function returned stops that. */
  readonly onInterrupt: (handler: () => void) => () => void;
}

/** Ctrl-C, `kill`, and a terminal that is closed. */
const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function processIo(): Io {
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
    onInterrupt: (handler) => {
      for (const signal of interrupts) process.on(signal, handler);
      return () => {
        for (const signal of interrupts) process.off(signal, handler);
      };
    },
  };
}
