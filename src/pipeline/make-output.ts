/**
 * From a plan to a sealed output folder: what converting a checkpoint and quantizing a model have in common.
 * Everything written stands under another name until it is whole; what was finished before a failure stays in the
 * work folder, for `resume`.
 */
import { join } from 'node:path';
import { fail, VlmError } from '../report/diagnostics.ts';
import { formatBytes } from '../report/format.ts';
import { type Reporter, runStage } from '../report/progress.ts';
import type { ByteSource } from '../tensor/byte-source.ts';
import type { NonFinite } from '../tensor/tensor.ts';
import { checkMemory } from './check-memory.ts';
import { sha256 } from './digest.ts';
import type { JournalInput } from './engine/journal.ts';
import { digestInputs, journalInputs } from './inputs.ts';
import type { LinkedFile } from './links.ts';
import { type Manifest, type ManifestFile, manifestName } from './manifest.ts';
import type { ResolvedOptions } from './options.ts';
import { checkRoom, type OutputPlace, writeFileSynced } from './output-folder.ts';
import { peakRss } from './peak-rss.ts';
import { type Plan, strictRefusal } from './plan.ts';
import { bytesStanding, openWorkFolder, type WorkFolder } from './work-folder.ts';
import type { ModelToWrite, WriteLimits } from './write-models.ts';
import { writeOutput } from './write-output.ts';

/** Titles of the stages that `makeOutput` runs. */
export const outputStages = {
  inputs: 'Hash the weight files',
  write: 'Write the output',
  seal: 'Finish the output folder',
} as const;

export interface OutputJob {
  readonly plan: Plan;
  readonly place: OutputPlace;
  readonly models: readonly ModelToWrite[];
  readonly links: readonly LinkedFile[];
  /** The files that weights come from. */
  readonly inputs: readonly ByteSource[];
  readonly options: Pick<ResolvedOptions, 'strict' | 'resume' | 'verifyInputs' | 'memory' | 'jobs'>;
  readonly nonFinite: NonFinite;
  /** Checks the graphs that were written, and gives what stands beside them. */
  readonly finish: (work: WorkFolder, write: WriteLimits) => Promise<Beside>;
}

export interface Beside {
  readonly parity: Manifest['parity'];
  /** By path in the output. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface MadeOutput {
  /** Every file of the output but the manifest. */
  readonly files: readonly ManifestFile[];
  /** The most memory that the process took, in bytes: until the weights were written, and in all. */
  readonly peakRss: { readonly write: number; readonly total: number };
}

/**
 * Throws VlmError: VC4007 for warnings under `strict`, VC5xxx for the output (VC5190 when stopped by the signal),
 * VC6005 before anything is written, VC3901 for weights. After a throw nothing is left under the output's name that
 * was not there before.
 */
export async function makeOutput(
  job: OutputJob,
  { reporter, signal }: { readonly reporter: Reporter; readonly signal: AbortSignal },
): Promise<MadeOutput> {
  const { plan, place, options } = job;
  let work: WorkFolder | undefined;
  let resumable = false;
  try {
    reporter.warn(plan.warnings);
    const refusal = strictRefusal(plan, options.strict);
    if (refusal !== undefined) throw refusal;
    checkMemory(plan.memory.parity);
    const standing = options.resume ? await bytesStanding(place) : 0;
    await checkRoom(place.path, plan.bytes.output + plan.bytes.scratch - standing);
    const digests = options.verifyInputs
      ? await runStage(reporter, 'inputs', () => digestInputs(job.inputs, signal))
      : undefined;
    signal.throwIfAborted();
    // What an earlier run left stays until it is known to be of no use.
    resumable = options.resume;
    work = await openWorkFolder(place);
    const onResumable = (possible: boolean): void => {
      resumable = possible;
    };
    const inputs = journalInputs(job.inputs, digests);
    return await produce(job, work, inputs, { reporter, signal, onResumable });
  } catch (error) {
    // Weights that are refused are refused again.
    if (error instanceof VlmError && error.code === 'VC3901') resumable = false;
    const failure = orInterrupted(error, signal);
    throw resumable && work !== undefined ? withResumeHint(failure) : failure;
  } finally {
    await work?.leave(resumable ? 'keep' : 'remove');
  }
}

/** VC5190 where the work was stopped by the signal, else the error itself. */
export function orInterrupted(error: unknown, signal: AbortSignal): unknown {
  const known = error instanceof VlmError && error.code === 'VC5190';
  return signal.aborted && !known ? fail('VC5190', { cause: error }) : error;
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

/** Writes, checks and seals. */
async function produce(
  { plan, models, links, options, nonFinite, finish }: OutputJob,
  work: WorkFolder,
  inputs: readonly JournalInput[],
  {
    reporter,
    signal,
    onResumable,
  }: {
    readonly reporter: Reporter;
    readonly signal: AbortSignal;
    readonly onResumable: (possible: boolean) => void;
  },
): Promise<MadeOutput> {
  const write: WriteLimits = { memoryBytes: options.memory, jobs: options.jobs, nonFinite };
  const graphs = await runStage(
    reporter,
    'write',
    (progress) =>
      writeOutput(plan, models, {
        work,
        links,
        resume: options.resume,
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
  const beside = await finish(work, write);
  const files = await runStage(reporter, 'seal', async () => {
    const listed: ManifestFile[] = [...graphs];
    for (const [path, bytes] of beside.files) {
      await writeFileSynced(join(work.output, path), bytes);
      listed.push({ path, bytes: bytes.byteLength, sha256: sha256(bytes) });
    }
    listed.sort((a, b) => (a.path < b.path ? -1 : 1));
    const manifest = manifestOf(plan, inputs, beside.parity, listed);
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    await writeFileSynced(join(work.output, manifestName), new TextEncoder().encode(text));
    signal.throwIfAborted();
    await work.seal();
    return listed;
  });
  return { files, peakRss: { write: writing, total: peakRss() } };
}

function manifestOf(
  plan: Plan,
  inputs: readonly JournalInput[],
  parity: Manifest['parity'],
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
    ...(plan.adapters === undefined ? {} : { adapters: plan.adapters }),
    inputs: {
      checkpoint: plan.checkpoint.name,
      structureSha256: plan.checkpoint.structureSha256,
      ...(digests.length === 0 ? {} : { sha256: Object.fromEntries(digests) }),
    },
    ...(plan.generation === undefined
      ? {}
      : {
          components: plan.components.map(({ id, kind, modality, holds }) => ({ id, kind, modality, holds })),
        }),
    passes: Object.fromEntries(plan.components.map(({ id, passes }) => [id, passes])),
    parity,
    ...(plan.generation === undefined ? {} : { generation: plan.generation }),
    files,
  };
}
