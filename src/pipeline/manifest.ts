/**
 * `vlm-convert.json`: what an output folder is, how it came about and what it holds, with a digest per file.
 * It also marks the folder as ours: only such folders are replaced without `--force`.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentSummary } from '../architectures/vocabulary.ts';
import { outputManifest } from '../formats/checkpoint/weights.ts';
import type { AdapterRecord } from '../parity/index.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import type { Generation } from './generation.ts';

export const manifestName = outputManifest;

/** A manifest is some kilobytes; more is not one of ours. */
const largestManifest = 16 * 2 ** 20;

export interface ManifestFile {
  /** Relative to the folder, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** A link to the checkpoint's own file (`--link-weights`): whoever writes to one writes to both. */
  readonly link?: true;
}

export interface Manifest {
  readonly tool: 'vlm-convert';
  /** Of this file's form. */
  readonly schema: 1;
  readonly version: string;
  readonly architecture: string;
  readonly options: JsonValue;
  /** Those that the weights hold, or that the graphs run. */
  readonly adapters?: readonly AdapterRecord[];
  readonly inputs: {
    readonly checkpoint: string;
    /** sha256 over config and headers (names, dtypes, shapes, places of all tensors); not over weight bytes. */
    readonly structureSha256: string;
    /** Of each weight file, under `--verify-inputs`. */
    readonly sha256?: Readonly<Record<string, string>>;
  };
  /** What the files are parts of, in the order of the graphs; not of one graph alone. */
  readonly components?: readonly ComponentSummary[];
  /** Pipeline text per component. */
  readonly passes: Readonly<Record<string, string>>;
  readonly parity: 'passed' | 'failed' | 'not run';
  /** How the graphs are run; not of an output of `quantize`. */
  readonly generation?: Generation;
  readonly files: readonly ManifestFile[];
}

/** True when the folder holds a manifest of ours. */
export async function isOurs(folder: string): Promise<boolean> {
  try {
    return (await readManifest(folder)).tool === 'vlm-convert';
  } catch {
    return false;
  }
}

/** Reads a manifest of ours; rejects when there is none. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestName);
  if ((await stat(path)).size > largestManifest) throw new RangeError(`${manifestName} is too large`);
  const value: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (!isManifest(value)) throw new TypeError(`${manifestName} is not a manifest of vlm-convert`);
  return value;
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false;
  const { tool, schema, files } = value as Partial<Manifest>;
  return (
    tool === 'vlm-convert' &&
    schema === 1 &&
    Array.isArray(files) &&
    files.every((file) => typeof file === 'object' && file !== null && typeof file.path === 'string')
  );
}
