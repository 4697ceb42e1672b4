/**
 * An ONNX model to one of lower precision: the same graph with its weights quantized or rounded, streamed from file to
 * file. Nothing tells which inputs such a graph takes in earnest, so the result is not run.
 */
import type { Model } from '../graph/model.ts';
import { type DiagnosticRecord, diagnostic, fail } from '../report/diagnostics.ts';
import { formatBytes, plural } from '../report/format.ts';
import { runStage, type StageSpec } from '../report/progress.ts';
import { silentReporter } from '../report/sinks.ts';
import { placementWarnings } from '../targets/placement.ts';
import type { ConvertContext } from './convert.ts';
import { type GraphSource, openGraph, planGraph } from './graph-output.ts';
import { type MadeOutput, makeOutput, type OutputJob, orInterrupted, outputStages } from './make-output.ts';
import { type ConvertOptions, type Precision, type ResolvedOptions, resolveOptions } from './options.ts';
import { besideFolder, chooseOutput } from './output-folder.ts';
import { type PassRecord, type Reproducer, runPipeline } from './pass-manager.ts';
import { type PipelineStep, parsePipeline, printPipeline, step } from './pipeline-text.ts';
import { type Plan, type PlannedConversion, strictRefusal } from './plan.ts';
import { optionTargets, plainPasses, precisionOfSteps, precisionSteps } from './steps.ts';

/** Options of `convert` that mean the same here. */
type SharedOptions = Pick<
  ConvertOptions,
  | 'output'
  | 'blockSize'
  | 'symmetric'
  | 'quantizeEmbeddings'
  | 'ioDtype'
  | 'target'
  | 'strict'
  | 'force'
  | 'allowNonfinite'
  | 'linkWeights'
  | 'resume'
  | 'verifyInputs'
  | 'memory'
  | 'jobs'
>;

/** Either `precision` or `passes` is needed. */
export interface QuantizeOptions extends SharedOptions {
  /** The ONNX file; its external data stands in its folder. */
  readonly model: string;
  readonly precision?: Precision | undefined;
  /** Pipeline text, instead of what the precision chooses. */
  readonly passes?: string | undefined;
}

export interface QuantizeResult extends MadeOutput {
  /** Absolute. */
  readonly output: string;
  readonly plan: Plan;
}

const stages = {
  open: 'Open the model',
  passes: 'Run the passes and plan the output',
  inputs: outputStages.inputs,
  write: outputStages.write,
  seal: outputStages.seal,
} as const;

/**
 * Quantizes a model. Throws VlmError: VC2xxx for the file, VC3xxx for its graph, VC4xxx for options, VC5xxx for the
 * output (VC5190 when stopped by the signal). After a throw nothing is left under the output's name that was not
 * there before; units of work that were finished stay in the work folder beside it, for `resume`.
 */
export async function quantize(
  options: QuantizeOptions,
  context: ConvertContext = {},
): Promise<QuantizeResult> {
  const chosen = choose(options);
  const reporter = context.reporter ?? silentReporter;
  const signal = context.signal ?? new AbortController().signal;
  reporter.stages(stageList(chosen.options));
  let opened: GraphSource | undefined;
  try {
    const source = await runStage(
      reporter,
      'open',
      async () => {
        opened = await openGraph(options.model);
        return opened;
      },
      ({ file, checkpoint }) => `${file}, ${plural(checkpoint.tensors, 'tensor')}`,
    );
    const job = await runStage(
      reporter,
      'passes',
      () => planJob(source, chosen, options, context),
      ({ plan }) => `${plural(plan.files.length, 'file')}, ${formatBytes(plan.bytes.output)}`,
    );
    signal.throwIfAborted();
    const made = await makeOutput(job, { reporter, signal });
    return { output: job.place.path, plan: job.plan, ...made };
  } catch (error) {
    throw orInterrupted(error, signal);
  } finally {
    await opened?.close();
  }
}

/** What would be done; reads structure only. Throws as `quantize` does before it writes anything. */
export async function planQuantization(
  options: QuantizeOptions,
  context: Pick<ConvertContext, 'cwd'> = {},
): Promise<PlannedConversion> {
  const chosen = choose(options);
  const opened = await openGraph(options.model);
  try {
    const { plan, place } = await planJob(opened, chosen, options, context);
    const refusal = strictRefusal(plan, chosen.options.strict);
    return { output: place.path, plan, ...(refusal === undefined ? {} : { refusal: refusal.record }) };
  } finally {
    await opened.close();
  }
}

function stageList({ verifyInputs }: ResolvedOptions): StageSpec[] {
  return Object.entries(stages)
    .filter(([id]) => verifyInputs || id !== 'inputs')
    .map(([id, title]) => ({ id, title }));
}

interface Choice {
  readonly options: ResolvedOptions;
  readonly steps: readonly PipelineStep[];
  readonly precision: Precision;
}

/** Throws VC4009 where the options ask for nothing, VC44xx for wrong pipeline text. */
function choose(options: QuantizeOptions): Choice {
  const { model, passes, precision = 'fp32' } = options;
  const resolved = resolveOptions({ ...options, checkpoint: model, precision, parity: false });
  if (passes === undefined && precision === 'fp32') throw fail('VC4009');
  const steps = passes === undefined ? stepsOf(precision, resolved) : parsePipeline(passes);
  return {
    options: resolved,
    steps,
    precision: passes === undefined ? precision : precisionOfSteps(steps),
  };
}

/** Weights behind nodes are quantized after they are folded; float16 leaves such nodes where they are. */
function stepsOf(precision: Precision, options: ResolvedOptions): readonly PipelineStep[] {
  const folds = precision === 'fp16' ? [] : [step('fold'), step('dead-code')];
  return [...folds, ...precisionSteps(precision, options, optionTargets(options)), step('dead-code')];
}

async function planJob(
  source: GraphSource,
  { options, steps, precision }: Choice,
  { output }: QuantizeOptions,
  context: Pick<ConvertContext, 'cwd' | 'onBroken'>,
): Promise<OutputJob> {
  const { path, file, name, model } = source;
  const defaultName = `${name}-${precision}`;
  const place = await chooseOutput(
    besideFolder(output, defaultName, context.cwd ?? process.cwd()),
    [path],
    options.force,
  );
  const { records } = await runPipeline(model, steps, {
    targets: optionTargets(options),
    onFailure: (reproducer: Reproducer) => context.onBroken?.(name, reproducer),
  });
  const passes = printPipeline(steps);
  const made = {
    records,
    passes,
    precision,
    recorded: optionsOf(options),
    warnings: [
      ...nothingChanged(file, model, records, passes),
      ...placementWarnings(file, model, options.target === undefined ? [] : optionTargets(options)),
    ],
    check: { scratch: 0, memory: 0 },
  };
  const job = await planGraph(source, made, place, options);
  return { ...job, finish: async () => ({ parity: 'not run', files: new Map() }) };
}

/** Those that bear on the output. */
function optionsOf(options: ResolvedOptions): Plan['options'] {
  const { precision, blockSize, symmetric, quantizeEmbeddings, ioDtype, passes, strict, allowNonfinite } =
    options;
  return {
    ...(options.target === undefined ? {} : { target: options.target }),
    ...(passes === undefined
      ? { precision: precision as Precision, blockSize, symmetric, quantizeEmbeddings, ioDtype }
      : { passes: passes as string }),
    strict,
    allowNonfinite,
    linkWeights: options.linkWeights,
  };
}

function nothingChanged(
  where: string,
  { graph }: Model,
  records: readonly PassRecord[],
  passes: string,
): DiagnosticRecord[] {
  if (records.some((record) => record.changed && !plainPasses.has(record.name))) return [];
  const replaceable = [...graph.initializers()].some((value) => value.isInput);
  const hint =
    'its weights are inputs of the graph too, which callers may set; to make constants of them: ' +
    `--passes "freeze-defaults,${passes}"`;
  return [diagnostic('VC3301', { where, ...(replaceable ? { hint } : {}) })];
}
