/**
 * Where a checkpoint keeps its modules. Versions of the libraries that save them put other prefixes before the same
 * modules; the tensors inside a module are named alike in all of them.
 */
import type { TensorTable } from '../formats/checkpoint/tensor-table.ts';
import { WeightReader } from './blocks/weights.ts';

export interface ModuleNames {
  /** In the order of preference; the first also names what is missing where none is there. */
  readonly prefixes: readonly string[];
  /** What tells that a prefix is in use: names in the module begin with one of these. */
  readonly contents: readonly string[];
}

/**
 * A language model inside of another model, and its head: whole (`language_model.model`), as transformers names its own
 * modules today (`model.language_model`), and both with a further prefix or one less.
 */
export const languageModules = {
  text: {
    prefixes: [
      'language_model.model',
      'model.language_model',
      'model.language_model.model',
      'language_model',
    ],
    contents: ['layers.', 'embed_tokens.'],
  },
  head: {
    prefixes: ['lm_head', 'language_model.lm_head', 'model.lm_head', 'model.language_model.lm_head'],
    contents: ['weight'],
  },
} as const satisfies Readonly<Record<string, ModuleNames>>;

/** A reader of each module, at the prefix that the checkpoint uses. */
export function findModules<K extends string>(
  table: TensorTable,
  modules: Readonly<Record<K, ModuleNames>>,
): Readonly<Record<K, WeightReader>> {
  const names = table.names();
  const find = ({ prefixes, contents }: ModuleNames): WeightReader => {
    const used = prefixes.find((prefix) =>
      names.some((name) => contents.some((content) => name.startsWith(`${prefix}.${content}`))),
    );
    const prefix = used ?? prefixes[0];
    if (prefix === undefined) throw new RangeError('a module without names');
    return new WeightReader(table).at(prefix);
  };
  const entries = Object.entries<ModuleNames>(modules).map(([key, module]) => [key, find(module)]);
  return Object.fromEntries(entries) as Record<K, WeightReader>;
}
