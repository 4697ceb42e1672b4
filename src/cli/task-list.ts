/**
 * A reporter on a terminal: listr2's task list. The list stands from the start; the open task shows how far it
 * is, how fast, and how long it will still take. Warnings are held back until the list is done.
 */
import { type DefaultRenderer, Listr, type ListrTaskWrapper, type SimpleRenderer } from 'listr2';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import { formatBytes, formatSeconds } from '../report/format.ts';
import type { Progress, Reporter } from '../report/progress.ts';
import { formatProgress, formatWarnings } from '../report/sinks.ts';

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>;

interface Entry {
  readonly title: string;
  /** Set once listr runs the task. */
  task?: Task;
  begun: number;
  finished: boolean;
  /** What the task's function waits for. */
  readonly end: PromiseWithResolvers<void>;
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: Error) => void;
}

/** A rate over less time than this is noise. */
const leastSeconds = 0.5;

export function taskListReporter(err: (text: string) => void): Reporter {
  const entries = new Map<string, Entry>();
  const warnings: DiagnosticRecord[] = [];
  let running: Promise<unknown> = Promise.resolve();
  return {
    stages: (stages) => {
      for (const { id, title } of stages)
        entries.set(id, { title, begun: 0, finished: false, end: withResolvers() });
      const list = new Listr(
        [...entries.values()].map((entry) => ({
          title: entry.title,
          task: (_: unknown, task: Task) => {
            entry.task = task;
            return entry.end.promise;
          },
        })),
        // Signals are handled by the command, which has files to remove.
        {
          registerSignalListeners: false,
          rendererOptions: { collapseErrors: false, showErrorMessage: false },
        },
      );
      // A failed stage ends the list; the error itself is thrown, and printed, by the command.
      running = list.run().catch(() => {});
    },
    start: (id) => {
      const entry = entries.get(id);
      if (entry !== undefined) entry.begun = performance.now();
    },
    progress: (id, progress) => {
      const entry = entries.get(id);
      if (entry?.task !== undefined) entry.task.title = `${entry.title}: ${withRate(progress, entry.begun)}`;
    },
    finish: (id, detail) => {
      const entry = entries.get(id);
      if (entry === undefined) return;
      if (entry.task !== undefined)
        entry.task.title = detail === undefined ? entry.title : `${entry.title}: ${detail}`;
      entry.finished = true;
      entry.end.resolve();
    },
    warn: (records) => {
      warnings.push(...records);
    },
    close: async (outcome) => {
      const open = [...entries.values()].find((entry) => !entry.finished);
      if (outcome === 'failed') open?.end.reject(new Error('failed'));
      await running;
      err(formatWarnings(warnings));
    },
  };
}

function withRate(progress: Progress, begun: number): string {
  const text = formatProgress(progress);
  const seconds = (performance.now() - begun) / 1000;
  if (progress.unit !== 'bytes' || seconds < leastSeconds || progress.done === 0) return text;
  const rate = progress.done / seconds;
  const left = (progress.total - progress.done) / rate;
  return `${text}, ${formatBytes(Math.round(rate))}/s, ${formatSeconds(left)} left`;
}

/** Promise.withResolvers, which Node 20 does not have. A rejection that nobody awaits is no fault. */
function withResolvers(): PromiseWithResolvers<void> {
  let resolve: (() => void) | undefined;
  let reject: ((reason: Error) => void) | undefined;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  if (resolve === undefined || reject === undefined)
    throw new TypeError('a promise runs its executor at once');
  return { promise, resolve, reject };
}
