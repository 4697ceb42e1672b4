/**
 * A conversion from checkpoint to output folder. Everything is decided and checked before the first byte is
 * written, and everything written stands under another name until it is whole and checked.
 */
import { join } from 'node:path';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../formats/checkpoint/open.ts';
import { type ParityReport, parityFailure, parseGates, renderJson, renderMarkdown } from '../parity/index.ts';
import { type DiagnosticRecord, fail, VlmError } from '../report/diagnostics.ts';
import { formatBytes, plural } from '../report/format.ts';
import { type Reporter, runStage, type StageSpec } from '../report/progress.ts';
import { silentReporter } from '../report/sinks.ts';
import { check } from './check.ts';
import { checkMemory } from './check-memory.ts';
import type { OnBroken } from './compile.ts';
import { sha256 } from './digest.ts';
import type { JournalInput } from './engine/journal.ts';
import { digestInputs, inputFiles, journalInputs } from './inputs.ts';
import { type Manifest, type ManifestFile, manifestName } from './manifest.ts';
import { type ConvertOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { checkRoom, chooseOutput, type OutputPlace, outputPath, writeFileSynced } from './output-folder.ts';
import { peakRss } from './peak-rss.ts';
import { build, type Plan, type Prepared, prepare, strictRefusal } from './plan.ts';
import { bytesStanding, openWorkFolder, type WorkFolder } from './work-folder.ts';
import type { WriteLimits } from './write-models.ts';
import { writeOutput } from './write-output.ts';

export interface ConvertContext {
  readonly reporter?: Reporter;
  /** Stops the conversion; what is left can be resumed. */
  readonly signal?: AbortSignal;
  /** The current folder, for the default output. */
  readonly cwd?: string;
  /** Called with the graph before a pass that broke it. */
  readonly onBroken?: OnBroken;
}

export interface ConvertResult {
  /** Absolute. */
  readonly output: string;
  /** False when a parity gate failed; `failure` says which. The output is written all the same. */
  readonly passed: boolean;
  readonly failure?: DiagnosticRecord;
  readonly plan: Plan;
  /** Every file of the output but the manifest. */
  readonly files: readonly ManifestFile[];
  readonly parity?: ParityReport;
  /** The most memory that the process took, in bytes: until the weights were written, and in all. */
  readonly peakRss: { readonly write: number; readonly total: number };
}

const stages = {
  open: 'Open the checkpoint',
  build: 'Build the reference graphs',
  passes: 'Run the passes and plan the output',
  inputs: 'Hash the checkpoint',
  write: 'Write the output',
  reference: 'Write the reference graphs for the check',
  check: 'Check against the original',
  seal: 'Finish the output folder',
} as const;

function stageList({ parity, verifyInputs }: ResolvedOptions): StageSpec[] {
  return Object.entries(stages)
    .filter(([id]) => parity || (id !== 'reference' && id !== 'check'))
    .filter(([id]) => verifyInputs || id !== 'inputs')
    .map(([id, title]) => ({ id, title }));
}

/**
 * Converts a checkpoint. Throws VlmError: VC1xxx for the checkpoint, VC3xxx and VC4xxx for graphs and options,
 * VC5xxx for the output (VC5190 when stopped by the signal), VC6xxx when the check cannot run (VC6005 before
 * anything is written). After a throw nothing is left under the output's name that was not there before; units of
 * work that were finished stay in the work folder beside it, for `resume`.
 */
export async function convert(options: ConvertOptions, context: ConvertContext = {}): Promise<ConvertResult> {
  const resolved = resolveOptions(options);
  const reporter = context.reporter ?? silentReporter;
  const signal = context.signal ?? new AbortController().signal;
  const gates = parseGates(resolved.gate);
  reporter.stages(stageList(resolved));
  let checkpoint: Checkpoint | undefined;
  let work: WorkFolder | undefined;
  let resumable = false;
  try {
    const opened = await runStage(
      reporter,
      'open',
      () => openCheckpoint(resolved.checkpoint),
      ({ name, tensors }) => `${name}, ${plural(tensors.size, 'tensor')}`,
    );
    checkpoint = opened;
    const path = outputPath(options.output, opened.name, context.cwd ?? process.cwd());
    const place = await chooseOutput(path, opened.path, resolved.force);
    const built = await runStage(
      reporter,
      'build',
      async () => build(opened, resolved),
      ({ architecture, image }) => (image === undefined ? architecture : `${architecture}, ${image.summary}`),
    );
    signal.throwIfAborted();
    const prepared = await runStage(
      reporter,
      'passes',
      () => prepare(opened, built, resolved, context.onBroken),
      ({ plan }) => `${plural(plan.files.length, 'file')}, ${formatBytes(plan.bytes.output)}`,
    );
    const { plan } = prepared;
    reporter.warn(plan.warnings);
    const refusal = strictRefusal(plan, resolved);
    if (refusal !== undefined) throw refusal;
    checkMemory(plan.memory.parity);
    const standing = resolved.resume ? await bytesStanding(place) : 0;
    await checkRoom(place.path, plan.bytes.output + plan.bytes.scratch - standing);
    const files = inputFiles(opened);
    const digests = resolved.verifyInputs
      ? await runStage(reporter, 'inputs', () => digestInputs(files, signal))
      : undefined;
    signal.throwIfAborted();
    // What an earlier run left stays until it is known to be of no use.
    resumable = resolved.resume;
    work = await openWorkFolder(place);
    return await produce(prepared, place, work, {
      resolved,
      reporter,
      signal,
      gates,
      inputs: journalInputs(files, digests),
      onResumable: (possible) => {
        resumable = possible;
      },
    });
  } catch (error) {
    // Weights that are refused are refused again.
    if (error instanceof VlmError && error.code === 'VC3901') resumable = false;
    const failure = signal.aborted ? fail('VC5190', { cause: error }) : error;
    throw resumable && work !== undefined ? withResumeHint(failure) : failure;
  } finally {
    await checkpoint?.close();
    await work?.leave(resumable ? 'keep' : 'remove');
  }
}

/** The error, saying what can be done besides. */
function withResumeHint(error: unknown): unknown {
  if (!(error instanceof VlmError) || error.code === 'VC5108') return error;
  const { code, record, cause } = error;
  const resume = 'the same command with --resume goes on from what is finished';
  return fail(code, {
    ...record,
    hint: record.hint === undefined ? resume : `${record.hint}; ${resume}`,
    cause,
  });
}

interface Production {
  readonly resolved: ResolvedOptions;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly gates: ReturnType<typeof parseGates>;
  readonly inputs: readonly JournalInput[];
  readonly onResumable: (possible: boolean) => void;
}

/** Writes, checks and seals. */
async function produce(
  prepared: Prepared,
  place: OutputPlace,
  work: WorkFolder,
  { resolved, reporter, signal, gates, inputs, onResumable }: Production,
): Promise<ConvertResult> {
  const { plan, sideFiles } = prepared;
  const write: WriteLimits = {
    memoryBytes: resolved.memory,
    jobs: resolved.jobs,
    nonFinite: resolved.allowNonfinite ? 'keep' : 'refuse',
  };
  const models = await runStage(
    reporter,
    'write',
    (progress) =>
      writeOutput(prepared, {
        work,
        resume: resolved.resume,
        inputs,
        write,
        signal,
        reporter,
        onProgress: (done, total) => progress({ done, total, unit: 'bytes' }),
        onResumable,
      }),
    (written) => formatBytes(written.reduce((sum, file) => sum + file.bytes, 0)),
  );
  const writing = peakRss();
  const parity = resolved.parity
    ? await check(prepared, {
        outputGraphs: join(work.output, 'onnx'),
        scratch: work.scratch,
        gates,
        write,
        signal,
        reporter,
      })
    : undefined;
  const files = await runStage(reporter, 'seal', async () => {
    const small = new Map<string, Uint8Array>();
    for (const file of sideFiles) small.set(file.path, await file.content());
    if (parity !== undefined) {
      // How long it took stays out of the files: the same inputs give the same bytes.
      small.set('parity-report.json', encode(renderJson({ ...parity, timing: {} })));
      small.set('parity-report.md', encode(renderMarkdown({ ...parity, timing: {} })));
    }
    const listed: ManifestFile[] = [...models];
    for (const [path, bytes] of small) {
      await writeFileSynced(join(work.output, path), bytes);
      listed.push({ path, bytes: bytes.byteLength, sha256: sha256(bytes) });
    }
    listed.sort((a, b) => (a.path < b.path ? -1 : 1));
    const manifest = manifestOf(plan, inputs, parity, listed);
    await writeFileSynced(join(work.output, manifestName), encode(`${JSON.stringify(manifest, null, 2)}\n`));
    signal.throwIfAborted();
    await work.seal();
    return listed;
  });
  const failure = parity === undefined ? undefined : parityFailure(parity);
  return {
    output: place.path,
    passed: failure === undefined,
    ...(failure === undefined ? {} : { failure: failure.record }),
    plan,
    files,
    ...(parity === undefined ? {} : { parity }),
    peakRss: { write: writing, total: peakRss() },
  };
}

function manifestOf(
  plan: Plan,
  inputs: readonly JournalInput[],
  parity: ParityReport | undefined,
  files: readonly ManifestFile[],
): Manifest {
  const digests = inputs.flatMap(({ name, sha256: digest }) =>
    digest === undefined ? [] : [[name, digest]],
  );
  return {
    tool: 'vlm-convert',
    schema: 1,
    version: plan.version,
    architecture: plan.architecture,
    options: plan.options,
    inputs: {
      checkpoint: plan.checkpoint.name,
      structureSha256: plan.checkpoint.structureSha256,
      ...(digests.length === 0 ? {} : { sha256: Object.fromEntries(digests) }),
    },
    passes: Object.fromEntries(plan.components.map(({ id, passes }) => [id, passes])),
    parity: parity === undefined ? 'not run' : parity.passed ? 'passed' : 'failed',
    files,
  };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
