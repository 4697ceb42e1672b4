/**
 * An ONNX model to one that is better for its targets: the same model in fewer operators, at another resolution, with an
 * adapter, in lower precision, streamed from file to file, and run beside the original.
 */
import { cloneModel } from '../graph/clone.ts';
import { blameText, type GraphReport, renderGraphMarkdown, renderJson } from '../parity/index.ts';
import { type DiagnosticRecord, fail } from '../report/diagnostics.ts';
import { formatBytes, plural } from '../report/format.ts';
import { runStage, type StageSpec } from '../report/progress.ts';
import { silentReporter } from '../report/sinks.ts';
import { placementWarnings } from '../targets/placement.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import { checkDevice } from './check-device.ts';
import { type GraphProof, modelsOf, parseLevelGates, proveGraph } from './check-graph.ts';
import { distinctBytes } from './check-parts.ts';
import { substituted } from './compile.ts';
import type { ConvertContext } from './convert.ts';
import { type GraphSource, openGraph, planGraph } from './graph-output.ts';
import { type GraphSteps, graphSteps } from './graph-steps.ts';
import { type MadeOutput, makeOutput, type OutputJob, orInterrupted, outputStages } from './make-output.ts';
import { type ConvertOptions, type Precision, type ResolvedOptions, resolveOptions } from './options.ts';
import { besideFolder, chooseOutput } from './output-folder.ts';
import { type Reproducer, runPipeline } from './pass-manager.ts';
import { printPipeline } from './pipeline-text.ts';
import { type Plan, type PlannedConversion, strictRefusal } from './plan.ts';
import type { QuantizeOptions } from './quantize.ts';
import { readInputs } from './read-inputs.ts';
import { optionTargets } from './steps.ts';

/** Neither `precision` nor `passes` is needed: the default passes run either way. */
export interface ConvertGraphOptions
  extends QuantizeOptions,
    Pick<ConvertOptions, 'adapter' | 'resolution' | 'device' | 'gate' | 'inputs' | 'seed'> {
  /** False: the result is not run. */
  readonly parity?: boolean | undefined;
  /** Sizes of symbolic dimensions of the inputs that are drawn. */
  readonly dim?: Readonly<Record<string, number>> | undefined;
}

export interface ConvertGraphResult extends MadeOutput {
  /** Absolute. */
  readonly output: string;
  /** False when a gate failed; `failure` says which. The output is written all the same. */
  readonly passed: boolean;
  readonly failure?: DiagnosticRecord;
  readonly plan: Plan;
  readonly parity?: GraphReport;
}

const stages = {
  open: 'Open the model',
  passes: 'Run the passes and plan the output',
  inputs: outputStages.inputs,
  write: outputStages.write,
  check: 'Check against the original',
  seal: outputStages.seal,
} as const;

/**
 * Converts a model. Throws VlmError: VC2xxx for the file, VC3xxx for its graph, VC4xxx for options, VC5xxx for the
 * output (VC5190 when stopped by the signal), VC6xxx when the check cannot run. After a throw nothing is left under the
 * output's name that was not there before.
 */
export async function convertGraph(
  options: ConvertGraphOptions,
  context: ConvertContext = {},
): Promise<ConvertGraphResult> {
  const { resolved, steps } = choose(options);
  const reporter = context.reporter ?? silentReporter;
  const signal = context.signal ?? new AbortController().signal;
  const gates = parseLevelGates(resolved.gate);
  const device = resolved.parity === false ? undefined : await checkDevice(resolved.device, reporter);
  const given = resolved.inputs === undefined ? new Map() : await readInputs(resolved.inputs);
  reporter.stages(stageList(resolved));
  let source: GraphSource | undefined;
  try {
    const opened = await runStage(
      reporter,
      'open',
      async () => {
        source = await openGraph(options.model, resolved.adapter);
        return source;
      },
      ({ file, checkpoint, adapters }) =>
        [
          `${file}, ${plural(checkpoint.tensors, 'tensor')}`,
          ...adapters.map(({ name, changes }) => `${name} in ${plural(changes.length, 'weight')}`),
        ].join(', '),
    );
    const { job, proof } = await runStage(
      reporter,
      'passes',
      () => planJob(opened, steps, resolved, options, context),
      ({ job: { plan } }) => `${plural(plan.files.length, 'file')}, ${formatBytes(plan.bytes.output)}`,
    );
    signal.throwIfAborted();
    let parity: GraphReport | undefined;
    const finish: OutputJob['finish'] = async (work, write) => {
      if (device === undefined) return { parity: 'not run', files: new Map() };
      const report = await runStage(
        reporter,
        'check',
        (progress) =>
          proveGraph(proof, {
            work,
            write,
            device,
            given,
            dimensions: new Map(Object.entries(options.dim ?? {})),
            seed: resolved.seed,
            gates,
            onStep: (text) => progress({ done: 0, total: 0, unit: 'steps', text }),
            signal,
          }),
        ({ passed }) => (passed ? 'passed' : 'FAILED'),
      );
      parity = report;
      return { parity: report.passed ? 'passed' : 'failed', files: reportFiles(report) };
    };
    const made = await makeOutput({ ...job, finish }, { reporter, signal });
    const failure = parity === undefined ? undefined : failureOf(parity);
    return {
      output: job.place.path,
      passed: failure === undefined,
      ...(failure === undefined ? {} : { failure }),
      plan: job.plan,
      ...(parity === undefined ? {} : { parity }),
      ...made,
    };
  } catch (error) {
    throw orInterrupted(error, signal);
  } finally {
    await source?.close();
  }
}

/** What would be done; reads structure only. Throws as `convertGraph` does before it writes anything. */
export async function planGraphConversion(
  options: ConvertGraphOptions,
  context: Pick<ConvertContext, 'cwd'> = {},
): Promise<PlannedConversion> {
  const { resolved, steps } = choose(options);
  const source = await openGraph(options.model, resolved.adapter);
  try {
    const { job } = await planJob(source, steps, resolved, options, context);
    const refusal = strictRefusal(job.plan, resolved.strict);
    const output = job.place.path;
    return { output, plan: job.plan, ...(refusal === undefined ? {} : { refusal: refusal.record }) };
  } finally {
    await source.close();
  }
}

function choose(options: ConvertGraphOptions): {
  readonly resolved: ResolvedOptions;
  readonly steps: GraphSteps;
} {
  const { model, dim: _, ...rest } = options;
  const resolved = resolveOptions({ ...rest, checkpoint: model });
  return { resolved, steps: graphSteps(resolved) };
}

function stageList({ verifyInputs, parity }: ResolvedOptions): StageSpec[] {
  return Object.entries(stages)
    .filter(([id]) => verifyInputs || id !== 'inputs')
    .filter(([id]) => parity !== false || id !== 'check')
    .map(([id, title]) => ({ id, title }));
}

/** Node, the runtime's libraries and the graphs themselves. */
const baseMemory = 200 * 2 ** 20;

async function planJob(
  source: GraphSource,
  { changing, optimising, rounding, precision }: GraphSteps,
  options: ResolvedOptions,
  { output }: ConvertGraphOptions,
  context: Pick<ConvertContext, 'cwd' | 'onBroken'>,
): Promise<{ readonly job: Omit<OutputJob, 'finish'>; readonly proof: GraphProof }> {
  const { path, file, name, model, adapters } = source;
  const place = await chooseOutput(
    besideFolder(output, `${name}-${precision}`, context.cwd ?? process.cwd()),
    [path, ...options.adapter.map((adapter) => adapter.path)],
    options.force,
  );
  const targets = optionTargets(options);
  const instrumentation = {
    targets,
    onFailure: (reproducer: Reproducer) => context.onBroken?.(name, reproducer),
  };
  const first = await runPipeline(model, changing, instrumentation);
  const original = cloneModel(model);
  const second = await runPipeline(model, optimising, instrumentation);
  const plain = cloneModel(model);
  const third = await runPipeline(model, rounding, instrumentation);
  const passes = printPipeline([...changing, ...optimising, ...rounding]);
  const known: Omit<GraphProof, 'layout'> = {
    path,
    name,
    original,
    reference: [
      ...adapters.map((adapter) => `adapter ${adapter.name}`),
      ...(first.records.some(({ changed }) => changed) ? [printPipeline(changing)] : []),
    ].join(', '),
    changes: [
      ...adapters.flatMap((adapter) =>
        adapter.changes.map(({ tensor, module, kind }) => {
          return `${adapter.name}: ${kind} of ${module} in ${tensor}`;
        }),
      ),
      ...first.records.flatMap(({ notes }) => notes),
    ],
    passes,
    steps: [...optimising, ...rounding],
    ...(rounding.length === 0 ? {} : { rounded: { plain, fair: substituted(plain, third.substitutes) } }),
    model,
    precision,
    targets,
  };
  const checked = options.parity !== false;
  const made = {
    records: [...first.records, ...second.records, ...third.records],
    passes,
    precision,
    recorded: recordedOptions(options),
    // Nobody asked for the targets that hold where none are named.
    warnings: options.target === undefined ? [] : placementWarnings(file, model, targets),
    check: {
      scratch: checked ? distinctBytes(Object.values(modelsOf(known))) : 0,
      // The runtime reads a model and packs its weights beside that.
      memory: checked ? baseMemory + 2 * Math.max(distinctBytes([original]), distinctBytes([model])) : 0,
    },
  };
  const job = await planGraph(source, made, place, options);
  const [written] = job.models;
  if (written === undefined) throw new RangeError('a plan without a model');
  return { job, proof: { ...known, layout: written.layout } };
}

/** Those that bear on the output. */
function recordedOptions(options: ResolvedOptions): JsonValue {
  const { precision, blockSize, symmetric, quantizeEmbeddings, ioDtype, passes, target, resolution } =
    options;
  const { strict, allowNonfinite, linkWeights } = options;
  return {
    ...(passes === undefined
      ? {
          precision: precision as Precision,
          blockSize,
          symmetric,
          quantizeEmbeddings,
          ioDtype,
          ...(resolution === undefined
            ? {}
            : { resolution: { width: resolution.width, height: resolution.height } }),
        }
      : { passes: passes as string }),
    ...(target === undefined ? {} : { target }),
    strict,
    allowNonfinite,
    linkWeights,
  };
}

/** How long the check took is in none of them: the same inputs give the same bytes. */
function reportFiles(report: GraphReport): ReadonlyMap<string, Uint8Array> {
  const text = new TextEncoder();
  return new Map([
    ['parity-report.json', text.encode(renderJson(report))],
    ['parity-report.md', text.encode(renderGraphMarkdown(report))],
  ]);
}

function failureOf({ draws, blame }: GraphReport): DiagnosticRecord | undefined {
  const failed = draws.flatMap(({ title, levels }) =>
    levels.flatMap(({ level, gates }) =>
      gates.filter(({ passed }) => !passed).map((gate) => ({ title, level, ...gate })),
    ),
  );
  const [worst] = failed;
  if (worst === undefined) return undefined;
  const { level, output, metric, value, limit, direction, title } = worst;
  const by = blame === undefined ? '' : `; ${blameText(blame)}`;
  return fail('VC6205', {
    where: `${level}.${output}.${metric}, ${title}`,
    found: `${value.toPrecision(3)}${failed.length > 1 ? `, and ${failed.length - 1} more failed` : ''}${by}`,
    expected: `${direction === 'at-most' ? 'at most' : 'at least'} ${limit}`,
  }).record;
}
