/** Makes the plan of what is written: recipes, places, units. Reads only tensors of sources that are no files. */
import type { ByteSource } from '../../tensor/byte-source.ts';
import { describeTensors, type TensorRecipe } from '../../tensor/derived/registry.ts';
import { byteLengthOf } from '../../tensor/dtype.ts';
import { type Derivation, derivedTensors, type Tensor } from '../../tensor/tensor.ts';
import { sha256 } from '../digest.ts';
import { Constants } from './constants.ts';
import { gapsOf } from './extents.ts';
import { holdsNonFinite } from './non-finite-bytes.ts';
import { computeUnits, copyUnits, inOrder, usualUnitBytes } from './units.ts';
import { constantsName, type PlannedTensor, type WritePlan, type WriteRecipe } from './write-plan.ts';

/** A file to write: tensors at offsets, zeros between them. */
export interface FilePlan {
  /** Relative to the folder that is written, with forward slashes. */
  readonly path: string;
  readonly byteLength: number;
  /** In any order, without overlap. */
  readonly entries: readonly { readonly tensor: Tensor; readonly name: string; readonly offset: number }[];
}

/** A plan with what it reads. */
export interface PlannedWrites {
  readonly plan: WritePlan;
  /** The files behind the plan's inputs, open, by name. */
  readonly sources: ReadonlyMap<string, ByteSource>;
  /** Content of the file of constants. */
  readonly constants: Uint8Array;
}

/** Throws what sources throw, and a RangeError for files that are not sound. */
export async function planWrites(
  files: readonly FilePlan[],
  { unitBytes = usualUnitBytes }: { readonly unitBytes?: number } = {},
): Promise<PlannedWrites> {
  const maker = new RecipeMaker();
  const tensors: PlannedTensor[] = [];
  for (const [file, { path, byteLength, entries }] of files.entries()) {
    gapsOf(
      path,
      byteLength,
      entries.map(({ tensor, offset }) => [offset, offset + tensor.byteLength]),
    );
    for (const { tensor, name, offset } of [...entries].sort((a, b) => a.offset - b.offset)) {
      const { dtype, shape, byteLength: bytes, origin } = tensor;
      const recipe = await maker.add(tensor, name);
      const output = origin.kind === 'derived' ? origin.output : 0;
      tensors.push({ name, dtype, shape, file, offset, bytes, recipe, output });
    }
  }
  const outputs = maker.made.map((): number[] => []);
  for (const { recipe, output } of tensors) outputs[recipe]?.push(output);
  const units = maker.made.flatMap(({ subject }, recipe) => {
    const placed = outputs[recipe] ?? [];
    return 'rows' in subject
      ? computeUnits(subject, recipe, placed, unitBytes)
      : copyUnits(subject, recipe, placed.length, unitBytes);
  });
  const constants = maker.constants.bytes();
  const inputs = [...maker.sources.values()].map(({ name, size }) => ({ name, size }));
  return {
    plan: {
      inputs: inputs.sort((a, b) => (a.name < b.name ? -1 : 1)),
      constants: { bytes: constants.byteLength, sha256: sha256(constants) },
      files: files.map(({ path, byteLength }) => ({ path, bytes: byteLength })),
      recipes: maker.made.map(({ recipe }) => recipe),
      tensors,
      units: inOrder(units, unitBytes),
    },
    sources: maker.sources,
    constants,
  };
}

/** Constants of at most this many bytes stand in the recipe itself. */
const inlineLimit = 1024;

interface Made {
  readonly subject: Derivation | Tensor;
  readonly recipe: WriteRecipe;
}

/** Collects recipes, each derivation's once, with the files and constants that they read. */
class RecipeMaker {
  readonly made: Made[] = [];
  readonly sources = new Map<string, ByteSource>();
  readonly constants = new Constants();
  readonly #known = new Map<Derivation, number>();

  /** The index of the recipe that gives the tensor. */
  async add(tensor: Tensor, name: string): Promise<number> {
    const { origin } = tensor;
    if (origin.kind !== 'derived') {
      const bytes = origin.kind === 'inline' ? origin.bytes : undefined;
      const recipe =
        bytes === undefined
          ? await this.#outsourced(describeTensors([tensor]), sourcesOf(tensor))
          : this.#stored(tensor, bytes, name);
      return this.made.push({ subject: tensor, recipe }) - 1;
    }
    const { derivation } = origin;
    const known = this.#known.get(derivation);
    if (known !== undefined) return known;
    const recipe = await this.#outsourced(describeTensors(derivedTensors(derivation)), sourcesOf(tensor));
    this.#known.set(derivation, this.made.length);
    return this.made.push({ subject: derivation, recipe }) - 1;
  }

  /** The recipe of a constant that is written as it is. */
  #stored({ dtype, shape }: Tensor, bytes: Uint8Array, name: string): WriteRecipe {
    const offset = this.constants.add(bytes);
    return {
      steps: [{ kind: 'source', source: constantsName, offset, name, dtype, shape }],
      tensors: [{ step: 0, output: 0, shape }],
      ...(holdsNonFinite(dtype, bytes) ? { nonFiniteConstants: true } : {}),
    };
  }

  /** The recipe with what is not in files put among the constants. */
  async #outsourced(recipe: TensorRecipe, sources: ReadonlyMap<string, ByteSource>): Promise<WriteRecipe> {
    let nonFinite = false;
    const steps: TensorRecipe['steps'][number][] = [];
    for (const step of recipe.steps) {
      const bytes = await this.#notInFile(step, sources);
      if (bytes === undefined || step.kind === 'derived') {
        steps.push(step);
        continue;
      }
      nonFinite ||= step.kind === 'inline' && holdsNonFinite(step.dtype, bytes);
      const name = step.kind === 'inline' ? 'a constant' : step.name;
      const { dtype, shape } = step;
      steps.push({
        kind: 'source',
        source: constantsName,
        offset: this.constants.add(bytes),
        name,
        dtype,
        shape,
      });
    }
    return { steps, tensors: recipe.tensors, ...(nonFinite ? { nonFiniteConstants: true } : {}) };
  }

  async #notInFile(
    step: TensorRecipe['steps'][number],
    sources: ReadonlyMap<string, ByteSource>,
  ): Promise<Uint8Array | undefined> {
    if (step.kind === 'derived') return undefined;
    if (step.kind === 'inline') {
      const bytes = new Uint8Array(Buffer.from(step.base64, 'base64'));
      return bytes.byteLength > inlineLimit ? bytes : undefined;
    }
    const source = sources.get(step.source);
    if (source === undefined) throw new RangeError(`${step.source} is no source of the tensor`);
    if (source.file === undefined) {
      return source.read(step.offset, step.offset + byteLengthOf(step.dtype, step.shape));
    }
    const known = this.sources.get(source.name);
    if (known !== undefined && known.file?.path !== source.file.path) {
      throw new RangeError(`two files are called ${source.name}`);
    }
    this.sources.set(source.name, source);
    return undefined;
  }
}

/** The sources behind a tensor, by name. */
function sourcesOf(tensor: Tensor): ReadonlyMap<string, ByteSource> {
  const sources = new Map<string, ByteSource>();
  const seen = new Set<Derivation>();
  const visit = ({ origin }: Tensor): void => {
    if (origin.kind === 'source') {
      const known = sources.get(origin.source.name);
      if (known !== undefined && known !== origin.source) {
        throw new RangeError(`two sources of a tensor are called ${origin.source.name}`);
      }
      sources.set(origin.source.name, origin.source);
    } else if (origin.kind === 'derived' && !seen.has(origin.derivation)) {
      seen.add(origin.derivation);
      origin.derivation.inputs.forEach(visit);
    }
  };
  visit(tensor);
  return sources;
}
