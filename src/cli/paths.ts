/** Paths among option values, made absolute. */
import { resolve } from 'node:path';
import { type OptionSpec, optionTable, positionals } from './options.ts';
import type { OptionValues } from './schema.ts';

/** `values` with every path that is relative to `folder` resolved: those of `specs`, and the positional ones. */
export function withPaths(
  values: OptionValues,
  folder: string,
  specs: readonly OptionSpec[] = optionTable,
): OptionValues {
  const kinds = new Map<string, string>([
    ...positionals.map(({ key }) => [key, 'path'] as const),
    ...specs.map(({ key, type }) => [key, type.kind] as const),
  ]);
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const kind = kinds.get(key);
      if (kind === 'path' && typeof value === 'string') return [key, resolve(folder, value)];
      if (kind === 'adapters' && Array.isArray(value)) {
        const adapters = value as readonly { readonly path: string }[];
        return [key, adapters.map((one) => ({ ...one, path: resolve(folder, one.path) }))];
      }
      return [key, value];
    }),
  );
}
