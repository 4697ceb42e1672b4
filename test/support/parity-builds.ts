/** Everything that a parity run compares, written once, so that a test can run it again and again. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { type ParityRequest, withoutActivationQuantization } from '../../src/parity/index.ts';
import { checkGraphs } from '../../src/pipeline/check-graphs.ts';
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
      for (const { kind, model } of checkGraphs(one)) {
        files[kind][id] = await writeModel(join(folder, kind), fileName, model);
      }
      if (one.rewritten !== undefined) files.rewritten[id] ??= files.plain[id] ?? '';
      files.output[id] = await writeModel(join(folder, 'output'), fileName, one.model);
      const exact = withoutActivationQuantization(one.model);
      files.exact[id] =
        exact === undefined ? files.output[id] : await writeModel(join(folder, 'exact'), fileName, exact);
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
