/** `vlm-convert bisect`: where a conversion goes wrong. */
import { extname, resolve } from 'node:path';
import type { BisectOptions } from '../../index.ts';
import { fail } from '../../report/diagnostics.ts';
import { bisectOptions } from '../bisect-options.ts';
import type { Io } from '../io.ts';
import { withPaths } from '../paths.ts';
import type { Request } from '../program.ts';
import { renderBisection } from '../render/bisection.ts';
import { flagName, runJob, splitOptions } from '../run-job.ts';
import { parseValues } from '../schema.ts';

type BisectRequest = Extract<Request, { command: 'bisect' }>;

export async function runBisect({ source, raw }: BisectRequest, io: Io): Promise<number> {
  if (source === undefined) throw fail('VC4014');
  if (extname(source).toLowerCase() === '.onnx') {
    const hint = 'a conversion of the model names the pass at fault itself: vlm-convert <model.onnx>';
    throw fail('VC4014', { where: source, found: 'an ONNX model', hint });
  }
  const { run, work } = splitOptions(parseValues(bisectOptions, raw, (key) => flagName(key, bisectOptions)));
  const options = {
    ...withPaths(
      work,
      io.cwd,
      bisectOptions.filter(({ key }) => key !== 'component'),
    ),
    source: resolve(io.cwd, source),
  } as BisectOptions;
  const { bisect } = await import('../../index.ts');
  return runJob({ work: (context) => bisect(options, context), render: renderBisection }, run, io);
}
