/**
 * Writes planned files: computes every tensor in blocks of rows and puts each block at its final offset. Bytes in
 * flight are bounded by the budget; the result does not depend on it, nor on the order in which blocks finish.
 */
import { byteLengthOf } from '../tensor/dtype.ts';
import type { Derivation, Tensor } from '../tensor/tensor.ts';
import { ByteBudget } from './byte-budget.ts';
import { type Extent, OutputFile } from './output-file.ts';

/** A file to write: tensors at offsets, zeros between them. */
export interface FilePlan {
  /** It must not exist; its folder must. */
  readonly path: string;
  readonly byteLength: number;
  /** In any order, without overlap. */
  readonly entries: readonly { readonly tensor: Tensor; readonly offset: number }[];
}

export interface ExecuteOptions {
  /** Bound on the bytes held by blocks in flight; a single block larger than it still runs, alone. */
  readonly memoryBytes: number;
  /** Called with the number of bytes of tensors that were just written. */
  readonly onProgress?: (bytes: number) => void;
  /** Stops between blocks; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface WrittenFile {
  readonly path: string;
  readonly byteLength: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Blocks are of this size where nothing asks for larger ones: enough to hide the cost of a call. */
const usualBlockBytes = 8 << 20;
/** Largest block: a read or write of Node is below 2 GiB, and progress and Ctrl-C wait for a block. */
const largestBlockBytes = 256 << 20;
/** A block gets at most this share of the budget, so that reading, computing and writing overlap. */
const blockShare = 1 / 4;
/** However small blocks are, at most this many are in flight. */
const mostInFlight = 16;

/** A block of work: what it holds while it runs, and what it does. Returns the bytes written. */
interface Block {
  readonly workingBytes: number;
  run(): Promise<number>;
}

/** Where the bytes of a tensor go. */
interface Place {
  readonly file: OutputFile;
  readonly offset: number;
}

interface PlacedTensor extends Place {
  readonly tensor: Tensor;
}

/**
 * Writes the files and returns their digests, in the order given. On failure the files that exist so far stay
 * for the caller to remove. Throws VC5104 (disk full), VC5105 (cannot be written), the errors of the tensors'
 * sources and derivations, the reason of the signal, and a RangeError for plans that are not sound.
 */
export async function executeWrites(
  plans: readonly FilePlan[],
  options: ExecuteOptions,
): Promise<readonly WrittenFile[]> {
  const gaps = plans.map(gapsOf);
  const files: OutputFile[] = [];
  try {
    const placed: PlacedTensor[] = [];
    for (const [index, plan] of plans.entries()) {
      options.signal?.throwIfAborted();
      const file = await OutputFile.create(plan.path, plan.byteLength, gaps[index] ?? []);
      files.push(file);
      const ordered = [...plan.entries].sort((a, b) => a.offset - b.offset);
      for (const { tensor, offset } of ordered) placed.push({ tensor, file, offset });
    }
    await runBlocks(blocksOf(placed, options.memoryBytes), options);
    const written: WrittenFile[] = [];
    for (const file of files) {
      options.signal?.throwIfAborted();
      const { sha256 } = await file.finish();
      written.push({ path: file.path, byteLength: file.byteLength, sha256 });
    }
    return written;
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Runs blocks as far as the budget lets them, in order of start. The first failure stops the rest. */
async function runBlocks(blocks: Iterable<Block>, options: ExecuteOptions): Promise<void> {
  const budget = new ByteBudget(options.memoryBytes);
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for (const block of blocks) {
      const release = await budget.acquire(Math.max(block.workingBytes, options.memoryBytes / mostInFlight));
      if (failures.length > 0) break;
      options.signal?.throwIfAborted();
      const run = async (): Promise<void> => {
        try {
          const bytes = await block.run();
          options.onProgress?.(bytes);
        } catch (cause) {
          failures.push(cause);
        } finally {
          release();
        }
      };
      const promise = run().finally(() => running.delete(promise));
      running.add(promise);
    }
  } finally {
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}

/** The blocks of all tensors, in order of the places. A derivation's outputs are computed together. */
function* blocksOf(placed: readonly PlacedTensor[], memoryBytes: number): Generator<Block> {
  const derived = new Map<Derivation, (Place & { readonly output: number })[]>();
  for (const { tensor, file, offset } of placed) {
    if (tensor.origin.kind !== 'derived') continue;
    const { derivation, output } = tensor.origin;
    const places = derived.get(derivation) ?? [];
    places.push({ file, offset, output });
    derived.set(derivation, places);
  }
  for (const { tensor, file, offset } of placed) {
    if (tensor.origin.kind !== 'derived') {
      yield* copyBlocks(tensor, { file, offset }, memoryBytes);
      continue;
    }
    const { derivation } = tensor.origin;
    const places = derived.get(derivation);
    // Taken out when its blocks were made: its other outputs come by later.
    if (places === undefined) continue;
    derived.delete(derivation);
    yield* computeBlocks(derivation, places, memoryBytes);
  }
}

function* copyBlocks(tensor: Tensor, place: Place, memoryBytes: number): Generator<Block> {
  const step = Math.max(1, Math.floor(Math.min(usualBlockBytes, memoryBytes * blockShare)));
  for (let begin = 0; begin < tensor.byteLength; begin += step) {
    const end = Math.min(begin + step, tensor.byteLength);
    yield {
      workingBytes: end - begin,
      run: async () => {
        await place.file.write(place.offset + begin, await tensor.read(begin, end));
        return end - begin;
      },
    };
  }
}

function* computeBlocks(
  derivation: Derivation,
  places: readonly (Place & { readonly output: number })[],
  memoryBytes: number,
): Generator<Block> {
  const { rows, workingBytesPerRow, overhead } = derivation;
  if (rows === 0) return;
  const rowBytes = derivation.outputs.map(({ dtype, shape }) => byteLengthOf(dtype, shape) / rows);
  const held = overhead?.held ?? 0;
  // Where every call goes through much input, blocks are larger, so that it is not read many times.
  const wanted = Math.max(usualBlockBytes, 4 * (overhead?.read ?? 0));
  const blockBytes = Math.min(wanted, memoryBytes * blockShare, largestBlockBytes);
  const step = Math.max(1, Math.floor((blockBytes - held) / Math.max(workingBytesPerRow, 1)));
  for (let begin = 0; begin < rows; begin += step) {
    const end = Math.min(begin + step, rows);
    yield {
      workingBytes: held + (end - begin) * workingBytesPerRow,
      run: async () => {
        const outputs = await derivation.computeRows(begin, end);
        let written = 0;
        const writes = places.map(({ file, offset, output }) => {
          const bytes = outputs[output];
          const perRow = rowBytes[output] ?? 0;
          if (bytes === undefined || bytes.byteLength !== (end - begin) * perRow) {
            throw new RangeError(`${derivation.op} computed ${bytes?.byteLength} bytes for output ${output}`);
          }
          written += bytes.byteLength;
          return file.write(offset + begin * perRow, bytes);
        });
        await Promise.all(writes);
        return written;
      },
    };
  }
}

/** What the entries leave out. Throws a RangeError where they overlap or do not fit. */
function gapsOf({ path, byteLength, entries }: FilePlan): readonly Extent[] {
  const gaps: Extent[] = [];
  let covered = 0;
  const extents = entries.map(({ tensor, offset }): Extent => [offset, offset + tensor.byteLength]);
  for (const [begin, end] of extents.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (!Number.isSafeInteger(begin) || begin < covered || end > byteLength) {
      throw new RangeError(
        `${path}: bytes ${begin}..${end} overlap others or lie outside ${byteLength} bytes`,
      );
    }
    if (begin > covered) gaps.push([covered, begin]);
    covered = end;
  }
  if (byteLength > covered) gaps.push([covered, byteLength]);
  return gaps;
}
