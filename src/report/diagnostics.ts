/**
 * Diagnostics: every error and warning that a user can meet has one stable code in the catalogue
 * (catalogue.ts), and says what was found, what was expected, where, and what to do.
 */
import { type Code, catalogue } from './catalogue.ts';

export type { Code } from './catalogue.ts';

/** What a diagnostic says beyond its code's title. Leave a field out rather than repeat another one. */
export interface DiagnosticDetail {
  /** File, tensor, node or option at fault. */
  readonly where?: string;
  readonly found?: string;
  readonly expected?: string;
  /** What the user can do; overrides the hint of the catalogue. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A diagnostic as data: what reports, `--json` and the terminal render. */
export interface DiagnosticRecord {
  readonly code: Code;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly where?: string;
  readonly found?: string;
  readonly expected?: string;
  readonly hint?: string;
}

/** Process exit codes; documented in docs/errors.md. */
export const exitCodes = {
  ok: 0,
  /** A bug of ours: an exception without a code. */
  internal: 1,
  /** A parity gate failed, or a warning under `--strict`. */
  gate: 2,
  /** The command line or the config file is wrong. */
  usage: 3,
  /** A checkpoint, adapter or ONNX file is wrong or not supported. */
  input: 4,
  /** The output cannot be written. */
  output: 5,
  /** A runtime that is needed is missing or failed. */
  runtime: 6,
  interrupted: 130,
} as const;

/** The one exception type that the CLI prints without a stack trace. */
export class VlmError extends Error {
  readonly record: DiagnosticRecord;

  constructor(code: Code, detail: DiagnosticDetail = {}) {
    const record = diagnostic(code, detail);
    super(formatDiagnostic(record), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'VlmError';
    this.record = record;
  }

  get code(): Code {
    return this.record.code;
  }

  get exitCode(): number {
    return exitCodes[catalogue[this.code].exit];
  }
}

/** Builds the error to throw: `throw fail('VC1003', { where: path, found, expected })`. */
export function fail(code: Code, detail: DiagnosticDetail = {}): VlmError {
  return new VlmError(code, detail);
}

/** Builds a record for a sink: `sink.warn(diagnostic('VC4010', { where }))`. */
export function diagnostic(code: Code, detail: DiagnosticDetail = {}): DiagnosticRecord {
  const entry = catalogue[code];
  const hint = detail.hint ?? entry.hint;
  return {
    code,
    severity: entry.severity,
    message: entry.title,
    ...(detail.where === undefined ? {} : { where: detail.where }),
    ...(detail.found === undefined ? {} : { found: detail.found }),
    ...(detail.expected === undefined ? {} : { expected: detail.expected }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** The lines a terminal shows. */
export function formatDiagnostic(record: DiagnosticRecord): string {
  const lines = [`${record.severity} ${record.code}: ${record.message}`];
  for (const key of ['where', 'found', 'expected'] as const) {
    const value = record[key];
    if (value !== undefined) lines.push(`  ${`${key}:`.padEnd(10)}${value}`);
  }
  if (record.hint !== undefined) lines.push(`  ${'to do:'.padEnd(10)}${record.hint}`);
  return lines.join('\n');
}
