/**
 * An ONNX model to one of lower precision: the same graph with its weights quantized or rounded, streamed from file to
 * file. Nothing tells which inputs such a graph takes in earnest, so the result is not run.
 */
import { basename } from 'node:path';
import { layoutModel, modelTensors } from '../formats/onnx/layout.ts';
import { type OpenModel, openModel } from '../formats/onnx/open.ts';
import { inferCorrectedModel } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import { printModel } from '../graph/print.ts';
import { verifyModel } from '../graph/verify.ts';
import { type DiagnosticRecord, diagnostic, fail } from '../report/diagnostics.ts';
import { formatBytes, plural } from '../report/format.ts';
import { runStage, type StageSpec } from '../report/progress.ts';
import { silentReporter } from '../report/sinks.ts';
import type { ConvertContext } from './convert.ts';
import { sha256 } from './digest.ts';
import { sourceFiles } from './inputs.ts';
import { chooseLinks, linkedFiles, noLinks } from './links.ts';
import { type MadeOutput, makeOutput, type OutputJob, orInterrupted, outputStages } from './make-output.ts';
import { otherShapes } from './model-warnings.ts';
import { type ConvertOptions, type Precision, type ResolvedOptions, resolveOptions } from './options.ts';
import { besideFolder, chooseOutput } from './output-folder.ts';
import { type PassRecord, type Reproducer, runPipeline } from './pass-manager.ts';
import { type PipelineStep, parsePipeline, printPipeline, step } from './pipeline-text.ts';
import {
  memoryToWrite,
  type Plan,
  type PlannedConversion,
  planComponent,
  strictRefusal,
  total,
} from './plan.ts';
import { optionTargets, plainPasses, precisionOfSteps, precisionSteps } from './steps.ts';
import { toolVersion } from './version.ts';

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
  let opened: OpenModel | undefined;
  try {
    const { model } = await runStage(
      reporter,
      'open',
      async () => {
        opened = await openModel(options.model);
        return opened;
      },
      (found) => `${chosen.file}, ${plural([...modelTensors(found.model)].length, 'tensor')}`,
    );
    const job = await runStage(
      reporter,
      'passes',
      () => planJob(model, chosen, options, context),
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
  const opened = await openModel(options.model);
  try {
    const { plan, place } = await planJob(opened.model, chosen, options, context);
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
  /** Name of the file, and without its extension. */
  readonly file: string;
  readonly name: string;
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
  const file = basename(model);
  return {
    file,
    name: file.replace(/\.onnx$/i, ''),
    options: resolved,
    steps,
    precision: passes === undefined ? precision : precisionOfSteps(steps),
  };
}

/** Weights behind nodes are quantized after they are folded; float16 leaves such nodes where they are. */
function stepsOf(precision: Precision, options: ResolvedOptions): readonly PipelineStep[] {
  const folds = precision === 'fp16' ? [] : [step('fold'), step('dead-code')];
  return [...folds, ...precisionSteps(precision, options), step('dead-code')];
}

async function planJob(
  model: Model,
  { file, name, options, steps, precision }: Choice,
  { model: path, output }: QuantizeOptions,
  context: Pick<ConvertContext, 'cwd' | 'onBroken'>,
): Promise<OutputJob> {
  const defaultName = `${name}-${precision}`;
  const place = await chooseOutput(
    besideFolder(output, defaultName, context.cwd ?? process.cwd()),
    [path],
    options.force,
  );
  const corrected = inferCorrectedModel(model);
  verifyModel(model);
  const checkpoint = describe(file, model);
  const inputs = sourceFiles([...modelTensors(model)].map(({ tensor }) => tensor));
  const { records } = await runPipeline(model, steps, {
    targets: optionTargets(options),
    onFailure: (reproducer: Reproducer) => context.onBroken?.(name, reproducer),
  });
  const links = options.linkWeights ? await chooseLinks(inputs, place) : noLinks;
  const layout = layoutModel(model, { fileName: name, linked: links.names });
  const linked = linkedFiles(links, [layout], '');
  const component = await planComponent(
    {
      component: { id: name, kind: 'graph', modality: 'any' },
      precision,
      passes: printPipeline(steps),
      records,
      model,
      layout,
    },
    '',
  );
  const plan: Plan = {
    schema: 1,
    version: toolVersion(),
    checkpoint,
    architecture: 'onnx',
    options: optionsOf(options),
    components: [component],
    files: [
      ...component.files,
      ...linked.map(({ path: file, source }) => ({ path: file, bytes: source.size, link: true as const })),
    ],
    bytes: { output: total(component.files), scratch: 0 },
    memory: { write: memoryToWrite([component], options), parity: 0 },
    warnings: [
      ...otherShapes(file, corrected),
      ...nothingChanged(file, model, records, component.passes),
      ...links.warnings,
      ...records.flatMap(({ warnings }) => warnings),
    ],
  };
  return {
    plan,
    place,
    models: [{ folder: '', model, layout }],
    links: linked,
    inputs,
    options,
    // Masks of infinities are part of many graphs; in a weight that is quantized they are an error.
    nonFinite: options.allowNonfinite ? 'keep' : 'unquantized',
    finish: async () => ({ parity: 'not run', files: new Map() }),
  };
}

/** Of the model as it was read. */
function describe(name: string, model: Model): Plan['checkpoint'] {
  const tensors = [...modelTensors(model)];
  const places = tensors.map(({ name: tensor, tensor: { dtype, shape, origin } }) =>
    origin.kind === 'source'
      ? [tensor, dtype, shape, origin.source.name, origin.offset]
      : [tensor, dtype, shape],
  );
  return {
    name,
    structureSha256: sha256(JSON.stringify([printModel(model), places])),
    tensors: tensors.length,
    tensorBytes: tensors.reduce((sum, { tensor }) => sum + tensor.byteLength, 0),
    unusedTensors: [],
  };
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
