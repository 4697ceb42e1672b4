/** Reads `vlm-convert.config.json`: the one in the current folder, or the one that `--config` names. */
import { access, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fail } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import { withPaths } from './paths.ts';
import { type OptionValues, parseOptionValues } from './schema.ts';

export const configName = 'vlm-convert.config.json';

/** Options are a few lines. */
const largestConfig = 2 ** 20;

export interface ConfigFile {
  readonly path: string;
  readonly values: OptionValues;
}

/**
 * The config file's options, validated; paths in it are relative to it. Undefined when none is named and the
 * current folder has none. Throws VC4002 to VC4004.
 */
export async function readConfigFile(
  named: string | undefined,
  cwd: string,
): Promise<ConfigFile | undefined> {
  const path = resolve(cwd, named ?? configName);
  let bytes: Uint8Array;
  try {
    const found = await stat(path);
    // A pipe may never say a word, a device never end.
    if (!found.isFile() && !found.isDirectory()) {
      throw fail('VC4004', { where: path, found: 'a device, a pipe or a socket', expected: 'a file' });
    }
    if (found.size > largestConfig) {
      throw fail('VC4004', {
        where: path,
        found: `${found.size} bytes`,
        expected: `at most ${largestConfig} bytes`,
      });
    }
    bytes = await readFile(path);
  } catch (cause) {
    if (named === undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (
      cause instanceof Error &&
      'code' in cause &&
      typeof cause.code === 'string' &&
      /^E/.test(cause.code)
    ) {
      throw fail('VC4004', { where: path, found: systemReason(cause), cause });
    }
    throw cause;
  }
  const raw = parseObject(bytes, path);
  const values = parseOptionValues(raw, (key) => `${path}: ${key}`);
  if (named === undefined && values.force === true && (await exists(join(cwd, 'config.json')))) {
    throw fail('VC4004', {
      where: `${path}: force`,
      found: 'a config file that may have come with the checkpoint asks to replace a folder',
      hint: 'give --force on the command line, or name the file: --config vlm-convert.config.json',
    });
  }
  const { $schema: _, ...kept } = values;
  return { path, values: withPaths(kept, dirname(path)) };
}

/** Of UTF-8 text; a byte order mark is skipped. */
function parseObject(bytes: Uint8Array, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw fail('VC4004', { where: path, found: (cause as Error).message, expected: 'JSON', cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail('VC4004', { where: path, expected: 'a JSON object of options' });
  }
  return value as Record<string, unknown>;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
