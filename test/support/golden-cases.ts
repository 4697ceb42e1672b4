/**
 * The recorded cases of model families, from `fixtures/` and VLM_GOLDENS: a case is a folder with case.json,
 * checkpoint/, pictures and io.safetensors (`in.*` fed, `mid.*` taps, `out.*` to match).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildOptions } from '../../src/architectures/architecture.ts';
import { goldenFolders } from '../golden-folders.ts';

export interface CaseJson {
  readonly name: string;
  readonly family: string;
  /** `checkpoint` where left out. */
  readonly checkpoint?: string;
  readonly resolution?: { readonly width: number; readonly height: number; readonly from: string };
  /** Left out where the values themselves are recorded. */
  readonly pixel_values?: PixelFormula;
  readonly dims?: {
    readonly image_tokens?: number;
    readonly vision?: { readonly tokens?: number; readonly adapters?: number };
    /** Rows and columns of tiles at the last of several scales, and the sides of all. */
    readonly block_sizes?: readonly [number, number];
    readonly s2_scales?: string;
  };
  /** `dynamic` and the like: how many views a picture has hangs on its shape. */
  readonly preprocessing?: { readonly image_aspect_ratio?: string } | null;
  readonly text: {
    readonly IMG_TOKEN_SPAN?: number;
    /** Where pictures stand; in recorded ids where one id stands for a whole picture, with its index. */
    readonly image_spans?: readonly (UnsplicedSpan | Omit<UnsplicedSpan, 'index_in_ids'>)[];
  };
  /** Tensors that move no recorded output. */
  readonly unused?: readonly string[];
}

/** A picture that has one id in the recorded ids, and `count` features in what the original code makes of them. */
export interface UnsplicedSpan {
  readonly index_in_ids: number;
  readonly count: number;
  /** Ids whose embeddings the original code puts behind the features. */
  readonly then_newline_ids?: readonly number[];
}

/** How to make pixel values of pictures that were resized already. */
export interface PixelFormula {
  readonly stored_as: readonly string[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly sha256_of_fp32_little_endian_chw: readonly string[];
}

export interface GoldenCase {
  /** `monkey/tiny-896` */
  readonly name: string;
  readonly family: string;
  readonly folder: string;
  readonly checkpoint: string;
  readonly json: CaseJson;
}

/** Checkpoints in parts, whose ids are not those of the graphs: `originalLlavaCases`. */
const inParts = /^llava\/original-/;

/** The cases of some families, each name once, in the order of the names. */
export function goldenCases(families: readonly string[]): GoldenCase[] {
  return allCases(families).filter(({ name }) => !inParts.test(name));
}

export function originalLlavaCases(): GoldenCase[] {
  return allCases(['llava']).filter(({ name }) => inParts.test(name));
}

function allCases(families: readonly string[]): GoldenCase[] {
  const found = new Map<string, GoldenCase>();
  for (const root of goldenFolders) {
    for (const family of families) {
      const home = join(root, family);
      if (!existsSync(home)) continue;
      for (const entry of readdirSync(home).sort()) {
        const folder = join(home, entry);
        const name = `${family}/${entry}`;
        if (found.has(name) || !existsSync(join(folder, 'case.json'))) continue;
        const json = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as CaseJson;
        found.set(name, {
          name,
          family,
          folder,
          checkpoint: join(folder, json.checkpoint ?? 'checkpoint'),
          json,
        });
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One case by name; throws where neither folder has it. */
export function goldenCase(name: string): GoldenCase {
  const [family = ''] = name.split('/');
  const found = goldenCases([family]).find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no golden case ${name}`);
  return found;
}

/** How the reference ran a case: at the checkpoint's own size, or fed another one. */
export function caseOptions({ json }: GoldenCase): BuildOptions {
  const common = { tiling: 'crop', loraTiles: 'error' } as const;
  if (json.resolution?.from !== 'override') return common;
  const { width, height } = json.resolution;
  return { ...common, resolution: { width, height } };
}

/** Throws where a case has its pixel values recorded, and no formula. */
export function pixelFormula({ name, json }: GoldenCase): PixelFormula {
  if (json.pixel_values === undefined) throw new Error(`${name} has no formula of its pixel values`);
  return json.pixel_values;
}
