import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { quantize } from '../../src/pipeline/quantize.ts';
import { recordedRuns, runOn } from '../formats/onnx/recorded-runs.ts';
import { onnxCases } from '../graph/onnx-cases.ts';

const dev = (a: ArrayLike<unknown>, b: ArrayLike<unknown>): number => {
  const n = b.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += Number(b[i]) / n;
  let v = 0,
    w = 0,
    r = 0;
  for (let i = 0; i < n; i++) {
    v += (Number(b[i]) - mean) ** 2 / n;
    const d = Number(a[i]) - Number(b[i]);
    if (Number.isNaN(d)) continue;
    w = Math.max(w, Math.abs(d));
    r += (d * d) / n;
  }
  return Math.sqrt(r / (v || 1));
};
it('sweep', async () => {
  const root = await mkdtemp(join(tmpdir(), 'h4-'));
  for (const { name, folder, models } of onnxCases().filter((c) =>
    new RegExp(process.env.ONLY ?? '.').test(c.name),
  ))
    for (const file of models) {
      const runs = await recordedRuns(folder, file);
      for (const how of [
        { precision: 'int4' },
        { precision: 'int8' },
        { precision: 'fp16' },
        { passes: 'fold-constants,int8-channel,dead-code' },
      ] as const) {
        const label = `${name}/${file} ${Object.values(how)}`;
        const output = join(root, 'out');
        try {
          const made = await quantize({
            model: join(folder, file),
            output,
            force: true,
            ...how,
            blockSize: 16,
          });
          const rec = made.plan.components[0]?.records.map((r) => JSON.stringify(r.stats)).join(' ');
          const warn = made.plan.warnings.map((x) => x.code).join();
          if (runs.length === 0) {
            console.log(label, warn, 'not recorded');
            continue;
          }
          for (const run of runs) {
            const base = await runOn(join(folder, file), run);
            const got = await runOn(join(output, file), run);
            console.log(
              label,
              warn,
              [...got]
                .map(([n, o]) => `${n} ${dev(o.data, base.get(n)?.data ?? []).toExponential(1)}`)
                .slice(0, 3)
                .join(' '),
              rec,
            );
          }
        } catch (e) {
          console.log(label, 'ERR', String((e as Error).message).slice(0, 400));
        }
      }
    }
  await rm(root, { recursive: true });
}, 1e6);
