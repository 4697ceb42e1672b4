/** Every recorded PEFT adapter on its base: the merged weights that PEFT gives, and what must be refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VlmError } from '../../../../src/report/diagnostics.ts';
import { cast } from '../../../../src/tensor/derived/cast.ts';
import { readAll } from '../../../../src/tensor/tensor.ts';
import { peftCases, refusedPeftCases, withAdapted } from '../../../support/peft-cases.ts';
import { readIo } from '../../../support/read-io.ts';

describe.each(peftCases)('$name', (golden) => {
  it('gives the weights that PEFT merges', async () => {
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const recorded = [...io.tensors.keys()].filter((name) => name.startsWith('out.merged.'));
    expect(recorded.length).toBeGreaterThan(0);
    await withAdapted(golden, async ({ tensors }) => {
      const errors: Record<string, number> = {};
      for (const name of recorded) {
        const own = tensors.get(name.slice('out.merged.'.length))?.tensor;
        if (own === undefined) throw new Error(`${name} is not in the checkpoint`);
        const { buffer } = (await readAll(cast(own, 'float32'))).slice();
        errors[name] = relativeError(new Float32Array(buffer), io.float32(name));
      }
      expect(Object.entries(errors).filter(([, error]) => !(error <= 1e-6))).toEqual([]);
    });
  });

  it('accounts for every tensor of the adapter, with its rank and scale', async () => {
    await withAdapted(golden, async ({ tensors }, applied) => {
      expect(applied.tensors).toBe(golden.peft.adapter_keys);
      const low = applied.changes.filter(({ kind }) => kind === 'low-rank' || kind === 'dora');
      expect(low.length).toBe(golden.peft.touched?.length);
      for (const { name, scale, rank } of low) {
        expect(tensors.has(name)).toBe(true);
        const wanted = golden.peft.touched?.filter(({ module }) => core(name) === core(`${module}.weight`));
        expect(wanted?.map(({ r, scale: own }) => [r, own])).toEqual([[rank, scale]]);
      }
    });
  });
});

const codes: Readonly<Record<string, string>> = {
  'peft/bad-no-match': 'VC1306',
  'peft/bad-partial-match': 'VC1307',
  'peft/bad-pissa': 'VC1304',
  'peft/bad-shape': 'VC1308',
};

describe.each(refusedPeftCases.filter(({ name }) => name in codes))('$name', (golden) => {
  it('is refused before anything is read', async () => {
    const error = await withAdapted(golden, async () => undefined).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(VlmError);
    expect((error as VlmError).code).toBe(codes[golden.name]);
  });
});

/** ‖found - expected‖ / ‖expected‖ */
function relativeError(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) throw new Error(`${found.length} for ${expected.length} elements`);
  let error = 0;
  let square = 0;
  for (const [index, value] of expected.entries()) {
    error += ((found[index] ?? Number.NaN) - value) ** 2;
    square += value ** 2;
  }
  return Math.sqrt(error / square);
}

/** Names of layouts differ in what they wrap modules with. */
function core(name: string): string {
  return name.replace(/\b(model|language_model|vision_model)\./g, '');
}

it('reads the cases at all', () => {
  expect(peftCases.length).toBeGreaterThanOrEqual(5);
  expect(readFileSync(join(peftCases[0]?.adapter ?? '', 'adapter_config.json'), 'utf8')).toContain('LORA');
});
