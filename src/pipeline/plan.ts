/**
 * The plan of a conversion: everything that is known before a weight is read. `--dry-run` prints it, and a
 * conversion records it. JSON with a version; all counts are exact but those that say "about".
 */
import type { BuiltModel } from '../architectures/architecture.ts';
import type { AudioGeometry, ImageGeometry } from '../architectures/media.ts';
import { findArchitecture } from '../architectures/registry.ts';
import { type ComponentSummary, componentSummary } from '../architectures/vocabulary.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { encodeModel } from '../formats/onnx/encode.ts';
import { type ModelLayout, modelTensors } from '../formats/onnx/layout.ts';
import { cloneModel } from '../graph/clone.ts';
import type { Model } from '../graph/model.ts';
import type { AdaptedGraph } from '../packages/package-format.ts';
import { packageFormat } from '../packages/registry.ts';
import { type AdapterRecord, type CoverageRow, coverageRows } from '../parity/index.ts';
import { type DiagnosticRecord, fail, type VlmError } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { inlineTensor, type JsonValue } from '../tensor/tensor.ts';
import { adapterSideFile, checkSwitchable } from './adapter-inputs.ts';
import { type CheckPlan, planCheck } from './check-plan.ts';
import { type CompiledComponent, compile, type OnBroken } from './compile.ts';
import { structureSha256 } from './digest.ts';
import { type Generation, generationOf } from './generation.ts';
import { type LinkedFile, type Links, linkedFiles, noLinks } from './links.ts';
import { describeAdapters } from './measure-adapters.ts';
import type { Source } from './open-source.ts';
import type { ResolvedOptions } from './options.ts';
import type { PassRecord } from './pass-manager.ts';
import { type PlannedSideFile, planSideFiles } from './side-files.ts';
import { chooseSteps, usesAdapters } from './steps.ts';
import { toolVersion } from './version.ts';

export interface PlannedFile {
  /** Relative to the output folder. */
  readonly path: string;
  readonly bytes: number;
  /** A second name of the checkpoint's own file, which takes no room. */
  readonly link?: true;
}

export interface PlannedComponent extends ComponentSummary {
  readonly precision: string;
  /** Pipeline text: `--passes` takes it back. */
  readonly passes: string;
  readonly records: readonly Pick<PassRecord, 'name' | 'options' | 'changed' | 'stats' | 'notes'>[];
  readonly nodes: number;
  /** Distinct weights. */
  readonly tensors: number;
  readonly tensorBytes: number;
  /** What the weights become: bytes by format, and why any stay. */
  readonly coverage: readonly CoverageRow[];
  readonly files: readonly PlannedFile[];
}

export interface Plan {
  /** Of this form. */
  readonly schema: 1;
  readonly version: string;
  readonly checkpoint: {
    readonly name: string;
    readonly structureSha256: string;
    readonly tensors: number;
    readonly tensorBytes: number;
    readonly unusedTensors: readonly string[];
  };
  readonly architecture: string;
  readonly options: JsonValue;
  /** Left out where there are none. */
  readonly adapters?: readonly AdapterRecord[];
  readonly image?: ImageGeometry;
  readonly audio?: AudioGeometry;
  readonly components: readonly PlannedComponent[];
  /** How the graphs are run; of conversions. */
  readonly generation?: Generation;
  /** Every file of the output but the report and the manifest. */
  readonly files: readonly PlannedFile[];
  readonly bytes: {
    readonly output: number;
    /** Reference graphs for the check, removed afterwards. */
    readonly scratch: number;
    /** Of the output's graphs with merged and with factored adapters; only where there are adapters. */
    readonly lora?: { readonly merge: number; readonly factored: number };
  };
  /** About what the process will hold at most, in bytes, while writing and while checking. */
  readonly memory: { readonly write: number; readonly parity: number };
  readonly warnings: readonly DiagnosticRecord[];
}

export interface PlannedConversion {
  /** Where the output would stand; absolute. */
  readonly output: string;
  readonly plan: Plan;
  /** Why the conversion would stop here: there are warnings, under `strict`. */
  readonly refusal?: DiagnosticRecord;
}

/** A plan with the objects that it speaks of. */
export interface Prepared {
  readonly plan: Plan;
  readonly built: BuiltModel;
  readonly components: readonly CompiledComponent[];
  /** Undefined without a check. */
  readonly check?: CheckPlan;
  readonly links: readonly LinkedFile[];
  /** Other forms of components, over the same weights. */
  readonly adapted: readonly AdaptedGraph[];
  readonly sideFiles: readonly PlannedSideFile[];
}

/** Node, the runtime's libraries and the graphs themselves. */
const baseMemory = 200 * 2 ** 20;

/** The reference graphs, under the names of the format. Throws VC12xx for config and tensors, VC4xxx for options. */
export function build(checkpoint: Checkpoint, options: ResolvedOptions): BuiltModel {
  const architecture = findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys()));
  const built = architecture.build(checkpoint, {
    ...(options.resolution === undefined ? {} : { resolution: options.resolution }),
    tiling: options.tiling,
    loraTiles: options.loraTiles,
    ...(options.maxAudioSeconds === undefined ? {} : { audioSeconds: options.maxAudioSeconds }),
  });
  if (options.maxAudioSeconds !== undefined && built.audio === undefined) {
    throw fail('VC4205', {
      where: 'max-audio-seconds',
      found: `${options.maxAudioSeconds}, and ${architecture.title}`,
      expected: 'none: the model takes no sounds',
    });
  }
  const steps = chooseSteps(built, options);
  return packageFormat(options.format).name({
    built,
    precisions: new Map([...steps].map(([id, { precision }]) => [id, precision])),
    ioDtype: options.ioDtype,
    linkWeights: options.linkWeights,
  });
}

/** Runs the passes and plans all files. */
export async function prepare(
  checkpoint: Checkpoint & Partial<Pick<Source, 'adapters'>>,
  built: BuiltModel,
  options: ResolvedOptions,
  onBroken?: OnBroken,
  links: Links = noLinks,
): Promise<Prepared> {
  const components = await compile(built, options, onBroken, links);
  const linked = linkedFiles(
    links,
    components.map(({ layout }) => layout),
    'onnx/',
  );
  const packed = packageFormat(options.format).files(built, checkpoint, components);
  const factors = new Map(components.flatMap(({ bound }) => [...(bound?.factors ?? [])]));
  const sideFiles = [
    ...(await planSideFiles(checkpoint, packed.sideFiles)),
    ...(options.lora === 'runtime' ? [adapterSideFile(factors)] : []),
  ];
  const planned: PlannedComponent[] = [];
  for (const compiled of components) {
    const component = componentSummary(compiled.component);
    planned.push(await planComponent({ ...compiled, component }, 'onnx/'));
  }
  const files = [
    ...planned.flatMap((component) => component.files),
    ...(await Promise.all(
      packed.graphs.map(async ({ model, layout }) => ({
        path: `onnx/${layout.modelFile}`,
        bytes: await protoBytes(model, layout),
      })),
    )),
    ...linked.map(({ path, source }): PlannedFile => ({ path, bytes: source.size, link: true })),
    ...sideFiles.map(({ path, bytes }) => ({ path, bytes })),
  ];
  const check = options.parity === false ? undefined : planCheck(built, components, options.parity);
  const tensorBytes = [...checkpoint.tensors.values()].reduce(
    (sum, { tensor }) => sum + tensor.byteLength,
    0,
  );
  const adapters = describeAdapters(checkpoint.adapters ?? [], components);
  if (options.lora === 'runtime') checkSwitchable(adapters, factors, options.format);
  const plan: Plan = {
    schema: 1,
    version: toolVersion(),
    checkpoint: {
      name: checkpoint.name,
      structureSha256: structureSha256(checkpoint),
      tensors: checkpoint.tensors.size,
      tensorBytes,
      unusedTensors: built.unusedTensors,
    },
    architecture: built.architecture,
    options: optionsJson(options),
    ...(adapters.length === 0 ? {} : { adapters }),
    ...(built.image === undefined ? {} : { image: built.image }),
    ...(built.audio === undefined ? {} : { audio: built.audio }),
    components: planned,
    generation: generationOf(built, planned, checkpoint),
    files,
    bytes: {
      output: total(files),
      scratch: check?.scratch ?? 0,
      ...(usesAdapters(built) && options.passes === undefined && options.lora !== 'runtime'
        ? { lora: await loraBytes(built, components, options, links) }
        : {}),
    },
    memory: {
      write: memoryToWrite(planned, options),
      parity: check === undefined ? 0 : baseMemory + check.memory,
    },
    warnings: [
      ...checkpoint.problems,
      ...built.warnings,
      ...links.warnings,
      ...packed.warnings,
      ...components.flatMap(({ records }) => records.flatMap((record) => record.warnings)),
      ...components.flatMap((component) => component.warnings),
    ],
  };
  return {
    plan,
    built,
    components,
    ...(check === undefined ? {} : { check }),
    links: linked,
    adapted: packed.graphs,
    sideFiles,
  };
}

/** VC4007 when there are warnings under `strict`. */
export function strictRefusal(plan: Plan, strict: boolean): VlmError | undefined {
  if (!strict || plan.warnings.length === 0) return undefined;
  const codes = [...new Set(plan.warnings.map((warning) => warning.code))];
  return fail('VC4007', { found: `${plural(plan.warnings.length, 'warning')}: ${codes.join(', ')}` });
}

/** Options that leave no trace in the output's bytes: places and resources of this machine. */
const ownOptions: ReadonlySet<string> = new Set<keyof ResolvedOptions>([
  'checkpoint',
  'adapter',
  'base',
  'visionTower',
  'inputs',
  'samples',
  'baseline',
  'force',
  'memory',
  'jobs',
  'resume',
  'verifyInputs',
]);

/** Options as the plan, the manifest and the report keep them. */
export function optionsJson(options: ResolvedOptions): JsonValue {
  const kept = Object.entries(options).filter(([key]) => !ownOptions.has(key));
  return JSON.parse(JSON.stringify(Object.fromEntries(kept))) as JsonValue;
}

/** `folder`: where the files stand, with a slash at its end, or nothing. */
export async function planComponent(
  compiled: Pick<CompiledComponent, 'precision' | 'passes' | 'records' | 'model' | 'layout'> & {
    readonly component: ComponentSummary;
  },
  folder: string,
): Promise<PlannedComponent> {
  const { component, model, layout } = compiled;
  const tensors = new Set([...modelTensors(model)].map(({ tensor }) => tensor));
  return {
    ...component,
    precision: compiled.precision,
    passes: compiled.passes,
    records: compiled.records.map(({ name, options, changed, stats, notes }) => ({
      name,
      options,
      changed,
      stats,
      notes,
    })),
    nodes: model.graph.nodeCount,
    tensors: tensors.size,
    tensorBytes: [...tensors].reduce((sum, tensor) => sum + tensor.byteLength, 0),
    coverage: coverageRows(
      component.id,
      compiled.records.flatMap((record) => record.coverage),
    ),
    files: [
      { path: `${folder}${layout.modelFile}`, bytes: await protoBytes(model, layout) },
      ...layout.dataFiles.map(({ name, byteLength }) => ({ path: `${folder}${name}`, bytes: byteLength })),
    ],
  };
}

/**
 * The exact size of the model file, without its small weights, which are not known yet: their bytes do not change
 * the size, so zeros stand in for them.
 */
async function protoBytes(model: Model, layout: ModelLayout): Promise<number> {
  const copy = cloneModel(model);
  for (const value of copy.graph.initializers()) {
    const tensor = value.initializer;
    if (layout.placement.has(tensor) || tensor.origin.kind === 'inline') continue;
    copy.graph.setInitializer(
      value,
      inlineTensor(tensor.dtype, tensor.shape, new Uint8Array(tensor.byteLength)),
    );
  }
  return (await encodeModel(copy, layout)).byteLength;
}

async function loraBytes(
  built: BuiltModel,
  components: readonly CompiledComponent[],
  options: ResolvedOptions,
  links: Links,
): Promise<{ readonly merge: number; readonly factored: number }> {
  const merges = options.lora === 'merge';
  const other = merges ? 'factored' : 'merge';
  const [own, others] = [components, await compile(built, { ...options, lora: other }, undefined, links)].map(
    (compiled) => compiled.reduce((sum, { layout }) => sum + total(layoutFiles(layout)), 0),
  );
  if (own === undefined || others === undefined) throw new TypeError('two variants give two sizes');
  return merges ? { merge: own, factored: others } : { merge: others, factored: own };
}

export function memoryToWrite(
  planned: readonly PlannedComponent[],
  { memory }: Pick<ResolvedOptions, 'memory'>,
): number {
  const written = planned.reduce((sum, component) => sum + component.tensorBytes, 0);
  return Math.max(baseMemory, Math.min(memory, baseMemory + written));
}

function layoutFiles(layout: ModelLayout): PlannedFile[] {
  return layout.dataFiles.map(({ name, byteLength }) => ({ path: name, bytes: byteLength }));
}

/** Bytes that files take on the disk. */
export function total(files: readonly PlannedFile[]): number {
  return files.reduce((sum, { bytes, link }) => sum + (link === true ? 0 : bytes), 0);
}
