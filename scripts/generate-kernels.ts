/**
 * Prints src/targets/kernel-data.ts, made from a JSON file of the kernels that execution providers register:
 *
 *   node scripts/generate-kernels.ts <onnx-kernels.json> > src/targets/kernel-data.ts
 *
 * The JSON: `kernels`: provider -> domain -> operator -> list of { since, until?, types? }, with `types` from type
 * variables to type names. The text that comes out is described in src/targets/kernels.ts. Needs a Node that strips
 * types (22.18 or later).
 */
import { readFileSync } from 'node:fs';

interface Row {
  readonly since: number;
  readonly until?: number;
  readonly types?: Readonly<Record<string, readonly string[]>>;
}

interface Source {
  readonly kernels: Readonly<
    Record<string, Readonly<Record<string, Readonly<Record<string, readonly Row[]>>>>>
  >;
}

const [, , path] = process.argv;
if (path === undefined) throw new Error('usage: node scripts/generate-kernels.ts <onnx-kernels.json>');
const source = JSON.parse(readFileSync(path, 'utf8')) as Source;

const domains: Readonly<Record<string, string>> = { 'ai.onnx': '', 'com.microsoft': 'com.microsoft' };

/** As scripts/generate-op-schema.ts names types. */
function typeName(name: string): string {
  const inner = /^tensor\((.*)\)$/.exec(name)?.[1] ?? name;
  if (inner === 'float') return 'float32';
  if (inner === 'double') return 'float64';
  if (inner.startsWith('seq(')) return 'sequence';
  const composite = /^(optional|map|sparse_tensor)\(/.exec(inner)?.[1];
  return composite?.replace('_', '-') ?? inner;
}

const lists: string[] = [];

function listNumber(names: readonly string[]): number {
  const text = [...new Set(names.map(typeName))].sort().join(' ');
  if (!lists.includes(text)) lists.push(text);
  return lists.indexOf(text);
}

interface Merged {
  readonly range: string;
  types: Record<string, readonly string[]>;
}

const same = (a: readonly string[] = [], b: readonly string[] = []): boolean =>
  [...a].sort().join() === [...b].sort().join();

/** Kernels that differ in the types of one variable become one. */
function merge(rows: readonly Row[], newestOnly: boolean): Merged[] {
  const merged: Merged[] = [];
  for (const { since, until, types = {} } of rows) {
    const range = newestOnly ? `1-${until ?? since}` : `${since}-${until ?? ''}`;
    const fits = (one: Merged): boolean =>
      one.range === range &&
      Object.keys(one.types).sort().join() === Object.keys(types).sort().join() &&
      Object.keys(types).filter((name) => !same(one.types[name], types[name])).length <= 1;
    const found = merged.find(fits);
    if (found === undefined) merged.push({ range, types: { ...types } });
    else
      for (const [name, list] of Object.entries(types)) {
        found.types[name] = [...new Set([...(found.types[name] ?? []), ...list])];
      }
  }
  return merged;
}

const providers = Object.entries(source.kernels).map(([provider, tables]) => {
  // A table that has one version of every operator lists the newest; the provider has kernels for those before, too.
  const newestOnly = Object.values(tables['ai.onnx'] ?? {}).every(
    (rows) => new Set(rows.map(({ since }) => since)).size === 1,
  );
  const lines: string[] = [];
  for (const [name, domain] of Object.entries(domains)) {
    lines.push(`@${domain}`);
    for (const [operator, rows] of Object.entries(tables[name] ?? {}).sort()) {
      const kernels = merge(rows, newestOnly).map(({ range, types }) =>
        [
          range,
          ...Object.entries(types)
            .sort()
            .map(([variable, list]) => `${variable}:${listNumber(list)}`),
        ].join(' '),
      );
      lines.push(`${operator} ${[...new Set(kernels)].join('|')}`);
    }
  }
  return { provider, lines };
});

console.log(`/**
 * Kernels that onnxruntime's execution providers register, by domain and operator. Written by
 * scripts/generate-kernels.ts; the form is described in kernels.ts.
 */

/** Lists of element types, by number. */
export const kernelTypes = \`
${lists.join('\n')}
\`;`);
for (const { provider, lines } of providers) {
  console.log(`\nexport const ${provider}Kernels = \`\n${lines.join('\n')}\n\`;`);
}
