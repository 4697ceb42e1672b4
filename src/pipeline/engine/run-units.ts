/**
 * Running units: reads go straight into the workspace, kernels work in place, writes go to the planned offsets.
 * The same code runs on worker threads and, for small conversions, on the main thread. Everything here is sync.
 */
import { fstatSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { fail } from '../../report/diagnostics.ts';
import { systemReason } from '../../report/show.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { columnsOf } from '../../tensor/derived/derive.ts';
import { rebuildTensors } from '../../tensor/derived/registry.ts';
import type { NonFinite, Tensor } from '../../tensor/tensor.ts';
import { computeTiles, copyTiles, type EmitBytes, type LoadBytes } from '../../tensor/tiles.ts';
import { Workspace } from '../../tensor/workspace.ts';
import type { Extent } from './extents.ts';
import { writeFailure } from './write-failure.ts';
import type { PlannedTensor, Unit, WriteRecipe } from './write-plan.ts';

/** What units need besides themselves; can be sent to another thread. Descriptors are valid in all threads. */
export interface UnitSetup {
  readonly recipes: readonly WriteRecipe[];
  /** Where the tensors of each recipe go. */
  readonly places: readonly (readonly Pick<PlannedTensor, 'output' | 'file' | 'offset'>[])[];
  readonly inputs: readonly {
    readonly name: string;
    readonly size: number;
    readonly descriptor: number;
    /** When it was last written to; undefined for a file of ours. */
    readonly mtimeNs: bigint | undefined;
  }[];
  readonly files: readonly { readonly path: string; readonly descriptor: number }[];
  /** Of the workspace, for one tile. */
  readonly capacityBytes: number;
  readonly nonFinite: NonFinite;
}

/** CRC-32 of the bytes of each of a recipe's tensors in the range of a unit. */
export type UnitChecksums = readonly number[];

/** Read back at a time. */
const chunkBytes = 1 << 20;

export class UnitRunner {
  readonly #setup: UnitSetup;
  readonly #sources: ReadonlyMap<string, ByteSource>;
  readonly #descriptors: ReadonlyMap<string, UnitSetup['inputs'][number]>;
  readonly #workspace = new Workspace();
  /** Units of one recipe come one after the other. */
  #last: { readonly recipe: number; readonly tensors: readonly Tensor[] } | undefined;
  #buffer = new Uint8Array(0);

  constructor(setup: UnitSetup) {
    this.#setup = setup;
    this.#descriptors = new Map(setup.inputs.map((input) => [input.name, input]));
    this.#sources = new Map(setup.inputs.map((input) => [input.name, sourceOf(input)]));
  }

  /**
   * Computes a unit and writes it. Throws VC1106 when an input cannot be read or changed meanwhile, VC3901 for
   * values that are not finite, VC5104 and VC5105 when it cannot be written.
   */
  run(unit: Unit): UnitChecksums {
    const { recipes, places, capacityBytes, nonFinite } = this.#setup;
    const tensors = this.#tensors(unit.recipe);
    const checksums = tensors.map(() => 0);
    const touched = new Set<string>();
    const load: LoadBytes = (source, begin, target) => {
      touched.add(source.name);
      this.#load(source, begin, target);
    };
    const emit: EmitBytes = (output, offset, bytes) => {
      checksums[output] = crc32(bytes, checksums[output] ?? 0);
      for (const place of places[unit.recipe] ?? []) {
        if (place.output === output) this.#write(place.file, place.offset + offset, bytes);
      }
    };
    const masked = recipes[unit.recipe]?.nonFiniteConstants === true;
    const options = {
      capacityBytes,
      nonFinite: masked && nonFinite === 'refuse' ? 'unquantized' : nonFinite,
      columns: unit.columns,
    } as const;
    const [first] = tensors;
    if (first?.origin.kind === 'derived') {
      computeTiles(first.origin.derivation, unit.begin, unit.end, this.#workspace, options, load, emit);
    } else if (first !== undefined) {
      copyTiles(first, unit.begin, unit.end, this.#workspace, options, load, emit);
    }
    for (const name of touched) this.#checkUnchanged(name);
    return checksums;
  }

  /** True when what stands in the files has these checksums. */
  holds(unit: Unit, checksums: UnitChecksums): boolean {
    const tensors = this.#tensors(unit.recipe);
    return (this.#setup.places[unit.recipe] ?? []).every(({ output, file, offset }) => {
      const tensor = tensors[output];
      if (tensor === undefined) throw new RangeError(`recipe ${unit.recipe} has no output ${output}`);
      return this.#checksum(file, piecesOf(unit, tensor, offset)) === checksums[output];
    });
  }

  #tensors(recipe: number): readonly Tensor[] {
    if (this.#last?.recipe === recipe) return this.#last.tensors;
    const made = this.#setup.recipes[recipe];
    if (made === undefined) throw new RangeError(`there is no recipe ${recipe}`);
    const tensors = rebuildTensors(made, this.#sources);
    this.#last = { recipe, tensors };
    return tensors;
  }

  #load({ name }: ByteSource, begin: number, target: Uint8Array): void {
    const input = this.#input(name);
    for (let done = 0; done < target.byteLength; ) {
      let count: number;
      try {
        count = readSync(input.descriptor, target, done, target.byteLength - done, begin + done);
      } catch (cause) {
        throw fail('VC1106', { where: name, found: systemReason(cause), cause });
      }
      if (count === 0) {
        throw fail('VC1106', { where: name, found: `it ends before byte ${begin + target.byteLength} now` });
      }
      done += count;
    }
  }

  /** Bytes of two versions of a file would make weights that nobody trained. */
  #checkUnchanged(name: string): void {
    const { descriptor, mtimeNs } = this.#input(name);
    if (mtimeNs !== undefined && fstatSync(descriptor, { bigint: true }).mtimeNs !== mtimeNs) {
      throw fail('VC1106', { where: name, found: 'it was written to since it was opened' });
    }
  }

  #input(name: string): UnitSetup['inputs'][number] {
    const input = this.#descriptors.get(name);
    if (input === undefined) throw new RangeError(`there is no input ${name}`);
    return input;
  }

  #write(file: number, offset: number, bytes: Uint8Array): void {
    const { path, descriptor } = this.#file(file);
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += writeSync(descriptor, bytes, done, bytes.byteLength - done, offset + done);
      }
    } catch (cause) {
      throw writeFailure(path, cause);
    }
  }

  #checksum(file: number, pieces: Iterable<Extent>): number {
    const { path, descriptor } = this.#file(file);
    if (this.#buffer.byteLength === 0) this.#buffer = new Uint8Array(chunkBytes);
    let checksum = 0;
    for (const [begin, end] of pieces) {
      for (let at = begin; at < end; ) {
        let count: number;
        try {
          count = readSync(descriptor, this.#buffer, 0, Math.min(chunkBytes, end - at), at);
        } catch (cause) {
          throw writeFailure(path, cause);
        }
        // Shorter than it was planned: something else wrote to it.
        if (count === 0) return Number.NaN;
        checksum = crc32(this.#buffer.subarray(0, count), checksum);
        at += count;
      }
    }
    return checksum;
  }

  #file(file: number): UnitSetup['files'][number] {
    const found = this.#setup.files[file];
    if (found === undefined) throw new RangeError(`there is no file ${file}`);
    return found;
  }
}

/** Where a unit's bytes of a tensor at `offset` stand, in the order in which it writes them. */
function* piecesOf(
  { begin, end, columns }: Unit,
  { origin, byteLength }: Tensor,
  offset: number,
): Generator<Extent> {
  const rowBytes = origin.kind === 'derived' ? byteLength / origin.derivation.rows : 1;
  if (columns === undefined || origin.kind !== 'derived') {
    yield [offset + begin * rowBytes, offset + end * rowBytes];
    return;
  }
  const elementBytes = rowBytes / columnsOf(origin.derivation, origin.output);
  for (let row = begin; row < end; row++) {
    const at = offset + row * rowBytes;
    yield [at + columns[0] * elementBytes, at + columns[1] * elementBytes];
  }
}

/** Units read through descriptors; a source is what recipes refer to. */
function sourceOf({ name, size }: UnitSetup['inputs'][number]): ByteSource {
  const refuse = (): never => {
    throw new TypeError('units read through descriptors');
  };
  return { name, size, read: refuse, close: refuse };
}
