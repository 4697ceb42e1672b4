/**
 * The check of a finished output: the reference graphs and the plain graphs (those that passes rewrote also with
 * their original weights) run beside it, part after part, and the report says what came out.
 */

import { componentSummary } from '../architectures/vocabulary.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import {
  coverageRows,
  type GateOverride,
  outputBuilds,
  type ParityReport,
  runParity,
  withRanges,
} from '../parity/index.ts';
import { type Reporter, runStage } from '../report/progress.ts';
import type { ChosenDevice } from '../runtime/devices.ts';
import type { CheckInputs } from './check-inputs.ts';
import { placeParts } from './check-parts.ts';
import { buildsOf, checkCut } from './check-plan.ts';
import type { ResolvedOptions } from './options.ts';
import type { Prepared } from './plan.ts';
import { type CompiledSize, sweep } from './sweep.ts';
import type { WriteLimits } from './write-models.ts';

export interface CheckOptions {
  /** Holds the output's graphs. */
  readonly outputGraphs: string;
  readonly scratch: string;
  readonly device: ChosenDevice;
  readonly gates: readonly GateOverride[];
  readonly inputs: CheckInputs;
  /** Sizes at which activations are measured besides. */
  readonly sweep?: {
    readonly sizes: readonly CompiledSize[];
    readonly checkpoint: Checkpoint;
    readonly resolved: ResolvedOptions;
  };
  readonly write: WriteLimits;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/**
 * With a sweep, the report has the ranges at its sizes, too. Throws VC5xxx when parts of the references cannot be
 * written, VC6xxx when they cannot be run or paired.
 */
export async function check(prepared: Prepared, options: CheckOptions): Promise<ParityReport> {
  const { holdDevice } = await import('../runtime/probes.ts');
  const release = await holdDevice(options.device.device);
  const report = await compare(prepared, options).finally(release);
  if (options.sweep === undefined) return report;
  const { sizes, checkpoint, resolved } = options.sweep;
  const { device } = options.device;
  const ranges = await sweep(sizes, { ...options, checkpoint, options: resolved, device });
  const swept = withRanges(report, ranges, options.gates);
  options.reporter.warn(swept.warnings.slice(report.warnings.length));
  return swept;
}

async function compare(prepared: Prepared, options: CheckOptions): Promise<ParityReport> {
  const { built, components, check: plan } = prepared;
  const layouts = new Map(components.map(({ component, layout }) => [component.id, layout]));
  return await runStage(
    options.reporter,
    'check',
    (progress) =>
      runParity({
        subject: subjectOf(prepared),
        recipe: built.recipe,
        image: built.image,
        audio: built.audio,
        stream: {
          builds: new Map(components.map((one) => [one.component.id, buildsOf(one)])),
          cut: checkCut,
          continuation: plan?.mode === 'whole' ? 'picked' : 'drawn',
          place: (component, models) => {
            const layout = layouts.get(component);
            if (layout === undefined) throw new RangeError(`there is no component ${component}`);
            const output = { folder: options.outputGraphs, layout, builds: outputBuilds };
            return placeParts(models, { ...options, output });
          },
        },
        device: options.device,
        gates: options.gates,
        ...options.inputs,
        signal: options.signal,
        onProgress: progress,
      }),
    (report) => (report.passed ? 'passed' : 'a gate failed'),
  );
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
    ...(plan.adapters === undefined ? {} : { adapters: plan.adapters }),
    components: components.map(({ component }) => componentSummary(component)),
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
