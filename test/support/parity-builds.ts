/** Everything that a parity run compares, written once, so that a test can run it again and again. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import type { ParityRequest } from '../../src/parity/index.ts';
import { buildsOf } from '../../src/pipeline/check-plan.ts';
import { type ConvertOptions, resolveOptions } from '../../src/pipeline/options.ts';
import { build, prepare } from '../../src/pipeline/plan.ts';
import { caseOptions, type GoldenCase } from './golden-cases.ts';
import { writeModel } from './write-models.ts';

export async function writeParityBuilds(
  folder: string,
  golden: GoldenCase,
  options: Omit<ConvertOptions, 'checkpoint' | 'output'>,
): Promise<ParityRequest> {
  const { resolution, tiling } = caseOptions(golden);
  const resolved = resolveOptions({ checkpoint: golden.checkpoint, resolution, tiling, ...options });
  const checkpoint = await openCheckpoint(golden.checkpoint);
  try {
    const { built, components, plan } = await prepare(checkpoint, build(checkpoint, resolved), resolved);
    const files = {
      reference: {} as Record<string, string>,
      plain: {} as Record<string, string>,
      rewritten: {} as Record<string, string>,
      output: {} as Record<string, string>,
      exact: {} as Record<string, string>,
    };
    for (const kind of Object.keys(files)) await mkdir(join(folder, kind), { recursive: true });
    for (const one of components) {
      const { id, fileName } = one.component;
      const { reference, plain, rewritten, converted, exact = converted } = buildsOf(one);
      for (const [kind, model] of Object.entries({ reference, plain, output: converted, exact })) {
        files[kind as keyof typeof files][id] = await writeModel(join(folder, kind), fileName, model);
      }
      if (rewritten === undefined) continue;
      files.rewritten[id] = await writeModel(join(folder, 'rewritten'), fileName, rewritten);
    }
    return {
      subject: {
        tool: { name: 'vlm-convert', version: plan.version },
        model: {
          name: plan.checkpoint.name,
          architecture: plan.architecture,
          structureSha256: plan.checkpoint.structureSha256,
        },
        options: plan.options,
        precision: Object.fromEntries(
          components.map(({ component, precision }) => [component.id, precision]),
        ),
        passes: [],
        coverage: [],
        warnings: [],
      },
      recipe: built.recipe,
      image: built.image,
      rewrite: files.rewritten,
      fidelity: { reference: files.reference, converted: files.output },
      implementation: { reference: files.plain, converted: files.exact },
    };
  } finally {
    await checkpoint.close();
  }
}
