/** Where tests find recorded cases: `fixtures/`, and the folder in VLM_GOLDENS where that is set. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const fixtures = resolve(import.meta.dirname, '../fixtures');

export const goldenFolders: readonly string[] = [
  fixtures,
  ...(process.env.VLM_GOLDENS === undefined ? [] : [resolve(process.env.VLM_GOLDENS)]),
];

export interface MalformedCase {
  /** As expect.json names it: `safetensors/gap.safetensors`. */
  readonly name: string;
  readonly path: string;
  readonly must: string;
  readonly wrong: string;
}

/** The entries of every `malformed/expect.json` under a part of it, e.g. `safetensors/`. */
export function malformedCases(part: string): MalformedCase[] {
  return goldenFolders.flatMap((folder) => {
    const root = join(folder, 'malformed');
    if (!existsSync(join(root, 'expect.json'))) return [];
    const { files } = JSON.parse(readFileSync(join(root, 'expect.json'), 'utf8')) as {
      files: Record<string, { must: string; wrong: string }>;
    };
    return Object.entries(files)
      .filter(([name]) => name.startsWith(part))
      .map(([name, { must, wrong }]) => ({ name, path: join(root, name), must, wrong }));
  });
}
