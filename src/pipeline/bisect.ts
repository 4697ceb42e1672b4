/**
 * Which pass, which block, which node and which weight a conversion went wrong in: from a checkpoint and the options of a
 * conversion, or from an output and its checkpoint. A small model that shows each fault is left in a folder, written
 * whole or not at all.
 */
import { resolve } from 'node:path';
import { idsAt } from '../architectures/vocabulary.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { type DiagnosticRecord, fail } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { runStage } from '../report/progress.ts';
import { silentReporter } from '../report/sinks.ts';
import type { Device } from '../runtime/devices.ts';
import {
  bisectComponents,
  type ComponentBisection,
  type PassError,
  type PassFault,
} from './bisect-components.ts';
import { checkDevice } from './check-device.ts';
import { readSample } from './check-inputs.ts';
import { distinctBytes, openWhole, placeParts } from './check-parts.ts';
import { checkCut } from './check-plan.ts';
import type { ConvertContext } from './convert.ts';
import { structureSha256 } from './digest.ts';
import { orInterrupted } from './make-output.ts';
import { isOurs, type Manifest, type ManifestFile, manifestName } from './manifest.ts';
import { openStage } from './open-source.ts';
import { type ConvertOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { besideFolder, checkRoom, chooseOutput, writeFileSynced } from './output-folder.ts';
import { build, optionsJson } from './plan.ts';
import { checkStructure, openManifest } from './recheck.ts';
import { showCommand, writeReproducer } from './reproducer.ts';
import { chooseSteps } from './steps.ts';
import { storedOptions } from './stored-options.ts';
import { toolVersion } from './version.ts';
import { openWorkFolder, type WorkFolder } from './work-folder.ts';
import type { WriteLimits } from './write-models.ts';

/** Options of a conversion that decide what its graphs are. */
type GraphOptionKey =
  | 'resolution'
  | 'tiling'
  | 'maxAudioSeconds'
  | 'lora'
  | 'loraTiles'
  | 'precision'
  | 'blockSize'
  | 'symmetric'
  | 'quantizeEmbeddings'
  | 'ioDtype'
  | 'passes';

export interface BisectOptions
  extends Pick<
    ConvertOptions,
    GraphOptionKey | 'device' | 'inputs' | 'samples' | 'seed' | 'memory' | 'jobs'
  > {
  /** Folder of a checkpoint, or of an output, whose options then hold. */
  readonly source: string;
  /** Of an output: the folder of the checkpoint that it was made from. */
  readonly checkpoint?: string | undefined;
  /** Largest max |error| / std of a pass; default: what its precision allows. */
  readonly threshold?: number | undefined;
  /** Component that is looked at; default all. */
  readonly component?: string | undefined;
  /** Folder for the small models that show faults; default `<checkpoint name>-bisect` beside the current folder. */
  readonly reproducer?: string | undefined;
}

export interface BisectedComponent extends Omit<ComponentBisection, 'reproduction'> {
  readonly reproducer?: {
    /** Relative to the output. */
    readonly folder: string;
    readonly nodes: number;
    readonly tests: number;
    /** To be run in the folder. */
    readonly command: string;
  };
}

export interface BisectResult {
  readonly checkpoint: string;
  readonly device: Device;
  readonly components: readonly BisectedComponent[];
  /** Where the small models stand; absolute. Left out where there are none. */
  readonly output?: string;
  /** False when a pass is at fault; `failure` says which. */
  readonly passed: boolean;
  readonly failure?: DiagnosticRecord;
}

const stages = {
  open: 'Open the checkpoint',
  passes: 'Run the passes one by one',
  seal: 'Write the small models',
} as const;

/**
 * Throws VlmError: VC4011 and VC1132 for an output, VC1xxx for the checkpoint, VC4xxx for options, VC51xx for the folder
 * of the small models, VC6xxx when the original cannot be run, VC5190 when stopped by the signal.
 */
export async function bisect(options: BisectOptions, context: ConvertContext = {}): Promise<BisectResult> {
  const reporter = context.reporter ?? silentReporter;
  const signal = context.signal ?? new AbortController().signal;
  const cwd = context.cwd ?? process.cwd();
  const { resolved, manifest } = await optionsOf(options, cwd);
  const { device } = await checkDevice(resolved.device, reporter);
  reporter.stages(Object.entries(stages).map(([id, title]) => ({ id, title })));
  let checkpoint: Checkpoint | undefined;
  let work: WorkFolder | undefined;
  try {
    const opened = await openStage(reporter, resolved);
    checkpoint = opened;
    if (manifest !== undefined) checkStructure(manifest, structureSha256(opened), opened.path);
    const built = build(opened, resolved);
    const wanted =
      options.component === undefined ? undefined : idsAt(options.component, built.components, '--component');
    const chosen = chooseSteps(built, resolved);
    const sample = await readSample(built, opened, resolved);
    const place = await chooseOutput(
      besideFolder(options.reproducer, `${opened.name}-bisect`, cwd),
      opened.folders,
      false,
    );
    const folder = await openWorkFolder(place);
    work = folder;
    const write: WriteLimits = { memoryBytes: resolved.memory, jobs: resolved.jobs, nonFinite: 'keep' };
    const scratch = { scratch: folder.scratch, write, signal };
    const found = await runStage(reporter, 'passes', (progress) =>
      bisectComponents({
        built,
        steps: new Map([...chosen].map(([id, { plain, rest }]) => [id, [...plain, ...rest]])),
        targets: new Map([...chosen].map(([id, { targets }]) => [id, targets])),
        wanted,
        sample,
        device,
        cut: checkCut,
        threshold: options.threshold,
        place: async (models) => {
          await checkRoom(folder.scratch, distinctBytes([...models.values()]));
          return placeParts(models, scratch);
        },
        open: (model) => openWhole(model, device, scratch),
        onStep: (text) => progress({ done: 0, total: 0, unit: 'steps', text }),
        signal,
      }),
    );
    const files = await runStage(
      reporter,
      'seal',
      () =>
        writeReproducers(
          found,
          folder,
          { write, signal },
          manifestHead(opened, built.architecture, resolved),
        ),
      (written) => (written.length === 0 ? 'none' : plural(written.length, 'file')),
    );
    return {
      checkpoint: opened.name,
      device,
      components: found.map(withoutModels),
      ...(files.length === 0 ? {} : { output: place.path }),
      ...verdict(found),
    };
  } catch (error) {
    throw orInterrupted(error, signal);
  } finally {
    await work?.leave('remove');
    await checkpoint?.close();
  }
}

/** Those given, or those that an output's manifest holds. Throws VC4002 where both are there. */
async function optionsOf(
  options: BisectOptions,
  cwd: string,
): Promise<{ readonly resolved: ResolvedOptions; readonly manifest?: Manifest }> {
  const { source, checkpoint, threshold: _, component: __, reproducer: ___, ...own } = options;
  const path = resolve(cwd, source);
  if (checkpoint === undefined && !(await isOurs(path)))
    return { resolved: resolveOptions({ ...own, checkpoint: path }) };
  const manifest = await openManifest(path);
  const stored = storedOptions(manifest.options);
  const twice = Object.keys(own).find((key) => key in stored && own[key as keyof typeof own] !== undefined);
  if (twice !== undefined) {
    throw fail('VC4002', {
      where: twice,
      found: `${path}, which was made with options of its own`,
      expected: 'the checkpoint, to give other options',
    });
  }
  const folder = resolve(cwd, checkpoint ?? '.');
  return { resolved: resolveOptions({ ...stored, ...own, checkpoint: folder }), manifest };
}

type ManifestHead = Omit<Manifest, 'files'>;

function manifestHead(checkpoint: Checkpoint, architecture: string, options: ResolvedOptions): ManifestHead {
  return {
    tool: 'vlm-convert',
    schema: 1,
    version: toolVersion(),
    architecture,
    options: optionsJson(options),
    inputs: { checkpoint: checkpoint.name, structureSha256: structureSha256(checkpoint) },
    passes: {},
    parity: 'not run',
  };
}

/** Puts them under the name of the output, with a manifest that marks it as ours; nothing where there are none. */
async function writeReproducers(
  found: readonly ComponentBisection[],
  work: WorkFolder,
  options: { readonly write: WriteLimits; readonly signal: AbortSignal },
  head: ManifestHead,
): Promise<readonly ManifestFile[]> {
  const files: ManifestFile[] = [];
  for (const { fault, reproduction } of found) {
    if (fault === undefined || reproduction === undefined) continue;
    const target = { root: work.output, constantsPath: work.constants, ...options };
    files.push(...(await writeReproducer(fault, reproduction, target)));
  }
  if (files.length === 0) return files;
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const text = `${JSON.stringify({ ...head, files }, null, 2)}\n`;
  await writeFileSynced(`${work.output}/${manifestName}`, new TextEncoder().encode(text));
  options.signal.throwIfAborted();
  await work.seal();
  return files;
}

function withoutModels({ reproduction, ...component }: ComponentBisection): BisectedComponent {
  const { fault } = component;
  if (reproduction === undefined || fault === undefined) return component;
  const { nodes, tests } = reproduction;
  const command = showCommand(fault, reproduction);
  return { ...component, reproducer: { folder: fault.component, nodes, tests, command } };
}

function verdict(found: readonly ComponentBisection[]): Pick<BisectResult, 'passed' | 'failure'> {
  const faults = found.flatMap(({ fault }) => (fault === undefined ? [] : [fault]));
  const [first] = faults;
  if (first === undefined) return { passed: true };
  return { passed: false, failure: failureOf(first, faults.length - 1) };
}

function failureOf(fault: PassFault, more: number): DiagnosticRecord {
  const { component, pass, block, node, end, limit, thrown } = fault;
  const at = [
    component,
    ...(block === undefined ? [] : [block]),
    ...(node?.culprit === undefined ? [] : [node.culprit.name]),
  ];
  const off =
    end === undefined ? `${thrown?.code}: ${thrown?.message}` : `off by ${end.max.toPrecision(3)} of std`;
  return fail('VC6204', {
    where: at.join(', '),
    found: `${pass}: ${off}${more === 0 ? '' : `, and a fault in ${plural(more, 'more component')}`}`,
    ...(limit === undefined ? {} : { expected: `at most ${limit}` }),
  }).record;
}

export type { PassError, PassFault };
