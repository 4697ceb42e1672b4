/**
 * What the check runs on and what it is held to besides its gates, read before anything is written: a conversion that
 * takes minutes should not end with a file that cannot be used.
 */
import { readFile } from 'node:fs/promises';
import {
  type Baseline,
  checkBaseline,
  defaultDecodeSteps,
  drawSample,
  parseBaseline,
  type Sample,
  summariseSample,
} from '../parity/index.ts';
import { fail } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import { subjectOf } from './check.ts';
import type { ResolvedOptions } from './options.ts';
import type { Prepared } from './plan.ts';

export interface CheckInputs {
  readonly sample: Sample;
  readonly baseline: Baseline | undefined;
}

/** Throws VC6103 when there is nothing to draw, VC6106 when the baseline is none of this conversion. */
export async function readCheckInputs(prepared: Prepared, options: ResolvedOptions): Promise<CheckInputs> {
  const { recipe, image } = prepared.built;
  const sample = drawSample(recipe, image, defaultSeed);
  const baseline = options.baseline === undefined ? undefined : await readBaseline(options.baseline);
  if (baseline !== undefined) {
    checkBaseline(baseline, subjectOf(prepared), summariseSample(sample, image, defaultDecodeSteps));
  }
  return { sample, baseline };
}

/** Of what is drawn. */
const defaultSeed = 1;

async function readBaseline(path: string): Promise<Baseline> {
  try {
    return parseBaseline(path, await readFile(path));
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw fail('VC6106', { where: path, found: systemReason(cause), cause });
  }
}
