/**
 * Carries a plan out: units run on workers that read, compute and write on their own; the main thread hands them
 * out, keeps the journal, and sees to it that bytes are hashed and put on the disk while others are computed.
 */
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { VlmError } from '../../report/diagnostics.ts';
import type { NonFinite } from '../../tensor/tensor.ts';
import { closeDataFiles, type DataFile, openDataFiles, syncDataFiles } from './data-files.ts';
import { type Digests, followFiles } from './digests.ts';
import type { Extent } from './extents.ts';
import type { PlannedWrites } from './plan-writes.ts';
import type { UnitChecksums, UnitSetup } from './run-units.ts';
import { shareMemory } from './share-memory.ts';
import { type UnitPool, unitsHere, unitThreads } from './unit-pool.ts';
import { WriteBack } from './write-back.ts';
import { writeFailure } from './write-failure.ts';
import {
  constantsName,
  type PlannedTensor,
  tensorsByRecipe,
  type Unit,
  type WritePlan,
} from './write-plan.ts';

export interface ExecuteOptions {
  /** Folder that the plan's files are written into. */
  readonly root: string;
  /** Where the file of constants goes; it is replaced. */
  readonly constantsPath: string;
  /** Of the whole process. */
  readonly memoryBytes: number;
  /** Workers at most, 1: the main thread; undefined: one per core. */
  readonly jobs: number | undefined;
  readonly nonFinite: NonFinite;
  /** Bytes written so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Stops between units; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Digests are made, and everything is on the disk in the end. */
  readonly durable: boolean;
  /** Units that an earlier run finished in the same files: those that hold what it wrote are not run again. */
  readonly earlier?: ReadonlyMap<number, UnitChecksums> | undefined;
  /** Called when a unit is written. What it throws stops the rest. */
  readonly onFinished?: (unit: number, checksums: UnitChecksums) => void;
  /** Bytes read and written from which on threads are started. */
  readonly threadsFrom?: number;
}

export interface WrittenFile {
  /** As in the plan. */
  readonly path: string;
  readonly byteLength: number;
  /** Hexadecimal; only where digests were asked for. */
  readonly sha256?: string;
}

/** Work of 0.1 s on one core, which is about what threads take to start. */
const usualThreadsFrom = 32 << 20;
/** One hashes 1.4 GB/s, more than most disks write. */
const mostHashThreads = 2;
/** Small units go to a worker together, up to these bytes and this many. */
const batchBytes = 16 << 20;
const batchUnits = 64;

/**
 * Writes the plan's files, in its order. On failure the files that exist so far stay for the caller to keep or
 * remove. Throws VC1106 for inputs that changed, VC3901 for values that are not finite, VC5104 and VC5105 for files
 * that cannot be written, and the reason of the signal.
 */
export async function executePlan(
  planned: PlannedWrites,
  options: ExecuteOptions,
): Promise<readonly WrittenFile[]> {
  const { plan } = planned;
  options.signal?.throwIfAborted();
  const { earlier } = options;
  let constants: number | undefined;
  let files: readonly DataFile[] = [];
  let digests: Digests | undefined;
  let pool: UnitPool | undefined;
  try {
    constants = await openConstants(planned, options.constantsPath);
    files = openDataFiles(plan, options.root, earlier === undefined ? 'new' : 'earlier');
    const large = work(plan.units) >= (options.threadsFrom ?? usualThreadsFrom);
    const hashThreads = options.durable && large ? Math.min(mostHashThreads, files.length) : 0;
    const rssBytes = process.memoryUsage.rss();
    const shares = shareMemory({ ...options, rssBytes, hashThreads });
    if (options.durable) digests = await followFiles(files, hashThreads);
    const setup = setupOf(planned, files, constants, shares.capacityBytes, options.nonFinite);
    pool = large && shares.workers > 1 ? await unitThreads(setup, shares.workers) : unitsHere(setup);
    const run = new Run(plan, files, pool, digests, options);
    await run.all(earlier ?? new Map());
    const sha256 = await digests?.finish();
    await run.settled();
    if (options.durable) await syncDataFiles(files);
    return files.map(({ path, byteLength }, index) => {
      const digest = sha256?.[index];
      return { path, byteLength, ...(digest === undefined ? {} : { sha256: digest }) };
    });
  } finally {
    await pool?.close();
    await digests?.close();
    closeDataFiles(files);
    if (constants !== undefined) closeSync(constants);
  }
}

/** One execution of a plan: which units are done, and what follows from it. */
class Run {
  readonly #plan: WritePlan;
  readonly #files: readonly DataFile[];
  readonly #pool: UnitPool;
  readonly #digests: Digests | undefined;
  readonly #options: ExecuteOptions;
  readonly #writeBack = new WriteBack();
  /** By recipe, with its rows, and its units that are not done. */
  readonly #tensors: readonly (readonly PlannedTensor[])[];
  readonly #rows: readonly number[];
  readonly #left = new Map<number, number>();
  readonly #total: number;
  #done = 0;

  constructor(
    plan: WritePlan,
    files: readonly DataFile[],
    pool: UnitPool,
    digests: Digests | undefined,
    options: ExecuteOptions,
  ) {
    this.#plan = plan;
    this.#files = files;
    this.#pool = pool;
    this.#digests = digests;
    this.#options = options;
    this.#tensors = tensorsByRecipe(plan);
    this.#rows = rowsByRecipe(plan);
    for (const { recipe } of plan.units) this.#left.set(recipe, (this.#left.get(recipe) ?? 0) + 1);
    this.#total = plan.units.reduce((sum, { writes }) => sum + writes, 0);
    for (const [file, { gaps }] of files.entries()) for (const gap of gaps) digests?.wrote(file, gap);
  }

  /** First compares what an earlier run finished, then runs the rest. */
  async all(earlier: ReadonlyMap<number, UnitChecksums>): Promise<void> {
    const held = new Set<number>();
    const known = [...earlier.keys()].filter((unit) => unit < this.#plan.units.length).sort((a, b) => a - b);
    await this.#lanes(batches(this.#plan.units, known), async (batch) => {
      const units = batch.map((unit) => this.#unit(unit));
      const result = await this.#pool.run({ units, checksums: batch.map((unit) => earlier.get(unit) ?? []) });
      for (const [index, holds] of result.held.entries()) {
        const unit = batch[index];
        if (unit === undefined || !holds) continue;
        held.add(unit);
        this.#finish(unit);
      }
      return result.failure;
    });
    const rest = [...this.#plan.units.keys()].filter((unit) => !held.has(unit));
    await this.#lanes(batches(this.#plan.units, rest), async (batch) => {
      const result = await this.#pool.run({ units: batch.map((unit) => this.#unit(unit)) });
      for (const [index, checksums] of result.checksums.entries()) {
        const unit = batch[index];
        if (unit === undefined) continue;
        this.#options.onFinished?.(unit, checksums);
        this.#writtenBack(unit);
        this.#finish(unit);
      }
      return result.failure;
    });
  }

  /** Waits for what is on its way to the disk. */
  settled(): Promise<void> {
    return this.#writeBack.settled();
  }

  /** Works through batches, several at a time. The first failure stops the rest. */
  async #lanes(
    waiting: readonly (readonly number[])[],
    run: (batch: readonly number[]) => Promise<BatchFailure>,
  ): Promise<void> {
    const failures: unknown[] = [];
    let next = 0;
    const lane = async (): Promise<void> => {
      while (failures.length === 0) {
        const batch = waiting[next++];
        if (batch === undefined) return;
        try {
          this.#options.signal?.throwIfAborted();
          const failure = await run(batch);
          if (failure !== undefined) throw new VlmError(failure.code, failure);
        } catch (cause) {
          failures.push(cause);
        }
      }
    };
    await Promise.all(Array.from({ length: this.#pool.lanes }, lane));
    this.#options.signal?.throwIfAborted();
    if (failures.length > 0) throw failures[0];
  }

  #finish(index: number): void {
    const unit = this.#unit(index);
    const left = (this.#left.get(unit.recipe) ?? 0) - 1;
    this.#left.set(unit.recipe, left);
    for (const { file, offset, bytes } of this.#tensors[unit.recipe] ?? []) {
      // Windows leave holes in the rows: such a tensor counts when it is whole.
      const rowBytes = bytes / (this.#rows[unit.recipe] ?? 1);
      const extent: Extent =
        unit.columns === undefined ? [unit.begin * rowBytes, unit.end * rowBytes] : [0, bytes];
      if (unit.columns === undefined || left === 0) {
        this.#digests?.wrote(file, [offset + extent[0], offset + extent[1]]);
      }
    }
    this.#done += unit.writes;
    this.#options.onProgress?.(this.#done, this.#total);
  }

  #writtenBack(index: number): void {
    if (!this.#options.durable) return;
    const unit = this.#unit(index);
    const tensors = this.#tensors[unit.recipe] ?? [];
    const all = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { file, bytes } of tensors) {
      const opened = this.#files[file];
      if (opened === undefined) continue;
      try {
        this.#writeBack.wrote(opened.descriptor, unit.writes * (bytes / all));
      } catch (cause) {
        throw writeFailure(opened.path, cause);
      }
    }
  }

  #unit(index: number): Unit {
    const unit = this.#plan.units[index];
    if (unit === undefined) throw new RangeError(`there is no unit ${index}`);
    return unit;
  }
}

type BatchFailure =
  | (ConstructorParameters<typeof VlmError>[1] & { readonly code: VlmError['code'] })
  | undefined;

/** Writes the constants, which units read like any file. Undefined where there are none. */
async function openConstants({ constants }: PlannedWrites, path: string): Promise<number | undefined> {
  if (constants.byteLength === 0) return undefined;
  try {
    await writeFile(path, constants);
    return openSync(path, 'r');
  } catch (cause) {
    throw writeFailure(path, cause);
  }
}

function setupOf(
  { plan, sources, constants }: PlannedWrites,
  files: readonly DataFile[],
  constantsDescriptor: number | undefined,
  capacityBytes: number,
  nonFinite: NonFinite,
): UnitSetup {
  const inputs = plan.inputs.map(({ name, size }) => {
    const file = sources.get(name)?.file;
    if (file === undefined) throw new RangeError(`${name} is no open file`);
    return { name, size, descriptor: file.descriptor, mtimeNs: file.mtimeNs as bigint | undefined };
  });
  if (constantsDescriptor !== undefined) {
    const size = constants.byteLength;
    inputs.push({ name: constantsName, size, descriptor: constantsDescriptor, mtimeNs: undefined });
  }
  return {
    recipes: plan.recipes,
    places: tensorsByRecipe(plan),
    inputs,
    files: files.map(({ path, descriptor }) => ({ path, descriptor })),
    capacityBytes,
    nonFinite,
  };
}

/** Units cover all rows of their recipe. */
function rowsByRecipe({ recipes, units }: WritePlan): readonly number[] {
  const rows = recipes.map(() => 0);
  for (const { recipe, end } of units) rows[recipe] = Math.max(rows[recipe] ?? 0, end);
  return rows;
}

function work(units: readonly Unit[]): number {
  return units.reduce((sum, { reads, writes }) => sum + reads + writes, 0);
}

/** Consecutive units, so many that a batch is worth handing over. */
function batches(units: readonly Unit[], chosen: readonly number[]): readonly (readonly number[])[] {
  const all: number[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const index of chosen) {
    const { reads, writes } = units[index] ?? { reads: 0, writes: 0 };
    const last = all.at(-1);
    if (last === undefined || bytes + reads + writes > batchBytes || last.length >= batchUnits) {
      all.push([index]);
      bytes = reads + writes;
    } else {
      last.push(index);
      bytes += reads + writes;
    }
  }
  return all;
}
