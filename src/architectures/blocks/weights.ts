/**
 * Weights on their way from a checkpoint into a graph. Families read them through a `WeightReader`, which
 * knows the prefix of the module it stands in; blocks get `Weight`s and turn them into float32 initializers.
 */
import type { TensorTable } from '../../formats/checkpoint/tensor-table.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../../tensor/derived/cast.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** A weight of the checkpoint in its stored dtype and layout, and the name that its initializer gets. */
export interface Weight {
  readonly name: string;
  readonly tensor: Tensor;
}

export class WeightReader {
  readonly #table: TensorTable;
  readonly prefix: string;

  constructor(table: TensorTable, prefix = '') {
    this.#table = table;
    this.prefix = prefix;
  }

  /** The reader of a sub-module: `reader.at('attn')` reads `<prefix>attn.*`. */
  at(module: string): WeightReader {
    return new WeightReader(this.#table, `${this.prefix}${module}.`);
  }

  /** The weight of exactly this shape; throws VC12xx where it is missing, misshapen or not of a float dtype. */
  take(name: string, shape: readonly number[]): Weight {
    const full = this.prefix + name;
    return { name: full, tensor: this.#table.take(full, shape) };
  }

  has(name: string): boolean {
    return this.#table.has(this.prefix + name);
  }

  /** The stored shape, to read sizes that no config states; undefined when there is no such tensor. */
  shapeOf(name: string): readonly number[] | undefined {
    return this.#table.shapeOf(this.prefix + name);
  }

  /**
   * How many modules a list has that no config counts: one more than the highest index of any of its tensors, so that
   * one that lacks a tensor is missed when it is read. Indices from `most` on do not count.
   */
  countOf(modules: string, most: number): number {
    const start = `${this.prefix}${modules}.`;
    let count = 0;
    for (const name of this.#table.names()) {
      const index = name.startsWith(start) ? Number.parseInt(name.slice(start.length), 10) : -1;
      if (index < most && index >= count) count = index + 1;
    }
    return count;
  }
}

/** The weight as a float32 initializer in its stored layout. */
export function initializer(b: GraphBuilder, weight: Weight): Value {
  return b.weight(weight.name, cast(weight.tensor, 'float32'));
}
