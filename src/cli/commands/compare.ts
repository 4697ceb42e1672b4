/** `vlm-convert compare`: two models, or two folders of models, against each other. */
import { resolve } from 'node:path';
import type { CompareOptions } from '../../index.ts';
import { fail } from '../../report/diagnostics.ts';
import { compareOptions } from '../check-options.ts';
import type { Io } from '../io.ts';
import type { Request } from '../program.ts';
import { renderComparison } from '../render/comparison.ts';
import { flagName, runJob, splitOptions } from '../run-job.ts';
import { parseValues } from '../schema.ts';
import { checkWholeSizes } from '../whole-sizes.ts';

type CompareRequest = Extract<Request, { command: 'compare' }>;

export async function runCompare({ first, second, raw }: CompareRequest, io: Io): Promise<number> {
  if (first === undefined || second === undefined) throw fail('VC4013');
  const where = (key: string): string => flagName(key, compareOptions);
  const { run, work } = splitOptions(parseValues(compareOptions, raw, where));
  const options: CompareOptions = {
    ...work,
    first: resolve(io.cwd, first),
    second: resolve(io.cwd, second),
  };
  checkWholeSizes(options.dim);
  const { compare } = await import('../../index.ts');
  return runJob({ work: (context) => compare(options, context), render: renderComparison }, run, io);
}
