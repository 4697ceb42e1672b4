/**
 * Runs passes over a model, one after the other, in place. After each pass that changed something, types are
 * inferred again and the graph is verified; a pass that broke it is named, and the graph as it was before is
 * handed out as a reproducer. Timing and verification are here, not in the passes.
 */
import { cloneModel } from '../graph/clone.ts';
import { inferModel } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import { printModel } from '../graph/print.ts';
import { verifyModel } from '../graph/verify.ts';
import type { PassContext, PassResult, WeightRecord } from '../passes/pass.ts';
import { type DiagnosticRecord, fail, VlmError } from '../report/diagnostics.ts';
import { targets as allTargets } from '../targets/registry.ts';
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
}

/** What is needed to meet the failure of a pass again. */
export interface Reproducer {
  readonly pass: string;
  /** Pipeline text from the failing pass on. */
  readonly pipeline: string;
  /** The graph before the pass, printed. */
  readonly graph: string;
  readonly error: unknown;
}

export interface Instrumentation {
  /** Default: all that are known. */
  readonly targets?: readonly Target[];
  readonly onPass?: (record: PassRecord) => void;
  readonly onFailure?: (reproducer: Reproducer) => void;
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
  const records: PassRecord[] = [];
  const substitutes = new Map<string, Tensor>();
  for (const [index, step] of steps.entries()) {
    // A copy costs little, weights are shared; printing it waits until something is wrong.
    const before = instrumentation.onFailure === undefined ? undefined : cloneModel(model);
    try {
      const record = await runStep(model, step, instrumentation.targets ?? allTargets, substitutes);
      records.push(record);
      instrumentation.onPass?.(record);
    } catch (error) {
      if (before !== undefined) {
        const pipeline = printPipeline(steps.slice(index));
        instrumentation.onFailure?.({ pass: step.pass.name, pipeline, graph: printModel(before), error });
      }
      throw error;
    }
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
  if (changed) check(model, pass.name);
  const milliseconds = performance.now() - start;
  return { name: pass.name, options, changed, stats, notes, warnings, coverage, milliseconds };
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
