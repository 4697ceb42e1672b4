/**
 * The proof of a converted model: the original, or what stands for it where passes made another model of it, runs beside
 * the output, and beside the graph before rounding where weights were rounded. Where a gate fails, the passes are run
 * one by one to find the one that is at fault.
 */
import { join } from 'node:path';
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModels, type ModelLayout } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import {
  checkGraph,
  type GraphBlame,
  type GraphCheck,
  type GraphReport,
  indexBounds,
  type LevelGate,
  type ModelSource,
  parseComparisonGates,
  withoutActivationQuantization,
} from '../parity/index.ts';
import { allNodes } from '../rewrite/driver.ts';
import type { ChosenDevice } from '../runtime/devices.ts';
import { runtimeVersion } from '../runtime/session.ts';
import type { RunTensor } from '../runtime/values.ts';
import type { Target } from '../targets/target.ts';
import { bisectComponent } from './bisect-components.ts';
import { openWhole, placeParts } from './check-parts.ts';
import { executePlan } from './engine/execute.ts';
import type { Precision } from './options.ts';
import type { PipelineStep } from './pipeline-text.ts';
import { toolVersion } from './version.ts';
import type { WorkFolder } from './work-folder.ts';
import { planModels, type WriteLimits } from './write-models.ts';

/** What there is to be compared. */
export interface GraphProof {
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  /** What the output is held to, and what made it of the file; empty: it is the file. */
  readonly original: Model;
  readonly reference: string;
  readonly changes: readonly string[];
  /** All passes, as pipeline text, and those after it. */
  readonly passes: string;
  readonly steps: readonly PipelineStep[];
  /** Where weights were rounded: the graph before, and the same with the values that they have now. */
  readonly rounded?: { readonly plain: Model; readonly fair: Model };
  /** What was written. */
  readonly model: Model;
  readonly layout: ModelLayout;
  readonly precision: Precision;
  readonly targets: readonly Target[];
}

export interface GraphCheckOptions {
  readonly work: WorkFolder;
  readonly write: WriteLimits;
  readonly device: ChosenDevice;
  readonly given: ReadonlyMap<string, RunTensor>;
  readonly dimensions: ReadonlyMap<string, number>;
  readonly seed: number;
  readonly gates: readonly LevelGate[];
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal;
}

/** Throws as `checkGraph` of the parity room, and VC5xxx where models for the check cannot be written. */
export async function proveGraph(proof: GraphProof, options: GraphCheckOptions): Promise<GraphReport> {
  const { path, name, original, model, layout, precision } = proof;
  const { work, device, given, dimensions, seed, gates, onStep, signal } = options;
  const exact = withoutActivationQuantization(model);
  const output = join(work.output, layout.modelFile);
  const scratch = await place(modelsOf(proof), options);
  const { reference = path, plain, fair } = scratch;
  const checked = await checkGraph({
    name,
    builds: {
      reference,
      output,
      ...(plain === undefined || fair === undefined
        ? {}
        : {
            rounded: {
              plain,
              fair,
              exact:
                exact === undefined
                  ? output
                  : { bytes: await encodeModel(exact, layout, 'keep'), folder: work.output },
            },
          }),
    },
    bounds: indexBounds(original.graph),
    precision,
    coarse: roundsInside(original),
    gates,
    given,
    dimensions,
    seed,
    device,
    onStep,
    signal,
  });
  const { feeds: _, ...found } = checked;
  const blame = checked.passed ? undefined : await findFault(proof, checked, options);
  return {
    schema: 1,
    version: toolVersion(),
    model: name,
    precision,
    reference: proof.reference,
    changes: proof.changes,
    passes: proof.passes,
    runtime: { ...(await runtimeVersion()), device: device.device },
    ...found,
    ...(blame === undefined ? {} : { blame }),
  };
}

/** Models that are written for the check alone. */
export function modelsOf({
  original,
  reference,
  rounded,
}: Pick<GraphProof, 'original' | 'reference' | 'rounded'>): Readonly<Record<string, Model>> {
  return { ...(reference === '' ? {} : { reference: original }), ...rounded };
}

/** Limits by `[level.][output.]metric`. Throws VC6105. */
export function parseLevelGates(gates: Readonly<Record<string, number>>): readonly LevelGate[] {
  return Object.entries(gates).flatMap(([key, limit]) => {
    const [, level, rest = ''] = /^(?:(rewrite|implementation|fidelity)\.)?(.*)$/.exec(key) ?? [];
    return parseComparisonGates({ [rest]: limit }).map((gate) => ({
      ...gate,
      level: level as LevelGate['level'],
    }));
  });
}

/** Writes models into the scratch folder, weights that they share once. */
async function place(
  models: Readonly<Record<string, Model>>,
  { work, write, signal }: GraphCheckOptions,
): Promise<Readonly<Record<string, ModelSource>>> {
  const layout = layoutModels(Object.values(models), { fileName: 'check' });
  await executePlan(await planModels([{ folder: '', layout }]), {
    ...write,
    nonFinite: 'keep',
    root: work.scratch,
    constantsPath: join(work.scratch, 'check.constants'),
    durable: false,
    signal,
  });
  const placed: Record<string, ModelSource> = {};
  for (const [id, model] of Object.entries(models)) {
    placed[id] = { bytes: await encodeModel(model, layout, 'keep'), folder: work.scratch };
  }
  return placed;
}

const coarseTypes: ReadonlySet<string> = new Set([
  ...['float16', 'bfloat16', 'int8', 'uint8', 'int4', 'uint4'],
  ...['float8e4m3fn', 'float8e4m3fnuz', 'float8e5m2', 'float8e5m2fnuz'],
]);

/** True when a graph computes in less than float32: what it gives depends on how sums are ordered. */
function roundsInside(model: Model): boolean {
  return [...allNodes(model.graph)].some(
    ({ op, outputs }) =>
      op === 'com.microsoft::MatMulNBits' ||
      outputs.some((value) => value?.type?.kind === 'tensor' && coarseTypes.has(value.type.dtype)),
  );
}

/** The first pass beyond its limit on the inputs that a gate failed on; undefined where each keeps to it. */
async function findFault(
  { name, original, steps, targets }: GraphProof,
  { feeds, draws }: GraphCheck,
  { work, write, device, onStep, signal }: GraphCheckOptions,
): Promise<GraphBlame | undefined> {
  const placing = { scratch: work.scratch, write: { ...write, nonFinite: 'keep' as const }, signal };
  const { result } = await bisectComponent(
    { id: name, model: original },
    {
      component: name,
      calls: [{ feeds }],
      cache: new Map(),
      label: () => 'the inputs of the check',
      rows: () => undefined,
    },
    {
      steps: new Map([[name, steps]]),
      targets: new Map([[name, targets]]),
      wanted: undefined,
      device: device.device,
      cut: { limitBytes: Number.POSITIVE_INFINITY, at: 'size' },
      threshold: roundsInside(original) ? largestMax(draws) : undefined,
      place: (models) => placeParts(models, placing),
      open: (model) => openWhole(model, device.device, placing),
      onStep,
      signal,
      mostTests: 0,
    },
  );
  const { fault } = result;
  if (fault === undefined) return undefined;
  const { pass, end, limit, node } = fault;
  return {
    pass,
    max: end?.max ?? Number.POSITIVE_INFINITY,
    limit: limit ?? 0,
    ...(node === undefined
      ? {}
      : {
          node: node.culprit.name,
          operator: node.culprit.operator,
          ...(node.culprit.from === undefined ? {} : { from: node.culprit.from }),
        }),
  };
}

/** What the tightest level allows a value to move. */
function largestMax(draws: GraphCheck['draws']): number | undefined {
  const limits = draws.flatMap(({ levels }) =>
    (levels[0]?.gates ?? []).flatMap(({ metric, limit }) => (metric === 'max' ? [limit] : [])),
  );
  return limits.length === 0 ? undefined : Math.max(...limits);
}
