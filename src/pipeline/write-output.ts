/**
 * Writes the graphs of the output into the work folder, with a journal: what an earlier run finished is taken over
 * when asked, and what this one finishes stays for the next when it fails.
 */
import { writeFile } from 'node:fs/promises';
import { diagnostic } from '../report/diagnostics.ts';
import type { Reporter } from '../report/progress.ts';
import { Journal, type JournalInput } from './engine/journal.ts';
import { digestInputs } from './inputs.ts';
import { type LinkedFile, makeLinks } from './links.ts';
import type { ManifestFile } from './manifest.ts';
import type { Plan } from './plan.ts';
import { refuseNonFiniteInline } from './refuse-inline.ts';
import { findJournal, journalHeader, planFile } from './resume.ts';
import type { WorkFolder } from './work-folder.ts';
import { type ModelToWrite, planModels, type WriteLimits, writeModels } from './write-models.ts';

export interface WriteOutputOptions {
  readonly work: WorkFolder;
  readonly links: readonly LinkedFile[];
  readonly resume: boolean;
  /** The files that weights come from. */
  readonly inputs: readonly JournalInput[];
  readonly write: WriteLimits;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  readonly onProgress: (done: number, total: number) => void;
  /** Called when it is known whether a later run can resume what is there. */
  readonly onResumable: (possible: boolean) => void;
}

/** Throws what `writeModels` throws, VC5108 when an earlier run does not fit, VC3901 for small tensors. */
export async function writeOutput(
  plan: Plan,
  models: readonly ModelToWrite[],
  options: WriteOutputOptions,
): Promise<readonly ManifestFile[]> {
  const { work, reporter, signal, onResumable } = options;
  if (options.write.nonFinite === 'refuse') await refuseNonFiniteInline(models);
  const planned = await planModels(models);
  const file = planFile(plan, planned.plan);
  const text = `${JSON.stringify(file)}\n`;
  const header = journalHeader(plan.version, text, options.inputs);
  const found = options.resume ? await findJournal(work, file, header) : undefined;
  let journal: Journal;
  if (found === undefined) {
    if (options.resume) reporter.warn([diagnostic('VC5109')]);
    onResumable(false);
    await work.clear();
    await writeFile(work.plan, text);
    journal = Journal.begin(work.journal, header);
  } else {
    await work.retain(new Set(planned.plan.files.map(({ path }) => path)));
    journal = Journal.goOn(work.journal, found);
  }
  try {
    reporter.warn(await makeLinks(work.output, options.links));
    const written = await writeModels(models, planned, {
      ...options.write,
      root: work.output,
      constantsPath: work.constants,
      durable: true,
      signal,
      onProgress: options.onProgress,
      earlier: found?.finished,
      onFinished: (unit, checksums) => {
        journal.finished(unit, checksums);
        onResumable(true);
      },
    });
    return [...written, ...(await describeLinks(options))];
  } finally {
    journal.close();
  }
}

async function describeLinks({
  links,
  inputs,
  signal,
}: WriteOutputOptions): Promise<readonly ManifestFile[]> {
  const known = new Map(inputs.map(({ name, sha256 }) => [name, sha256]));
  const unknown = links
    .filter(({ source }) => known.get(source.name) === undefined)
    .map(({ source }) => source);
  const digests = await digestInputs(unknown, signal);
  for (const [index, { name }] of unknown.entries()) known.set(name, digests[index]);
  return links.map(({ path, source }) => ({
    path,
    bytes: source.size,
    sha256: known.get(source.name) ?? '',
    link: true,
  }));
}
