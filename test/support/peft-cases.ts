/** The recorded PEFT cases: a base in checkpoint/, its adapter in checkpoint/adapter. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AppliedAdapter, applyAdapters } from '../../src/formats/checkpoint/adapters/apply.ts';
import { openAdapter } from '../../src/formats/checkpoint/adapters/open-adapter.ts';
import type { Checkpoint } from '../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { type GoldenCase, goldenCases } from './golden-cases.ts';

export interface PeftJson {
  readonly expect?: { readonly error: boolean; readonly why: string };
  readonly touched?: readonly {
    readonly module: string;
    readonly r: number;
    readonly alpha: number;
    readonly scale: number;
  }[];
  readonly adapter_keys: number;
  /** Tensors that move no recorded output; those of the base behind `base: `. */
  readonly unused?: readonly string[];
}

export interface PeftCase extends GoldenCase {
  readonly adapter: string;
  readonly peft: PeftJson;
}

const all: readonly PeftCase[] = goldenCases(['peft']).map((golden) => ({
  ...golden,
  adapter: join(golden.checkpoint, 'adapter'),
  peft: JSON.parse(readFileSync(join(golden.folder, 'case.json'), 'utf8')) as PeftJson,
}));

/** Those that convert. */
export const peftCases = all.filter(({ peft }) => peft.expect?.error !== true);

/** Those that have to be refused. */
export const refusedPeftCases = all.filter(({ peft }) => peft.expect?.error === true);

export function peftCase(name: string): PeftCase {
  const found = all.find((golden) => golden.name === `peft/${name}`);
  if (found === undefined) throw new Error(`no golden case peft/${name}`);
  return found;
}

/** Opens the base with its adapter applied, and closes both after `body`. */
export async function withAdapted<T>(
  { checkpoint: path, adapter: folder }: Pick<PeftCase, 'checkpoint' | 'adapter'>,
  body: (checkpoint: Checkpoint, adapter: AppliedAdapter) => Promise<T>,
  share = 1,
): Promise<T> {
  const base = await openCheckpoint(path);
  try {
    const adapter = await openAdapter(folder);
    try {
      const { checkpoint, adapters } = applyAdapters(base, [{ adapter, share }]);
      const [applied] = adapters;
      if (applied === undefined) throw new Error('nothing was applied');
      return await body(checkpoint, applied);
    } finally {
      await adapter.close();
    }
  } finally {
    await base.close();
  }
}
