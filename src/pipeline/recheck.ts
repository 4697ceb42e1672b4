/**
 * The check of an output that was made earlier, from its folder and the checkpoint: the graphs are rebuilt with the
 * options that the manifest holds, and run beside the files as they stand. Nothing is taken on trust: the checkpoint
 * has to be the one that the output was made from, every file the one that was written, and the graphs those that
 * this version makes of them.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { encodeModel } from '../formats/onnx/encode.ts';
import {
  gatesOfComponents,
  type ParityReport,
  parityFailure,
  parseGates,
  reportFiles,
} from '../parity/index.ts';
import { type DiagnosticRecord, fail } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { runStage } from '../report/progress.ts';
import { systemReason } from '../report/show.ts';
import { silentReporter } from '../report/sinks.ts';
import { check } from './check.ts';
import { checkDevice } from './check-device.ts';
import { readCheckInputs } from './check-inputs.ts';
import { checkMemory } from './check-memory.ts';
import type { ConvertContext } from './convert.ts';
import { sha256, structureSha256 } from './digest.ts';
import { digestInputs, inputFiles } from './inputs.ts';
import { type Links, linkName } from './links.ts';
import { orInterrupted } from './make-output.ts';
import { type Manifest, type ManifestFile, manifestName, readManifest } from './manifest.ts';
import { withMeasures } from './measure-adapters.ts';
import { openSource } from './open-source.ts';
import { type CheckOptionKey, type ConvertOptions, resolveOptions, type SourceOptionKey } from './options.ts';
import { checkRoom } from './output-folder.ts';
import { build, type Prepared, prepare } from './plan.ts';
import { storedOptions } from './stored-options.ts';
import { compileSizes } from './sweep.ts';
import { verifyFiles } from './verify-output.ts';
import { toolVersion } from './version.ts';

export interface RecheckOptions
  extends Pick<ConvertOptions, CheckOptionKey | SourceOptionKey | 'memory' | 'jobs'> {
  /** Folder of an earlier output. */
  readonly output: string;
  /** Folder of the checkpoint that it was made from. */
  readonly checkpoint: string;
  /** Folder for the report; default: the output, whose manifest then lists it. */
  readonly report?: string | undefined;
}

export interface RecheckResult {
  /** Where the report stands; absolute. */
  readonly output: string;
  /** False when a parity gate failed; `failure` says which. */
  readonly passed: boolean;
  readonly failure?: DiagnosticRecord;
  readonly parity: ParityReport;
}

const stages = {
  open: 'Open the output and the checkpoint',
  verify: 'Compare the files with the manifest',
  build: 'Rebuild the graphs',
  check: 'Check against the original',
  sweep: 'Measure activations at other sizes',
  seal: 'Write the report',
} as const;

/** The report's files, whatever their form. */
const isReport = ({ path }: ManifestFile): boolean => /^parity-report\.[a-z.]+$/.test(path);

/**
 * Checks an output again and writes a fresh report. Throws VlmError: VC4011 when the folder is no output of a
 * conversion, VC1132 and VC1133 when the checkpoint is another one, VC5111 when a file is not what was written, VC5112
 * when this version makes other graphs; VC1xxx for the checkpoint, VC51xx for the report, VC6xxx when the check cannot
 * run, VC5190 when stopped by the signal.
 */
export async function recheck(options: RecheckOptions, context: ConvertContext = {}): Promise<RecheckResult> {
  const reporter = context.reporter ?? silentReporter;
  const signal = context.signal ?? new AbortController().signal;
  const cwd = context.cwd ?? process.cwd();
  const output = resolve(cwd, options.output);
  const manifest = await openManifest(output);
  const { output: _, checkpoint: folder, report, ...own } = options;
  const resolved = resolveOptions({
    ...storedOptions(manifest.options),
    ...own,
    parity: own.parity === false ? 'auto' : own.parity,
    checkpoint: resolve(cwd, folder),
  });
  const given = parseGates(resolved.gate);
  const device = await checkDevice(resolved.device, reporter);
  const listed = Object.entries(stages).filter(
    ([id]) => resolved.sweepResolutions !== undefined || id !== 'sweep',
  );
  reporter.stages(listed.map(([id, title]) => ({ id, title })));
  const checkpoint = await runStage(reporter, 'open', () => openSource(resolved));
  let scratch: string | undefined;
  try {
    checkStructure(manifest, structureSha256(checkpoint), checkpoint.path);
    await runStage(
      reporter,
      'verify',
      async () => {
        await verifyFiles(
          output,
          manifest.files.filter((file) => !isReport(file)),
          signal,
        );
        await checkWeights(manifest, inputFiles(checkpoint), signal);
      },
      () => plural(manifest.files.length, 'file'),
    );
    const prepared = await runStage(reporter, 'build', async () => {
      const built = build(checkpoint, resolved);
      const links = storedLinks(manifest, inputFiles(checkpoint));
      const made = await prepare(checkpoint, built, resolved, context.onBroken, links);
      await checkGraphs(made, manifest);
      return withMeasures(made, checkpoint.adapters, resolved, signal);
    });
    const gates = gatesOfComponents(given, prepared.built.components);
    reporter.warn(prepared.plan.warnings);
    const sizes = await compileSizes(checkpoint, resolved);
    const inputs = await readCheckInputs(prepared, checkpoint, resolved, reporter);
    checkMemory(prepared.plan.memory.parity);
    const target = report === undefined ? output : resolve(cwd, report);
    scratch = await makeScratch(target, prepared.plan.bytes.scratch);
    const write = {
      memoryBytes: resolved.memory,
      jobs: resolved.jobs,
      nonFinite: resolved.allowNonfinite ? ('keep' as const) : ('refuse' as const),
    };
    const outputGraphs = join(output, 'onnx');
    const parity = await check(prepared, {
      outputGraphs,
      scratch,
      device,
      gates,
      inputs,
      ...(sizes.length === 0 ? {} : { sweep: { sizes, checkpoint, resolved } }),
      write,
      signal,
      reporter,
    });
    await runStage(reporter, 'seal', () =>
      writeReport(target, parity, report === undefined ? manifest : undefined),
    );
    const failure = parityFailure(parity);
    return {
      output: target,
      passed: failure === undefined,
      ...(failure === undefined ? {} : { failure: failure.record }),
      parity,
    };
  } catch (error) {
    throw orInterrupted(error, signal);
  } finally {
    await checkpoint.close();
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

/** Throws VC4011 where the folder is no output of a conversion. */
export async function openManifest(output: string): Promise<Manifest> {
  const manifest = await readManifest(output).catch((cause: unknown) => {
    throw fail('VC4011', { where: output, found: systemReason(cause), cause });
  });
  const { inputs, files } = manifest as Partial<Manifest>;
  const listed = files?.every(({ bytes, sha256: digest }) => Number.isSafeInteger(bytes) && isText(digest));
  if (!isText(inputs?.structureSha256) || listed !== true) {
    throw fail('VC4011', { where: output, found: `a ${manifestName} that is not whole` });
  }
  if (manifest.architecture === 'onnx') {
    const hint =
      'vlm-convert compare <the model it was made from> <the new one>; converting it again proves it again';
    throw fail('VC4011', { where: output, found: 'what was made of an ONNX model', hint });
  }
  return manifest;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

/** Throws VC1132 where a checkpoint is not the one that an output was made from. */
export function checkStructure({ inputs }: Manifest, found: string, where: string): void {
  if (inputs.structureSha256 === found) return;
  throw fail('VC1132', {
    where,
    found: `config and headers of digest ${found.slice(0, 16)}…`,
    expected: `those of ${inputs.checkpoint}, ${inputs.structureSha256.slice(0, 16)}…`,
  });
}

/** Where the conversion hashed the weight files (`--verify-inputs`), they have to be the same to the byte. */
async function checkWeights(
  { inputs }: Manifest,
  files: ReturnType<typeof inputFiles>,
  signal: AbortSignal,
): Promise<void> {
  if (inputs.sha256 === undefined) return;
  const digests = await digestInputs(files, signal);
  for (const [index, { name }] of files.entries()) {
    const expected = inputs.sha256[name];
    if (digests[index] !== expected) {
      throw fail('VC1133', {
        where: name,
        found: `SHA-256 ${digests[index]}`,
        expected: expected ?? 'no such file',
      });
    }
  }
}

/** The weight files that the output has links to. */
function storedLinks({ files }: Manifest, sources: ReturnType<typeof inputFiles>): Links {
  const listed = new Set(files.map(({ path }) => path));
  const names = sources.map((source) => [source, linkName(source)] as const);
  return { names: new Map(names.filter(([, name]) => listed.has(`onnx/${name}`))), warnings: [] };
}

/** The model files that this version would write have to be those that stand there. */
async function checkGraphs(
  { components, adapted, plan }: Prepared,
  { files, version }: Manifest,
): Promise<void> {
  for (const { model, layout } of [...components, ...adapted]) {
    const path = `onnx/${layout.modelFile}`;
    const listed = files.find((file) => file.path === path);
    if (listed?.sha256 === sha256(await encodeModel(model, layout))) continue;
    throw fail('VC5112', {
      where: path,
      found: `made by vlm-convert ${version}`,
      expected: `what vlm-convert ${toolVersion()} makes of ${plan.checkpoint.name} with the same options`,
    });
  }
}

/** A folder beside the report's. Throws VC5103, and VC5104 where the disk has less than `bytes`. */
async function makeScratch(target: string, bytes: number): Promise<string> {
  const parent = dirname(target);
  try {
    await mkdir(parent, { recursive: true });
    await checkRoom(target, bytes);
    return await mkdtemp(join(parent, `.${basename(target)}.vlm-parity-`));
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw fail('VC5103', { where: target, found: systemReason(cause), cause });
  }
}

/** Puts the report into a folder; where that is an output, its manifest lists the new files. Throws VC5105. */
async function writeReport(
  folder: string,
  report: ParityReport,
  manifest: Manifest | undefined,
): Promise<void> {
  const encoder = new TextEncoder();
  const files = [...reportFiles(report)].map(([path, text]) => ({ path, content: encoder.encode(text) }));
  try {
    await mkdir(folder, { recursive: true });
    for (const { path, content } of files) await replaceFile(join(folder, path), content);
    if (manifest === undefined) return;
    const listed = files.map(({ path, content }) => ({
      path,
      bytes: content.byteLength,
      sha256: sha256(content),
    }));
    const kept = manifest.files.filter((file) => !isReport(file));
    const stale = manifest.files.filter(
      (file) => isReport(file) && !listed.some(({ path }) => path === file.path),
    );
    const next: Manifest = {
      ...manifest,
      parity: report.passed ? 'passed' : 'failed',
      files: [...kept, ...listed].sort((a, b) => (a.path < b.path ? -1 : 1)),
    };
    await replaceFile(join(folder, manifestName), encoder.encode(`${JSON.stringify(next, null, 2)}\n`));
    for (const { path } of stale) await rm(join(folder, path), { force: true });
  } catch (cause) {
    throw fail('VC5105', { where: folder, found: systemReason(cause), cause });
  }
}

/** The file is the old one or the new one at any time. */
async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const fresh = `${path}.${randomUUID()}`;
  try {
    await writeFile(fresh, content, { flag: 'wx', flush: true });
    await rename(fresh, path);
  } catch (cause) {
    await rm(fresh, { force: true });
    throw cause;
  }
}
