/**
 * The plan of what is written: files, tensors at offsets, how each is computed, and the units of work that do it.
 * Plain data (JSON), a function of shapes and names alone: neither memory nor the number of workers changes it, so
 * that a unit means the same bytes in every run, on every thread, and on another machine.
 *
 * A unit computes rows [begin, end) of all outputs of one derivation (or a window of them, where the rows of a source
 * are read in parts), or copies bytes [begin, end) of a tensor that is stored as it is. Units are listed in the order of their work.
 */

import type { TensorRecipe } from '../../tensor/derived/registry.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { ColumnRange } from '../../tensor/tiles.ts';

/** A derivation with all its outputs, or one source tensor. */
export interface WriteRecipe extends TensorRecipe {
  /** It reads constants of ours that hold infinities (masks): finding such values in it proves nothing. */
  readonly nonFiniteConstants?: true;
}

export interface PlannedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Index of the file. */
  readonly file: number;
  readonly offset: number;
  readonly bytes: number;
  /** Index of the recipe, and which of its tensors this is. */
  readonly recipe: number;
  readonly output: number;
}

export interface Unit {
  readonly recipe: number;
  readonly begin: number;
  readonly end: number;
  /** Only these columns of the rows, of a recipe with one tensor; left out: whole rows. */
  readonly columns?: ColumnRange;
  /** Bytes of the inputs that it goes through, about. */
  readonly reads: number;
  /** Bytes that it writes, exactly. */
  readonly writes: number;
}

export interface WritePlan {
  /** Files that are read, by name. */
  readonly inputs: readonly { readonly name: string; readonly size: number }[];
  /** The file of constants (see `constantsName`). */
  readonly constants: { readonly bytes: number; readonly sha256: string };
  /** Relative to the folder that is written, with forward slashes. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly recipes: readonly WriteRecipe[];
  /** By file and offset. */
  readonly tensors: readonly PlannedTensor[];
  readonly units: readonly Unit[];
}

/**
 * Recipes find constants under this name: a path that no file has. All constants above a limit, and tensors of
 * sources that are no files, are put into one file before anything is computed, so that units are data only.
 */
export const constantsName = 'constants/';

/** What each recipe gives: one of its tensors may go to several places. */
export function tensorsByRecipe({
  recipes,
  tensors,
}: Pick<WritePlan, 'recipes' | 'tensors'>): readonly (readonly PlannedTensor[])[] {
  const byRecipe = recipes.map((): PlannedTensor[] => []);
  for (const tensor of tensors) byRecipe[tensor.recipe]?.push(tensor);
  return byRecipe;
}
