/**
 * The journal of a conversion: JSON lines, a header that says what it belongs to, then one line per finished unit
 * with the CRC-32 of what it wrote. Lines are appended as units finish and are not forced to the disk: whoever
 * resumes compares every finished unit with its checksums, so that lost or torn bytes are found and made again,
 * whether the process was killed or the power failed.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import type { UnitChecksums } from './run-units.ts';
import { writeFailure } from './write-failure.ts';

export interface JournalInput {
  readonly name: string;
  readonly size: number;
  /** A bigint in decimal digits. */
  readonly mtimeNs: string;
  /** Under `--verify-inputs`. */
  readonly sha256?: string;
}

export interface JournalHeader {
  readonly journal: 1;
  readonly version: string;
  /** sha256 of plan.json. */
  readonly plan: string;
  readonly inputs: readonly JournalInput[];
}

interface JournalLine {
  readonly unit: number;
  readonly crc32: UnitChecksums;
}

/** A journal as an earlier run left it. */
export interface JournalContents {
  readonly header: JournalHeader;
  /** Of each finished unit; where a unit was made again, of the last time. */
  readonly finished: ReadonlyMap<number, UnitChecksums>;
  /** Bytes up to the last whole line. */
  readonly byteLength: number;
}

/** Some 60 bytes for each of 100,000 units, which are terabytes of weights. */
const largestJournal = 64 << 20;

/** Undefined where there is none, or none with a whole header. What follows the first broken line is left out. */
export function readJournal(path: string): JournalContents | undefined {
  let text: string;
  try {
    if (statSync(path).size > largestJournal) return undefined;
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const [first, ...rest] = text.split('\n').slice(0, -1);
  const header = parse(first, isHeader);
  if (first === undefined || header === undefined) return undefined;
  let byteLength = Buffer.byteLength(first) + 1;
  const finished = new Map<number, UnitChecksums>();
  for (const line of rest) {
    const entry = parse(line, isLine);
    if (entry === undefined) break;
    finished.set(entry.unit, entry.crc32);
    byteLength += Buffer.byteLength(line) + 1;
  }
  return { header, finished, byteLength };
}

/** Appends to a journal. */
export class Journal {
  readonly #path: string;
  readonly #descriptor: number;
  #end: number;

  private constructor(path: string, descriptor: number, end: number) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#end = end;
  }

  /** A new journal with its header. Throws VC5104 or VC5105. */
  static begin(path: string, header: JournalHeader): Journal {
    const journal = attempt(path, () => new Journal(path, openSync(path, 'w'), 0));
    journal.#append(header);
    return journal;
  }

  /** Goes on with one that was read: what is broken at its end is cut off. Throws VC5104 or VC5105. */
  static goOn(path: string, { byteLength }: JournalContents): Journal {
    return attempt(path, () => {
      const descriptor = openSync(path, 'r+');
      ftruncateSync(descriptor, byteLength);
      return new Journal(path, descriptor, byteLength);
    });
  }

  finished(unit: number, checksums: UnitChecksums): void {
    this.#append({ unit, crc32: checksums } satisfies JournalLine);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #append(value: object): void {
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    attempt(this.#path, () => {
      for (let done = 0; done < bytes.byteLength; ) {
        done += writeSync(this.#descriptor, bytes, done, bytes.byteLength - done, this.#end + done);
      }
    });
    this.#end += bytes.byteLength;
  }
}

function attempt<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    throw writeFailure(path, cause);
  }
}

function parse<T>(line: string | undefined, is: (value: unknown) => value is T): T | undefined {
  try {
    const value: unknown = JSON.parse(line ?? '');
    return is(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isHeader(value: unknown): value is JournalHeader {
  const { journal, version, plan, inputs } = Object(value) as Partial<JournalHeader>;
  return (
    journal === 1 &&
    typeof version === 'string' &&
    typeof plan === 'string' &&
    Array.isArray(inputs) &&
    inputs.every((input) => typeof input?.name === 'string' && typeof input.mtimeNs === 'string')
  );
}

function isLine(value: unknown): value is JournalLine {
  const { unit, crc32 } = Object(value) as Partial<JournalLine>;
  return (
    Number.isSafeInteger(unit) && Array.isArray(crc32) && crc32.every((one) => Number.isSafeInteger(one))
  );
}
