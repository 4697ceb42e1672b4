/** `vlm-convert quantize`: an ONNX model to one of lower precision. */
import { resolve } from 'node:path';
import type { QuantizeOptions } from '../../index.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Io } from '../io.ts';
import type { Request } from '../program.ts';
import { renderQuantized } from '../render/result.ts';
import { flagName, runJob, splitOptions } from '../run-job.ts';
import { parseOptionValues } from '../schema.ts';

type QuantizeRequest = Extract<Request, { command: 'quantize' }>;

export async function runQuantize(request: QuantizeRequest, io: Io): Promise<number> {
  const { model, output, raw } = request;
  if (model === undefined) throw fail('VC4010');
  const { run, work } = splitOptions(parseOptionValues(raw, flagName));
  for (const key of ['precision', 'passes']) {
    if (typeof work[key] !== 'object') continue;
    const expected = 'one for the whole graph, which has no components';
    throw fail('VC4002', { where: flagName(key), found: String(raw[key]), expected });
  }
  const options: QuantizeOptions = {
    ...work,
    model: resolve(io.cwd, model),
    ...(output === undefined ? {} : { output: resolve(io.cwd, output) }),
  };
  const { planQuantization, quantize } = await import('../../index.ts');
  return runJob(
    {
      plan: () => planQuantization(options, { cwd: io.cwd }),
      work: (context) => quantize(options, context),
      render: renderQuantized,
    },
    run,
    io,
  );
}
