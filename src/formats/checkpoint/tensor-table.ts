/**
 * The tensors of a checkpoint as an architecture takes them: each by its name, shape checked, and a record of
 * what was taken. Tensors stay in their stored dtype and layout, nothing is read.
 */
import { fail } from '../../report/diagnostics.ts';
import { nearest } from '../../report/nearest.ts';
import { list, quote, show } from '../../report/show.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { CheckpointTensor } from './checkpoint.ts';

/** What weights may be stored in. Narrower floats carry scales of their own and mean nothing without them. */
const weightDTypes: ReadonlySet<DType> = new Set(['float32', 'bfloat16', 'float16', 'float64']);

export class TensorTable {
  readonly #tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly #taken = new Set<string>();

  constructor(tensors: ReadonlyMap<string, CheckpointTensor>) {
    this.#tensors = tensors;
  }

  /**
   * The weight of that name, of exactly that shape.
   *
   * @throws VlmError VC1221 where it is missing (unless optional: undefined), VC1222 for another shape, VC1223
   *   where it is not float32, bfloat16, float16 or float64
   */
  take(name: string, shape: readonly number[]): Tensor;
  take(name: string, shape: readonly number[], options: { readonly optional: true }): Tensor | undefined;
  take(name: string, shape: readonly number[], options?: { readonly optional: true }): Tensor | undefined {
    const entry = this.#tensors.get(name);
    if (entry === undefined) {
      if (options?.optional) return undefined;
      throw this.#missing(name, shape);
    }
    const { tensor, file } = entry;
    const where = `${file}: ${quote(name)}`;
    if (tensor.shape.length !== shape.length || tensor.shape.some((dim, i) => dim !== shape[i])) {
      throw fail('VC1222', { where, found: show(tensor.shape), expected: show(shape) });
    }
    if (!weightDTypes.has(tensor.dtype)) {
      throw fail('VC1223', {
        where,
        found: tensor.dtype,
        expected: `one of ${[...weightDTypes].join(', ')}`,
      });
    }
    this.#taken.add(name);
    return tensor;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** The stored shape, for sizes that no config states; undefined where there is no such tensor. */
  shapeOf(name: string): readonly number[] | undefined {
    return this.#tensors.get(name)?.tensor.shape;
  }

  /** All names, in the order of the files. */
  names(): string[] {
    return [...this.#tensors.keys()];
  }

  /** Names that nobody took, in the order of the files. */
  unused(): string[] {
    return this.names().filter((name) => !this.#taken.has(name));
  }

  #missing(name: string, shape: readonly number[]): Error {
    const similar = nearest(name, this.#tensors.keys(), 3);
    const candidates = similar.length > 0 ? similar : this.#sameEnding(name);
    return fail('VC1221', {
      where: quote(name),
      found:
        candidates.length > 0 ? `nearest: ${list(candidates)}` : `${this.#tensors.size} tensors, none alike`,
      expected: `a tensor of shape ${show(shape)}`,
    });
  }

  /** Up to three names that end like this one: the same weight under another prefix. */
  #sameEnding(name: string): string[] {
    const ending = `.${name.split('.').slice(-3).join('.')}`;
    const found: string[] = [];
    for (const other of this.#tensors.keys()) {
      if (`.${other}`.endsWith(ending)) found.push(other);
      if (found.length === 3) break;
    }
    return found;
  }
}
