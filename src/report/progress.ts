/**
 * How long work tells what it is doing. A `Reporter` gets the list of stages up front, then each stage's start,
 * progress and end in that order; how that looks (task list, plain lines, nothing) is the reporter's affair.
 */
import type { DiagnosticRecord } from './diagnostics.ts';

export interface StageSpec {
  readonly id: string;
  /** `Write weights`: what a task list shows. */
  readonly title: string;
}

export interface Progress {
  readonly done: number;
  /** Of steps 0 where their number is not known. */
  readonly total: number;
  readonly unit: 'bytes' | 'steps';
  /** What is being worked on now. */
  readonly text?: string;
}

export interface Reporter {
  /** All stages that will run, in order; called once, before the first starts. */
  stages(stages: readonly StageSpec[]): void;
  start(id: string): void;
  progress(id: string, progress: Progress): void;
  /** `detail` is one line on what came out. */
  finish(id: string, detail?: string): void;
  /** Warnings, all that a stage found at once. */
  warn(records: readonly DiagnosticRecord[]): void;
  /** Ends all output; after a failure the open stage is shown as failed. */
  close(outcome: 'ok' | 'failed'): Promise<void>;
}

/** Runs `body` as the stage `id`; what it returns as `detail` ends the stage's line. */
export async function runStage<T>(
  reporter: Reporter,
  id: string,
  body: (progress: (progress: Progress) => void) => Promise<T>,
  detail: (result: T) => string | undefined = () => undefined,
): Promise<T> {
  reporter.start(id);
  const result = await body((progress) => reporter.progress(id, progress));
  reporter.finish(id, detail(result));
  return result;
}
