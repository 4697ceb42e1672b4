/**
 * Sizes for the symbolic dimensions of two models' inputs. The same symbol has one size in all inputs of a model, an
 * input has the same shape in both models, and what is fixed anywhere is fixed everywhere. The rest is chosen by what
 * symbols are usually called: a batch of one, a short sequence after a shorter past.
 */
import { fail } from '../../report/diagnostics.ts';
import type { PortSpec } from '../../runtime/session.ts';

export interface Sizes {
  readonly batch: number;
  readonly sequence: number;
  /** Slots before the sequence. */
  readonly past: number;
  readonly channels: number;
  /** Height and width of pictures. */
  readonly side: number;
}

const usualSizes: Sizes = { batch: 1, sequence: 8, past: 4, channels: 3, side: 224 };

/** Pictures of other sizes than the usual one, of models whose axes are symbols though their tables have one size. */
const sides = [336, 384, 448, 256, 512, 518, 378, 32, 64, 96, 128, 30, 28] as const;

/**
 * Tried in this order: some decoders take no past, or none but an empty one; some graphs hold for one size of pictures.
 * What does not fit fails at once.
 */
export const sizesToTry: readonly Sizes[] = [
  usualSizes,
  { ...usualSizes, past: 0 },
  ...sides.map((side) => ({ ...usualSizes, past: 0, side })),
  { ...usualSizes, batch: 2 },
  { ...usualSizes, past: 0, batch: 2 },
];

/** Dimensions that are one: all of them get the same size. */
interface Group {
  size: number | undefined;
  readonly names: Set<string>;
  /** Where it was fixed, for messages. */
  fixedBy: string;
  /** An input and axis that has it. */
  readonly input: PortSpec;
  readonly axis: number;
}

/**
 * The shape of every input, by name. `fixed` holds sizes by symbol, `given` the shapes of inputs that are there. Throws
 * VC6107 where the shapes of the two models, or what is given, contradict each other.
 */
export function bindShapes(
  models: readonly (readonly PortSpec[])[],
  sizes: Sizes,
  given: ReadonlyMap<string, readonly number[]>,
  fixed: ReadonlyMap<string, number>,
): ReadonlyMap<string, readonly number[]> {
  const [first = []] = models;
  const groups = new Groups(fixed, partsOfGrids(first));
  for (const input of first) {
    for (const axis of input.shape.keys()) {
      const where = `${input.name}, axis ${axis}`;
      for (const [model, ports] of models.entries()) {
        const dim = ports.find(({ name }) => name === input.name)?.shape[axis];
        if (dim !== undefined) groups.join(where, input, axis, model, dim);
      }
      const size = given.get(input.name)?.[axis];
      if (size !== undefined) groups.join(where, input, axis, 0, size);
    }
  }
  return new Map(
    first.map((input) => [input.name, input.shape.map((_, axis) => groups.sizeOf(input, axis, sizes))]),
  );
}

/** What stands beside a list of grids, as `tiles` beside `tile_grids`: grids that are drawn have one part each. */
function partsOfGrids(inputs: readonly PortSpec[]): ReadonlyMap<string, number> {
  return new Map(
    inputs.flatMap(({ name, shape: [grids] }) => {
      const part = /^(.+)_grids$/i.exec(name)?.[1];
      return part === undefined || typeof grids !== 'number' || grids < 1 ? [] : [[`${part}s`, grids]];
    }),
  );
}

class Groups {
  readonly #fixed: ReadonlyMap<string, number>;
  readonly #parts: ReadonlyMap<string, number>;
  /** By place, and by model and symbol. */
  readonly #groups = new Map<string, Group>();

  constructor(fixed: ReadonlyMap<string, number>, parts: ReadonlyMap<string, number>) {
    this.#fixed = fixed;
    this.#parts = parts;
  }

  /** Says that the dimension of a model at a place has this size or symbol. */
  join(where: string, input: PortSpec, axis: number, model: number, dim: number | string): void {
    const own = this.#groups.get(where) ?? { size: undefined, names: new Set(), fixedBy: '', input, axis };
    this.#groups.set(where, own);
    if (typeof dim === 'number' && dim >= 0) {
      fix(own, dim, where);
    } else if (typeof dim === 'string' && dim !== '') {
      const key = `${model}:${dim}`;
      const other = this.#groups.get(key);
      own.names.add(dim);
      const size = this.#fixed.get(dim);
      if (size !== undefined) fix(own, size, `--dim ${dim}`);
      if (other !== undefined && other !== own) this.#merge(own, other);
      else this.#groups.set(key, own);
    }
  }

  #merge(into: Group, other: Group): void {
    for (const name of other.names) into.names.add(name);
    if (other.size !== undefined) fix(into, other.size, other.fixedBy);
    for (const [key, group] of this.#groups) if (group === other) this.#groups.set(key, into);
  }

  sizeOf(input: PortSpec, axis: number, sizes: Sizes): number {
    const group = this.#groups.get(`${input.name}, axis ${axis}`);
    if (group === undefined) return sizeByPlace(input, axis, sizes);
    if (group.size !== undefined) return group.size;
    for (const name of group.names) {
      const size = this.#sizeByName(name, sizes);
      if (size !== undefined) return size;
    }
    return sizeByPlace(group.input, group.axis, sizes);
  }

  #sizeByName(name: string, sizes: Sizes): number | undefined {
    // As exporters write sums: `past_sequence_length + 1`.
    const terms = name.split('+').map((term) => term.trim());
    if (terms.length === 1) {
      return this.#fixed.get(name) ?? this.#parts.get(name) ?? usualSize(name, sizes);
    }
    let sum = 0;
    for (const term of terms) {
      const known = [...this.#groups].find(([key]) => key.endsWith(`:${term}`))?.[1].size;
      const size = /^\d+$/.test(term)
        ? Number(term)
        : (known ?? this.#fixed.get(term) ?? usualSize(term, sizes));
      if (size === undefined) return undefined;
      sum += size;
    }
    return sum;
  }
}

function fix(group: Group, size: number, by: string): void {
  if (group.size !== undefined && group.size !== size) {
    throw fail('VC6107', {
      where: by,
      found: `a dimension of ${size}`,
      expected: `${group.size}, as ${group.fixedBy} has it`,
    });
  }
  group.size = size;
  group.fixedBy = by;
}

/** Ordered: the first that fits decides. */
const usual: readonly (readonly [RegExp, (sizes: Sizes) => number])[] = [
  [/total|kv_?(seq|len)|full_?(seq|len)/i, ({ past, sequence }) => past + sequence],
  [/past|cache|history/i, ({ past }) => past],
  [/batch|beams/i, ({ batch }) => batch],
  [/channel/i, ({ channels }) => channels],
  [/height|width|^[hw]$/i, ({ side }) => side],
  [/seq|len|token|time|frames|patch/i, ({ sequence }) => sequence],
];

function usualSize(name: string, sizes: Sizes): number | undefined {
  return usual.find(([pattern]) => pattern.test(name))?.[1](sizes);
}

/** For dimensions without a name that says anything. */
function sizeByPlace({ name, shape }: PortSpec, axis: number, sizes: Sizes): number {
  if (axis === 0) return sizes.batch;
  if (/past|cache/i.test(name)) return axis === shape.length - 2 ? sizes.past : sizes.sequence;
  if (/mask/i.test(name)) return axis === shape.length - 1 ? sizes.past + sizes.sequence : sizes.sequence;
  if (shape.length === 4) return axis === 1 ? sizes.channels : sizes.side;
  return sizes.sequence;
}
