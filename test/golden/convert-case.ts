/** Converts a recorded case by the library's own entry, as a user would, and gives what a test runs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GenerationRecipe } from '../../src/architectures/recipe.ts';
import { architectures } from '../../src/architectures/registry.ts';
import { type ConvertOptions, type ConvertResult, convert } from '../../src/index.ts';
import { suspects } from '../../src/parity/report/blame.ts';
import { caseOptions, type GoldenCase, goldenCases } from '../support/golden-cases.ts';
import { withBuiltCase } from '../support/open-case.ts';
import type { ComponentFiles } from '../support/write-models.ts';

export const registeredCases = goldenCases(architectures.map((architecture) => architecture.id));

/** Families whose checkpoints hold adapters of the language model, which no case counts. */
const adapted: ReadonlySet<string> = new Set(['minigpt-v2']);

/** Both ways of carrying them, and those of tiles. */
export function loraModes({ family, json }: GoldenCase): readonly ('merge' | 'factored')[] {
  return adapted.has(family) || (json.dims?.vision?.adapters ?? 0) > 0 ? ['merge', 'factored'] : ['merge'];
}

export interface ConvertedCase {
  readonly result: ConvertResult;
  readonly recipe: GenerationRecipe;
  readonly files: ComponentFiles;
}

/** Converts into a temporary folder that is gone when `body` returns. */
export async function withConverted<T>(
  golden: GoldenCase,
  options: Omit<ConvertOptions, 'checkpoint' | 'output'>,
  body: (converted: ConvertedCase) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-output-'));
  try {
    const { resolution, tiling } = caseOptions(golden);
    const output = join(folder, 'out');
    const result = await convert({ checkpoint: golden.checkpoint, output, resolution, tiling, ...options });
    return await withBuiltCase(golden, ({ recipe, components }) => {
      const files = components.map(({ id, fileName }) => [id, join(output, 'onnx', `${fileName}.onnx`)]);
      return body({ result, recipe, files: Object.fromEntries(files) });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** How the graphs of a case work together. */
export async function withRecipe<T>(
  golden: GoldenCase,
  body: (recipe: GenerationRecipe) => Promise<T>,
): Promise<T> {
  return await withBuiltCase(golden, ({ recipe }) => body(recipe));
}

/** The gates that failed, and blocks that a finding would blame if one had; as a test wants them: none. */
export function failedGates({ parity }: ConvertResult): readonly unknown[] {
  if (parity === undefined) throw new Error('parity did not run');
  if (parity.gates.length === 0) throw new Error('no gate was looked at');
  const allFailed = parity.gates.map((gate) => ({ ...gate, passed: false }));
  const blamed = suspects({ ...parity, gates: allFailed }).filter(({ block }) => block !== undefined);
  return [...parity.gates.filter((gate) => !gate.passed), ...parity.findings, ...blamed];
}
