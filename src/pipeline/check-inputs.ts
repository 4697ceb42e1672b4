/**
 * What the check runs on and what it is held to besides its gates, read before anything is written: a conversion that
 * takes minutes should not end with a file that cannot be used.
 */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { BuiltModel } from '../architectures/architecture.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import {
  type Baseline,
  checkBaseline,
  cutSounds,
  defaultDecodeSteps,
  drawSample,
  parseBaseline,
  readSamples,
  recordedSample,
  type Sample,
  summariseSample,
} from '../parity/index.ts';
import { fail } from '../report/diagnostics.ts';
import type { Reporter } from '../report/progress.ts';
import { systemReason } from '../report/show.ts';
import { subjectOf } from './check.ts';
import type { ResolvedOptions } from './options.ts';
import type { Prepared } from './plan.ts';
import { readInputs } from './read-inputs.ts';

type CheckpointFolder = Pick<Checkpoint, 'path' | 'files' | 'partFolders'>;

export interface CheckInputs {
  readonly sample: Sample;
  readonly baseline: Baseline | undefined;
}

/**
 * Throws VC6103 when there is nothing to draw, VC6106 when the baseline is none of this conversion, VC6109 when the
 * user's inputs cannot be used.
 */
export async function readCheckInputs(
  prepared: Prepared,
  checkpoint: CheckpointFolder,
  options: Pick<ResolvedOptions, 'baseline' | 'inputs' | 'samples' | 'seed'>,
  reporter: Reporter,
): Promise<CheckInputs> {
  const { image, audio, recipe } = prepared.built;
  const sample = await readSample(prepared.built, checkpoint, options);
  reporter.warn(cutSounds(sample.media, audio));
  const baseline = options.baseline === undefined ? undefined : await readBaseline(options.baseline);
  if (baseline !== undefined) {
    const continuation = prepared.check?.mode === 'whole' ? 'picked' : 'drawn';
    const summary = summariseSample(sample, image ?? audio, defaultDecodeSteps, continuation, recipe);
    checkBaseline(baseline, subjectOf(prepared), summary);
  }
  return { sample, baseline };
}

/** Throws VC4002 for inputs and baselines that no check would look at: they would seem to have passed. */
export function refuseWithoutCheck(
  options: Pick<ResolvedOptions, 'parity' | 'baseline' | 'inputs' | 'samples' | 'sweepResolutions'>,
): void {
  if (options.parity !== false) return;
  for (const key of ['inputs', 'samples', 'baseline'] as const) {
    if (options[key] === undefined) continue;
    throw fail('VC4002', { where: `--${key}`, found: '--no-parity', expected: 'a check, which uses it' });
  }
  if (options.sweepResolutions !== undefined) {
    const expected = 'a check, which measures them';
    throw fail('VC4002', { where: '--sweep-resolutions', found: '--no-parity', expected });
  }
}

/** Throws VC6103 when there is nothing to draw, VC6109 when the user's inputs cannot be used. */
export async function readSample(
  { recipe, image, audio, sideFiles }: BuiltModel,
  checkpoint: CheckpointFolder,
  { inputs, samples, seed }: Pick<ResolvedOptions, 'inputs' | 'samples' | 'seed'>,
): Promise<Sample> {
  if (samples !== undefined) {
    if (inputs !== undefined)
      throw fail('VC6109', { where: '--inputs and --samples', expected: 'one of both' });
    // The tokenizer as the output has it: with the tokens that a family adds.
    const made = new Map(
      sideFiles.flatMap((file) => (file.kind === 'json' ? [[file.name, file.value]] : [])),
    );
    return readSamples({ folder: samples, checkpoint: { ...checkpoint, made }, recipe, image, audio, seed });
  }
  if (inputs === undefined) return drawSample(recipe, image ?? audio, seed);
  return recordedSample(await readInputs(inputs), { recipe, image, audio }, seed, basename(inputs));
}

async function readBaseline(path: string): Promise<Baseline> {
  try {
    return parseBaseline(path, await readFile(path));
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw fail('VC6106', { where: path, found: systemReason(cause), cause });
  }
}
