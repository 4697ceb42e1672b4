/** `vlm-convert opt`: a pipeline over an ONNX model, pass by pass. */
import type { OptimizeOptions } from '../../index.ts';
import { exitCodes } from '../../report/diagnostics.ts';
import type { Io } from '../io.ts';
import { optOptions } from '../opt-options.ts';
import { withPaths } from '../paths.ts';
import type { Request } from '../program.ts';
import { renderGraph, renderOptimized, renderStep, renderTiming } from '../render/optimized.ts';
import { renderPasses } from '../render/passes.ts';
import { flagName, runJob, splitOptions } from '../run-job.ts';
import { parseValues } from '../schema.ts';

type OptRequest = Extract<Request, { command: 'opt' }>;

export async function runOpt({ model, raw }: OptRequest, io: Io): Promise<number> {
  const { run, work } = splitOptions(parseValues(optOptions, raw, (key) => flagName(key, optOptions)));
  const { listPasses: list, timing, ...given } = withPaths(work, io.cwd, optOptions);
  const { listPasses, optimize, optimizePasses } = await import('../../index.ts');
  if (list === true) {
    const passes = listPasses();
    const all = { passes, default: optimizePasses };
    io.out(run.json === true ? `${JSON.stringify(all, null, 2)}\n` : renderPasses(passes, optimizePasses));
    return exitCodes.ok;
  }
  const options: OptimizeOptions = { ...given, ...(model === undefined ? {} : { model }) };
  const show = run.quiet !== true && run.json !== true;
  const graphs: { readonly title: string; readonly text: string }[] = [];
  return runJob(
    {
      work: async ({ signal, cwd, reporter }) => {
        const result = await optimize(options, {
          ...(signal === undefined ? {} : { signal }),
          ...(cwd === undefined ? {} : { cwd }),
          ...(reporter === undefined ? {} : { reporter }),
          ...(show ? { onPass: (step) => io.err(renderStep(step)) } : {}),
          onGraph: (title, text) => {
            if (run.json === true) graphs.push({ title, text });
            else io.out(renderGraph(title, text));
          },
          onReproducer: (folder) =>
            io.err(
              `the graph before the pass that failed: ${folder} (vlm-convert opt --reproduce ${folder})\n`,
            ),
        });
        return graphs.length === 0 ? result : { ...result, graphs };
      },
      render: (result, shown) => {
        if (timing === true) io.err(renderTiming(result));
        return renderOptimized(result, shown);
      },
    },
    run,
    io,
  );
}
