/**
 * An ONNX model through a pipeline, pass by pass, as `vlm-convert opt` shows it: what each pass did and how long it took,
 * graphs before and after passes as text, the result as text or as a file, and a reproducer where a pass fails.
 */
import { basename, resolve } from 'node:path';
import { openModel } from '../formats/onnx/open.ts';
import type { Model } from '../graph/model.ts';
import { printModel } from '../graph/print.ts';
import { verifyAndInfer } from '../graph/verify.ts';
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import { silentReporter } from '../report/sinks.ts';
import { placementWarnings } from '../targets/placement.ts';
import { targetsOf, targets as usualTargets } from '../targets/registry.ts';
import type { ConvertContext } from './convert.ts';
import { orInterrupted } from './make-output.ts';
import type { ManifestFile } from './manifest.ts';
import { writeModelTo } from './model-file.ts';
import { otherShapes } from './model-warnings.ts';
import { optimizePasses } from './optimize-passes.ts';
import { resolveOptions } from './options.ts';
import { type PassRecord, runPipeline } from './pass-manager.ts';
import { readPassReproducer, writePassReproducer } from './pass-reproducer.ts';
import { type PipelineStep, parsePipeline, printPipeline } from './pipeline-text.ts';

export interface OptimizeOptions {
  /** The ONNX file; its external data stands in its folder. Not needed where a reproducer holds the graph. */
  readonly model?: string | undefined;
  /** The .onnx file to write; left out: the graph is printed. */
  readonly output?: string | undefined;
  /** Pipeline text; default: what a conversion of the model runs. */
  readonly passes?: string | undefined;
  /** Ids of what the result has to run on. */
  readonly target?: readonly string[] | undefined;
  /** Leaves out what comes after the first pass of this name. */
  readonly stopAfter?: string | undefined;
  /** Passes before and after which the graph is printed; `all`: each. */
  readonly printBefore?: readonly string[] | undefined;
  readonly printAfter?: readonly string[] | undefined;
  /** Folder of a reproducer, which says what is run on which graph. */
  readonly reproduce?: string | undefined;
  /** Where a reproducer goes when a pass fails; default a new folder among the temporary files. */
  readonly reproducer?: string | undefined;
  /** Replaces a file under the name of the output. */
  readonly force?: boolean | undefined;
}

/** What a pass did, and to how many nodes. */
export interface OptimizeStep extends Omit<PassRecord, 'coverage'> {
  /** In the main graph. */
  readonly nodes: { readonly before: number; readonly after: number };
}

export interface OptimizeContext extends Pick<ConvertContext, 'reporter' | 'signal' | 'cwd'> {
  /** Called after each pass. */
  readonly onPass?: (step: OptimizeStep) => void;
  /** Called with a graph that was asked for, as text. */
  readonly onGraph?: (title: string, text: string) => void;
  /** Called with the folder of a reproducer, before the error is thrown. */
  readonly onReproducer?: (folder: string) => void;
}

export interface OptimizeResult {
  /** Absolute. */
  readonly model: string;
  /** The pipeline that ran, as text. */
  readonly passes: string;
  readonly steps: readonly OptimizeStep[];
  readonly milliseconds: { readonly read: number; readonly write: number };
  /** Absolute; where one was asked for. */
  readonly output?: string;
  readonly files?: readonly ManifestFile[];
  /** The graph as text, where neither an output nor a graph on the way was asked for. */
  readonly graph?: string;
}

/**
 * Throws VlmError: VC4016 where there is no model, VC4017 for a reproducer that is none, VC44xx for pipeline text and
 * names of passes, VC2xxx and VC3xxx for the model, what passes throw, VC5xxx for the output, VC5190 when stopped.
 */
export async function optimize(
  options: OptimizeOptions,
  context: OptimizeContext = {},
): Promise<OptimizeResult> {
  const cwd = context.cwd ?? process.cwd();
  const signal = context.signal ?? new AbortController().signal;
  const reporter = context.reporter ?? silentReporter;
  const { path, text, target } = await chooseWork(options, cwd);
  const steps = cutAfter(parsePipeline(text), options.stopAfter);
  const printed = {
    before: printedPasses(options.printBefore, '--print-before', steps),
    after: printedPasses(options.printAfter, '--print-after', steps),
  };
  const targets = target === undefined ? usualTargets : targetsOf(target);
  const start = performance.now();
  const { model, close } = await openModel(path);
  try {
    const corrected = verifyAndInfer(model);
    reporter.warn(otherShapes(basename(path), corrected));
    const read = performance.now() - start;
    const done: OptimizeStep[] = [];
    let nodes = model.graph.nodeCount;
    await runPipeline(model, steps, {
      targets,
      onBegin: ({ pass }, given) => {
        signal.throwIfAborted();
        nodes = given.graph.nodeCount;
        if (printed.before(pass.name)) context.onGraph?.(`before ${pass.name}`, printModel(given));
      },
      onPass: ({ coverage: _, ...record }, made) => {
        const step = { ...record, nodes: { before: nodes, after: made.graph.nodeCount } };
        done.push(step);
        context.onPass?.(step);
        reporter.warn(record.warnings);
        if (printed.after(record.name)) context.onGraph?.(`after ${record.name}`, printModel(made));
      },
      onFailure: async (reproducer) => {
        const folder = options.reproducer === undefined ? undefined : resolve(cwd, options.reproducer);
        const name = basename(path);
        context.onReproducer?.(await writePassReproducer(reproducer, name, folder));
      },
    });
    if (target !== undefined) reporter.warn(placementWarnings(basename(path), model, targets));
    const written = performance.now();
    const made = await makeResult(model, path, options, cwd, signal);
    return {
      model: path,
      passes: printPipeline(steps),
      steps: done,
      milliseconds: { read, write: performance.now() - written },
      ...made,
    };
  } catch (error) {
    throw orInterrupted(error, signal);
  } finally {
    await close();
  }
}

/** What is run on what: as asked for, or as a reproducer says. */
async function chooseWork(
  { model, passes, target, reproduce }: OptimizeOptions,
  cwd: string,
): Promise<{
  readonly path: string;
  readonly text: string;
  readonly target: readonly string[] | undefined;
}> {
  if (reproduce === undefined) {
    if (model === undefined) throw fail('VC4016');
    return { path: resolve(cwd, model), text: passes ?? optimizePasses, target };
  }
  const found = await readPassReproducer(resolve(cwd, reproduce));
  const { record } = found;
  const own = { target: target ?? record.targets };
  if (found.model !== undefined) return { path: found.model, text: passes ?? record.passes, ...own };
  if (model === undefined) {
    const hint = `vlm-convert opt <path of ${record.source.model}> --reproduce ${reproduce}`;
    throw fail('VC4016', { where: reproduce, found: 'a reproducer without the weights', hint });
  }
  const all = [record.source.passes, record.passes].filter((part) => part !== '').join(',');
  return { path: resolve(cwd, model), text: passes ?? all, ...own };
}

function cutAfter(steps: readonly PipelineStep[], last: string | undefined): readonly PipelineStep[] {
  if (last === undefined) return steps;
  checkNamed(last, '--stop-after', steps);
  return steps.slice(0, steps.findIndex(({ pass }) => pass.name === last) + 1);
}

function printedPasses(
  names: readonly string[] = [],
  where: string,
  steps: readonly PipelineStep[],
): (pass: string) => boolean {
  for (const name of names) if (name !== 'all') checkNamed(name, where, steps);
  return (pass) => names.includes('all') || names.includes(pass);
}

/** Throws VC4404. */
function checkNamed(name: string, where: string, steps: readonly PipelineStep[]): void {
  const known = [...new Set(steps.map(({ pass }) => pass.name))];
  if (known.includes(name)) return;
  const hint = didYouMean(name, known);
  throw fail('VC4404', {
    where,
    found: name,
    expected: known.length === 0 ? 'a pipeline with passes' : known.join(', '),
    ...(hint === undefined ? {} : { hint }),
  });
}

async function makeResult(
  model: Model,
  input: string,
  { output, force, printBefore, printAfter }: OptimizeOptions,
  cwd: string,
  signal: AbortSignal,
): Promise<Pick<OptimizeResult, 'output' | 'files' | 'graph'>> {
  if (output === undefined) {
    return printBefore === undefined && printAfter === undefined ? { graph: printModel(model) } : {};
  }
  const path = resolve(cwd, output);
  const { memory, jobs } = resolveOptions({ checkpoint: input });
  const files = await writeModelTo(path, model, {
    input,
    force: force === true,
    write: { memoryBytes: memory, jobs, nonFinite: 'unquantized' },
    signal,
  });
  return { output: path, files };
}
