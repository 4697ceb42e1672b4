/**
 * Tables of kernels: which operators a provider has kernels for, in which versions, for which element types.
 *
 * Their form: `@domain` opens a domain, then a line per operator, `Name kernel|kernel|…`. A kernel is `since-until`
 * (operator set versions of the operator's definition; an open end means that version alone, which is how onnxruntime
 * matches kernels) and then `Variable:n`, element types of a type variable of the signature as a list of
 * `kernelTypes`; variables that are left out take anything.
 */
import { kernelTypes } from './kernel-data.ts';

export interface Kernel {
  readonly since: number;
  /** The last version that it serves. */
  readonly until: number;
  readonly types: ReadonlyMap<string, ReadonlySet<string>>;
}

/** `domain::Name`, or `Name` in the default domain, to its kernels. */
export type KernelTable = ReadonlyMap<string, readonly Kernel[]>;

const tables = new Map<string, KernelTable>();
let typeLists: readonly ReadonlySet<string>[] | undefined;

/** The table that a text holds; each is read when it is first asked for. */
export function kernelTable(text: string): KernelTable {
  const known = tables.get(text);
  if (known !== undefined) return known;
  const table = readTable(text);
  tables.set(text, table);
  return table;
}

function readTable(text: string): KernelTable {
  const lists = readTypes();
  const table = new Map<string, readonly Kernel[]>();
  let prefix = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('@')) prefix = line === '@' ? '' : `${line.slice(1)}::`;
    else if (line !== '') {
      const at = line.indexOf(' ');
      const kernels = line.slice(at + 1).split('|');
      table.set(
        `${prefix}${line.slice(0, at)}`,
        kernels.map((kernel) => readKernel(kernel, lists)),
      );
    }
  }
  return table;
}

function readKernel(text: string, lists: readonly ReadonlySet<string>[]): Kernel {
  const [range = '', ...words] = text.split(' ');
  const [since = '', until = ''] = range.split('-');
  const types = words.map((word) => {
    const [variable = '', list = ''] = word.split(':');
    return [variable, lists[Number(list)] ?? new Set<string>()] as const;
  });
  return { since: Number(since), until: Number(until === '' ? since : until), types: new Map(types) };
}

function readTypes(): readonly ReadonlySet<string>[] {
  typeLists ??= kernelTypes
    .trim()
    .split('\n')
    .map((line) => new Set(line.split(' ')));
  return typeLists;
}
