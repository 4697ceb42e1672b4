/** Which options a resumed run may have others of: those of the check, all of them. */
import { expect, it } from 'vitest';
import { type ConvertOptions, checkOptionKeys, resolveOptions } from '../../src/pipeline/options.ts';
import { optionsJson, type Plan } from '../../src/pipeline/plan.ts';
import { planFile } from '../../src/pipeline/resume.ts';

const base: ConvertOptions = { checkpoint: 'a', precision: 'int4' };

function written(options: ConvertOptions): unknown {
  const plan = {
    version: '1',
    checkpoint: { name: 'a', structureSha256: '0' },
    options: optionsJson(resolveOptions(options)),
  } as unknown as Plan;
  return planFile(plan, { root: '', files: [], tensors: [], derivations: [], units: [] } as never).options;
}

it('does not tell runs apart by what is checked', () => {
  const others: Required<Pick<ConvertOptions, (typeof checkOptionKeys)[number]>> = {
    parity: 'streamed',
    device: 'auto',
    gate: { 'logits.kl': 1 },
    inputs: 'io.safetensors',
    samples: 'pictures',
    seed: 2,
    sweepResolutions: [{ width: 448, height: 448 }],
    baseline: 'parity-report.json',
  };
  expect(Object.keys(others).sort()).toEqual([...checkOptionKeys].sort());
  expect(written({ ...base, ...others, strict: true })).toEqual(written(base));
  expect(written({ ...base, symmetric: true })).not.toEqual(written(base));
});
