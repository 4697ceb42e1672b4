/**
 * A conversion from checkpoint to output folder. Everything is decided and checked before the first byte is
 * written, and everything written stands under another name until it is whole and checked.
 */
import { join } from 'node:path';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import {
  gatesOfComponents,
  type ParityReport,
  parityFailure,
  parseGates,
  reportFiles,
} from '../parity/index.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import { formatBytes, plural } from '../report/format.ts';
import { type Reporter, runStage, type StageSpec } from '../report/progress.ts';
import { silentReporter } from '../report/sinks.ts';
import { check } from './check.ts';
import { checkDevice } from './check-device.ts';
import { readCheckInputs, refuseWithoutCheck } from './check-inputs.ts';
import type { OnBroken } from './compile.ts';
import { type ReadAhead, readAhead } from './engine/read-ahead.ts';
import { inputFiles } from './inputs.ts';
import { chooseLinks, noLinks } from './links.ts';
import { type MadeOutput, makeOutput, orInterrupted, outputStages } from './make-output.ts';
import { withMeasures } from './measure-adapters.ts';
import { openStage } from './open-source.ts';
import { type ConvertOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { chooseOutput, outputPath } from './output-folder.ts';
import { build, type Plan, prepare } from './plan.ts';
import { compileSizes } from './sweep.ts';

export interface ConvertContext {
  readonly reporter?: Reporter;
  /** Stops the conversion; what is left can be resumed. */
  readonly signal?: AbortSignal;
  /** The current folder, for the default output. */
  readonly cwd?: string;
  /** Called with the graph before a pass that broke it. */
  readonly onBroken?: OnBroken;
}

export interface ConvertResult extends MadeOutput {
  /** Absolute. */
  readonly output: string;
  /** False when a parity gate failed; `failure` says which. The output is written all the same. */
  readonly passed: boolean;
  readonly failure?: DiagnosticRecord;
  readonly plan: Plan;
  readonly parity?: ParityReport;
}

const stages = {
  open: 'Open the checkpoint',
  build: 'Build the reference graphs',
  passes: 'Run the passes and plan the output',
  inputs: outputStages.inputs,
  write: outputStages.write,
  check: 'Check against the original',
  sweep: 'Measure activations at other sizes',
  seal: outputStages.seal,
} as const;

function stageList({ parity, verifyInputs, sweepResolutions }: ResolvedOptions): StageSpec[] {
  return Object.entries(stages)
    .filter(([id]) => parity || id !== 'check')
    .filter(([id]) => sweepResolutions !== undefined || id !== 'sweep')
    .filter(([id]) => verifyInputs || id !== 'inputs')
    .map(([id, title]) => ({ id, title }));
}

/**
 * Converts a checkpoint. Throws VlmError: VC1xxx for the checkpoint, VC3xxx and VC4xxx for graphs and options,
 * VC5xxx for the output (VC5190 when stopped by the signal), VC6xxx when the check cannot run (VC6005 before
 * anything is written). After a throw nothing is left under the output's name that was not there before; units of
 * work that were finished stay in the work folder beside it, for `resume`.
 */
export async function convert(options: ConvertOptions, context: ConvertContext = {}): Promise<ConvertResult> {
  const resolved = resolveOptions(options);
  const reporter = context.reporter ?? silentReporter;
  const signal = context.signal ?? new AbortController().signal;
  const given = parseGates(resolved.gate);
  refuseWithoutCheck(resolved);
  const device = resolved.parity ? await checkDevice(resolved.device, reporter) : undefined;
  reporter.stages(stageList(resolved));
  let checkpoint: Checkpoint | undefined;
  let ahead: ReadAhead | undefined;
  try {
    const opened = await openStage(reporter, resolved);
    checkpoint = opened;
    ahead = await readAhead(inputFiles(opened));
    const path = outputPath(options.output, opened.name, context.cwd ?? process.cwd());
    const place = await chooseOutput(path, opened.folders, resolved.force);
    const built = await runStage(
      reporter,
      'build',
      async () => build(opened, resolved),
      ({ architecture, image, audio }) =>
        [architecture, (image ?? audio)?.summary].filter(Boolean).join(', '),
    );
    const gates = gatesOfComponents(given, built.components);
    signal.throwIfAborted();
    const prepared = await runStage(
      reporter,
      'passes',
      async () => {
        const links = resolved.linkWeights ? await chooseLinks(inputFiles(opened), place) : noLinks;
        const made = await prepare(opened, built, resolved, context.onBroken, links);
        return withMeasures(made, opened.adapters, resolved, signal);
      },
      ({ plan }) => `${plural(plan.files.length, 'file')}, ${formatBytes(plan.bytes.output)}`,
    );
    const sizes = await compileSizes(opened, resolved);
    signal.throwIfAborted();
    const { plan, components, adapted, links, sideFiles } = prepared;
    const checkInputs =
      device === undefined ? undefined : await readCheckInputs(prepared, opened, resolved, reporter);
    await ahead.stop();
    let parity: ParityReport | undefined;
    const made = await makeOutput(
      {
        plan,
        place,
        models: [...components, ...adapted].map(({ model, layout }) => ({ folder: 'onnx', model, layout })),
        links,
        inputs: inputFiles(opened),
        options: resolved,
        nonFinite: resolved.allowNonfinite ? 'keep' : 'refuse',
        finish: async (work, write) => {
          if (device !== undefined && checkInputs !== undefined) {
            const outputGraphs = join(work.output, 'onnx');
            const { scratch } = work;
            parity = await check(prepared, {
              outputGraphs,
              scratch,
              device,
              gates,
              inputs: checkInputs,
              ...(sizes.length === 0 ? {} : { sweep: { sizes, checkpoint: opened, resolved } }),
              write,
              signal,
              reporter,
            });
          }
          const files = new Map<string, Uint8Array>();
          for (const file of sideFiles) files.set(file.path, await file.content());
          if (parity === undefined) return { files, parity: 'not run' };
          for (const [path, text] of reportFiles(parity)) files.set(path, encode(text));
          return { files, parity: parity.passed ? 'passed' : 'failed' };
        },
      },
      { reporter, signal },
    );
    const failure = parity === undefined ? undefined : parityFailure(parity);
    return {
      output: place.path,
      passed: failure === undefined,
      ...(failure === undefined ? {} : { failure: failure.record }),
      plan,
      files: made.files,
      ...(parity === undefined ? {} : { parity }),
      peakRss: made.peakRss,
    };
  } catch (error) {
    throw orInterrupted(error, signal);
  } finally {
    await ahead?.stop();
    await checkpoint?.close();
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
