/**
 * Runs passes over a model, one after the other, in place. After each pass that changed something, types are
 * inferred again and the graph is verified; a pass that broke it is named, and the graph as it was before is
 * handed out as a reproducer. Timing and verification are here, not in the passes.
 */
import { cloneModel } from '../graph/clone.ts';
import { inferModel } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import { verifyModel } from '../graph/verify.ts';
import type { PassContext, PassResult, WeightRecord } from '../passes/pass.ts';
import { type DiagnosticRecord, fail, VlmError } from '../report/diagnostics.ts';
import { targets as usualTargets } from '../targets/registry.ts';
import type { Target } from '../targets/target.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { evaluateModel } from './evaluate.ts';
import { type PassOptions, type PipelineStep, printPipeline } from './pipeline-text.ts';

/** What one pass did: terminal, JSON and report render the same record. */
export interface PassRecord {
  readonly name: string;
  readonly options: PassOptions;
  readonly changed: boolean;
  readonly stats: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  readonly warnings: readonly DiagnosticRecord[];
  readonly coverage: readonly WeightRecord[];
  readonly milliseconds: number;
  /** Of inference and verification after it. */
  readonly checkMilliseconds: number;
}

/** What is needed to meet the failure of a pass again. */
export interface Reproducer {
  readonly pass: string;
  /** Pipeline text from the failing pass on, and of the passes before it. */
  readonly pipeline: string;
  readonly done: string;
  readonly targets: readonly Target[];
  /** The model before the pass. */
  readonly before: Model;
  readonly error: unknown;
}

export interface Instrumentation {
  /** Default: all that are known. */
  readonly targets?: readonly Target[];
  /** Called with what a pass is given, and with what it made. Neither is to be changed. */
  readonly onBegin?: (step: PipelineStep, model: Model) => void;
  readonly onPass?: (record: PassRecord, model: Model) => void;
  readonly onFailure?: (reproducer: Reproducer) => void | Promise<void>;
}

export interface PipelineResult {
  readonly records: readonly PassRecord[];
  /** Values that initializers of the model, as it was before the pipeline, effectively have now. */
  readonly substitutes: ReadonlyMap<string, Tensor>;
}

/** Throws what a pass refuses with (VC3xxx), and VC3201 when a pass leaves a graph that is not valid. */
export async function runPipeline(
  model: Model,
  steps: readonly PipelineStep[],
  instrumentation: Instrumentation = {},
): Promise<PipelineResult> {
  const { targets = usualTargets, onBegin, onPass, onFailure } = instrumentation;
  const records: PassRecord[] = [];
  const substitutes = new Map<string, Tensor>();
  for (const [index, step] of steps.entries()) {
    onBegin?.(step, model);
    // A copy costs little, weights are shared.
    const before = onFailure === undefined ? undefined : cloneModel(model);
    let record: PassRecord;
    try {
      record = await runStep(model, step, targets, substitutes);
    } catch (error) {
      if (before !== undefined) {
        const pipeline = printPipeline(steps.slice(index));
        const done = printPipeline(steps.slice(0, index));
        await onFailure?.({ pass: step.pass.name, pipeline, done, targets, before, error });
      }
      throw error;
    }
    records.push(record);
    onPass?.(record, model);
  }
  return { records, substitutes };
}

async function runStep(
  model: Model,
  { pass, options }: PipelineStep,
  targets: readonly Target[],
  substitutes: Map<string, Tensor>,
): Promise<PassRecord> {
  const notes: string[] = [];
  const warnings: DiagnosticRecord[] = [];
  const coverage: WeightRecord[] = [];
  const cx: PassContext = {
    targets,
    warn: (record) => warnings.push(record),
    note: (text) => notes.push(text),
    coverage: (record) => coverage.push(record),
    substitute: (name, tensor) => substitutes.set(name, tensor),
    evaluate: evaluateModel,
  };
  const start = performance.now();
  const { changed, stats }: PassResult = await pass.run(model, options, cx);
  const done = performance.now();
  if (changed) check(model, pass.name);
  return {
    name: pass.name,
    options,
    changed,
    stats,
    notes,
    warnings,
    coverage,
    milliseconds: done - start,
    checkMilliseconds: performance.now() - done,
  };
}

function check(model: Model, pass: string): void {
  try {
    inferModel(model);
    verifyModel(model);
  } catch (cause) {
    const found =
      cause instanceof VlmError ? `${cause.code} ${cause.record.found ?? cause.record.message}` : `${cause}`;
    throw fail('VC3201', { where: `after ${pass}`, found, cause });
  }
}
