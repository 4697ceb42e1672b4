/**
 * The written fp32 graphs of every recorded case, run by onnxruntime: features, prefill, every decode step
 * within 1e-4 of the recorded output's standard deviation at the worst element, and every parity gate.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { caseInputs } from '../support/case-inputs.ts';
import { beyond, goldenDeviations } from '../support/golden-deviations.ts';
import { readIo } from '../support/read-io.ts';
import { failedGates, loraModes, registeredCases, withConverted } from './convert-case.ts';

const limit = 1e-4;

describe.each(registeredCases)('$name', (golden) => {
  it.each(loraModes(golden))('in fp32, adapters in form %s', async (lora) => {
    await withConverted(golden, { lora }, async ({ result, recipe, files }) => {
      expect(failedGates(result)).toEqual([]);
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const deviations = await goldenDeviations({
        recipe,
        files,
        inputs: caseInputs(golden, io, recipe.splice),
        io,
      });
      expect(beyond(limit, deviations)).toEqual([]);
    });
  });
});
