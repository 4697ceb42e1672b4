/**
 * The check of a finished output: writes the reference graphs and the plain graphs (those that passes rewrote also
 * with their original weights) into the scratch folder, runs them beside the output, and returns the report.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ComponentFiles,
  coverageRows,
  type GateOverride,
  type ParityReport,
  runParity,
  withoutActivationQuantization,
} from '../parity/index.ts';
import { type Reporter, runStage } from '../report/progress.ts';
import type { ChosenDevice } from '../runtime/devices.ts';
import { type CheckGraph, checkGraphs } from './check-graphs.ts';
import type { CheckInputs } from './check-inputs.ts';
import type { CompiledComponent } from './compile.ts';
import type { Prepared } from './plan.ts';
import { planModels, toWrite, type WriteLimits, writeModelFile, writeModels } from './write-models.ts';

export interface CheckOptions {
  /** Holds the output's graphs; other model files stand there for the time of the check only. */
  readonly outputGraphs: string;
  readonly scratch: string;
  readonly device: ChosenDevice;
  readonly gates: readonly GateOverride[];
  readonly inputs: CheckInputs;
  readonly write: WriteLimits;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/** Throws VC5xxx when the references cannot be written, VC6xxx when they cannot be run or paired. */
export async function check(prepared: Prepared, options: CheckOptions): Promise<ParityReport> {
  const { components } = prepared;
  const folders: Readonly<Record<CheckGraph['kind'], string>> = {
    reference: join(options.scratch, 'reference'),
    plain: join(options.scratch, 'plain'),
    rewritten: join(options.scratch, 'rewritten'),
  };
  await runStage(options.reporter, 'reference', async (progress) => {
    const models = components.flatMap((one) =>
      checkGraphs(one).map(({ kind, model }) => toWrite(kind, one.component.fileName, model)),
    );
    await writeModels(models, await planModels(models), {
      ...options.write,
      root: options.scratch,
      constantsPath: join(options.scratch, 'constants'),
      durable: false,
      signal: options.signal,
      onProgress: (done, total) => progress({ done, total, unit: 'bytes' }),
    });
  });
  const exact = await writeExactVariants(options.outputGraphs, components);
  try {
    return await runStage(
      options.reporter,
      'check',
      (progress) =>
        runParity({
          subject: subjectOf(prepared),
          recipe: prepared.built.recipe,
          image: prepared.built.image,
          rewrite: rewrittenFiles(folders, components),
          fidelity: {
            reference: filesIn(folders.reference, components),
            converted: filesIn(options.outputGraphs, components),
          },
          implementation: {
            reference: filesIn(folders.plain, components),
            converted: { ...filesIn(options.outputGraphs, components), ...exact },
          },
          device: options.device,
          gates: options.gates,
          ...options.inputs,
          signal: options.signal,
          onProgress: progress,
        }),
      (report) => (report.passed ? 'passed' : 'a gate failed'),
    );
  } finally {
    for (const path of Object.values(exact)) await rm(path);
  }
}

/** Model files that read the output's data files but leave activations in float32, where the output does not. */
async function writeExactVariants(
  folder: string,
  components: readonly CompiledComponent[],
): Promise<ComponentFiles> {
  const files: Record<string, string> = {};
  for (const { component, model, layout } of components) {
    const exact = withoutActivationQuantization(model);
    if (exact === undefined) continue;
    const name = `${component.fileName}.float-activations.onnx`;
    await writeModelFile(folder, name, exact, layout);
    files[component.id] = join(folder, name);
  }
  return files;
}

function filesIn(folder: string, components: readonly CompiledComponent[]): ComponentFiles {
  return Object.fromEntries(
    components.map(({ component }) => [component.id, join(folder, `${component.fileName}.onnx`)]),
  );
}

/** Plain graphs with the original weights, of the components that need proof of their rewriting. */
function rewrittenFiles(
  folders: Readonly<Record<CheckGraph['kind'], string>>,
  components: readonly CompiledComponent[],
): ComponentFiles {
  const written = (one: CompiledComponent): boolean =>
    checkGraphs(one).some(({ kind }) => kind === 'rewritten');
  const changed = components.filter((one) => one.rewritten !== undefined);
  return {
    ...filesIn(
      folders.plain,
      changed.filter((one) => !written(one)),
    ),
    ...filesIn(folders.rewritten, changed.filter(written)),
  };
}

/** What the report says about the conversion. */
export function subjectOf({ plan, components }: Prepared): Parameters<typeof runParity>[0]['subject'] {
  return {
    tool: { name: 'vlm-convert', version: plan.version },
    model: {
      name: plan.checkpoint.name,
      architecture: plan.architecture,
      structureSha256: plan.checkpoint.structureSha256,
    },
    options: plan.options,
    precision: Object.fromEntries(components.map(({ component, precision }) => [component.id, precision])),
    passes: components.flatMap(({ component, records }) =>
      records.map(({ name, options, changed, stats, notes }) => ({
        component: component.id,
        name,
        options,
        changed,
        stats,
        notes,
      })),
    ),
    coverage: components.flatMap(({ component, records }) =>
      coverageRows(
        component.id,
        records.flatMap((record) => record.coverage),
      ),
    ),
    warnings: plan.warnings,
  };
}
