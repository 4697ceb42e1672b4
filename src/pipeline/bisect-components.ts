/**
 * The bisection of built components: the passes one by one, then the part, the node and the weight that the first one at
 * fault got wrong, and a small model that shows it. Nothing is written but by `place` and `open`.
 */
import type { BuiltModel, Component } from '../architectures/architecture.ts';
import type { Model } from '../graph/model.ts';
import {
  type BrokenPart,
  type ComponentRun,
  type CutOptions,
  eachComponent,
  type LocatedNode,
  locateNode,
  type PlacedPart,
  type Reproduction,
  reproduce,
  type Sample,
  type StageResult,
  type Symptom,
  stageErrors,
} from '../parity/index.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import type { Device, Session } from '../runtime/session.ts';
import type { RunTensor } from '../runtime/values.ts';
import type { Target } from '../targets/target.ts';
import { type PrecisionLoss, precisionLoss } from './bisect-precision.ts';
import { type Refusal, tracePasses } from './bisect-trace.ts';
import type { PipelineStep } from './pipeline-text.ts';

export interface BisectWork extends ComponentWork {
  readonly built: BuiltModel;
  readonly sample: Sample;
}

export interface ComponentWork {
  /** By component id. */
  readonly steps: ReadonlyMap<string, readonly PipelineStep[]>;
  /** What the output has to run on, by component id. */
  readonly targets: ReadonlyMap<string, readonly Target[]>;
  /** Components that are looked at; default all. The others only feed them. */
  readonly wanted: readonly string[] | undefined;
  readonly device: Device;
  readonly cut: CutOptions;
  /** Instead of the limit of each pass. */
  readonly threshold: number | undefined;
  readonly place: (models: ReadonlyMap<string, Model>) => Promise<PlacedPart>;
  readonly open: (model: Model) => Promise<Session>;
  readonly onStep: (text: string) => void;
  readonly signal: AbortSignal | undefined;
  /** What may be spent on making the model that shows a fault smaller; default 200 runs. */
  readonly mostTests?: number;
}

/** Errors are max |error| / std of the worst value of the worst run, and ‖error‖ / ‖value‖ of the same. */
export interface PassError {
  /** As pipeline text. */
  readonly pass: string;
  /** Of the pass alone, at the end of the part that it moves most. */
  readonly max: number;
  readonly relative: number;
  /** Of the graph after it against the original, at its outputs. */
  readonly accumulated: { readonly max: number; readonly relative: number };
  readonly limit: number;
  readonly faulty: boolean;
}

export interface PassFault {
  readonly component: string;
  /** As pipeline text. */
  readonly pass: string;
  readonly kind: Symptom['kind'];
  /** The part, named by the module that it ends in; left out where the pass throws. */
  readonly block?: string;
  /** The value at the end of the part that is furthest off, which run it was, and by how much. */
  readonly end?: {
    readonly value: string;
    readonly run: string;
    /** The run that the node was looked for in, and that the small model is fed with the values of. */
    readonly recorded: string;
    readonly max: number;
    readonly relative: number;
    readonly nonFinite: number;
  };
  readonly limit?: number;
  readonly node?: LocatedNode;
  /** What the pass or the runtime threw. */
  readonly thrown?: DiagnosticRecord;
}

export interface ComponentBisection {
  readonly component: string;
  /** Passes that changed something, until the first at fault. */
  readonly passes: readonly PassError[];
  /** Passes that found nothing to do. */
  readonly idle: readonly string[];
  readonly fault?: PassFault;
  readonly reproduction?: Reproduction;
  /** What rounding weights costs; where no pass of any component is at fault. */
  readonly loss?: PrecisionLoss;
}

/** More tests than this are not spent on making a reproducer smaller. */
const usualTests = 200;

/** Throws VC6xxx where the original cannot be run. */
export async function bisectComponents(work: BisectWork): Promise<readonly ComponentBisection[]> {
  const { built, sample } = work;
  const results: ComponentBisection[] = [];
  const losses: (() => ReturnType<typeof precisionLoss>)[] = [];
  await eachComponent({ recipe: built.recipe, sample }, async (run) => {
    const component = built.components.find(({ id }) => id === run.component);
    if (component === undefined) throw new RangeError(`there is no component ${run.component}`);
    const { result, outputs, loss } = await bisectComponent(component, run, work);
    if (work.wanted?.includes(run.component) ?? true) {
      results.push(result);
      losses.push(loss);
    }
    return outputs;
  });
  // It takes a while, and says little about a conversion that is wrong.
  if (results.some(({ fault }) => fault !== undefined)) return results;
  const ranked: ComponentBisection[] = [];
  for (const [index, result] of results.entries()) {
    const loss = await losses[index]?.();
    ranked.push(loss === undefined ? result : { ...result, loss });
  }
  return ranked;
}

/** One component, or a graph that is none, over the calls of a run. Throws as `bisectComponents`. */
export async function bisectComponent(
  component: Pick<Component, 'id' | 'model'>,
  run: ComponentRun,
  work: ComponentWork,
): Promise<{
  readonly result: ComponentBisection;
  readonly outputs: readonly ReadonlyMap<string, RunTensor>[];
  readonly loss: () => ReturnType<typeof precisionLoss>;
}> {
  const { id, model } = component;
  const wanted = work.wanted?.includes(id) ?? true;
  const steps = wanted ? (work.steps.get(id) ?? []) : [];
  const trace = await tracePasses(model, steps, work.targets.get(id) ?? [], work.threshold);
  const { stages, outputs } = await stageErrors({
    original: model,
    stages: trace.stages,
    run,
    cut: work.cut,
    device: work.device,
    place: work.place,
    onPart: (block) => work.onStep(`${id}, ${block}`),
    signal: work.signal,
  });
  const faulty = stages.find(({ broken }) => broken !== undefined);
  const found =
    faulty?.broken === undefined
      ? trace.refusal && (await refusedPass(id, trace.refusal, work))
      : await brokenPass(id, faulty, faulty.broken, work);
  const result: ComponentBisection = {
    component: id,
    passes: stages.slice(0, faulty === undefined ? undefined : stages.indexOf(faulty) + 1).map(passError),
    idle: trace.idle,
    ...found,
  };
  return { result, outputs, loss: () => precisionLoss(model, trace.stages, steps, run, work) };
}

function passError({ stage, own, accumulated, broken }: StageResult): PassError {
  const { pass, limit } = stage;
  return { pass, ...own, accumulated, limit, faulty: broken !== undefined };
}

type Found = Pick<ComponentBisection, 'fault' | 'reproduction'>;

async function brokenPass(
  component: string,
  { stage }: StageResult,
  broken: BrokenPart,
  work: ComponentWork,
): Promise<Found> {
  const { pass, limit, apply } = stage;
  const { open, signal } = work;
  const { feeds, fair, after, refusal } = broken;
  work.onStep(`${component}, nodes of ${broken.block}`);
  const node =
    refusal === undefined ? await locateNode({ fair, after, feeds, limit, open, signal }) : undefined;
  work.onStep(`${component}, a small model that shows it`);
  const reproduction = await reproduce({
    before: broken.before,
    fair,
    suspects: node?.before.map(({ name }) => name) ?? [],
    feeds,
    symptom: refusal === undefined ? { kind: 'values', limit } : { kind: 'runtime', code: refusal.code },
    apply,
    open,
    mostTests: work.mostTests ?? usualTests,
    signal,
  });
  const { value, call, recorded, error, nonFinite } = broken;
  const fault: PassFault = {
    component,
    pass,
    kind: refusal === undefined ? 'values' : 'runtime',
    block: broken.block,
    ...(refusal === undefined
      ? { end: { value, run: call, recorded, ...error, nonFinite } }
      : { thrown: refusal.record }),
    limit,
    ...(node === undefined ? {} : { node }),
  };
  return { fault, ...(reproduction === undefined ? {} : { reproduction }) };
}

/** A pass that throws needs no values to show it. */
async function refusedPass(
  component: string,
  { pass, before, error, apply }: Refusal,
  work: ComponentWork,
): Promise<Found> {
  work.onStep(`${component}, a small model that shows it`);
  const reproduction = await reproduce({
    before,
    fair: before,
    suspects: [],
    feeds: new Map(),
    symptom: { kind: 'pass', code: error.code },
    apply,
    open: work.open,
    mostTests: work.mostTests ?? usualTests,
    signal: work.signal,
  });
  const fault: PassFault = { component, pass, kind: 'pass', thrown: error.record };
  return { fault, ...(reproduction === undefined ? {} : { reproduction }) };
}
