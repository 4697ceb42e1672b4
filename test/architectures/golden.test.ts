/**
 * The reference graphs of every registered family against what the original implementations computed: image
 * features, prefill, every decode step, within 1e-4 of the output's standard deviation at the worst element.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { architectures } from '../../src/architectures/registry.ts';
import { caseInputs, recordedPicture } from '../support/case-inputs.ts';
import { caseOptions, goldenCases } from '../support/golden-cases.ts';
import { beyond, goldenDeviations } from '../support/golden-deviations.ts';
import { openCase } from '../support/open-case.ts';
import { readIo } from '../support/read-io.ts';
import { writeComponents } from '../support/write-models.ts';

const cases = goldenCases(architectures.map((architecture) => architecture.id));
const limit = 1e-4;

/** Recorded as the bases of adapters: peft.test.ts. */
const textOnly: ReadonlySet<string> = new Set(['llama', 'gpt2']);

it('has cases of every registered family', () => {
  const families = new Set(cases.map((golden) => golden.family));
  const ids = architectures.map((architecture) => architecture.id).filter((id) => !textOnly.has(id));
  expect([...families].sort()).toEqual(ids.sort());
});

describe.each(cases)('$name', (golden) => {
  it('computes what the original computed', async () => {
    const { source, architecture } = await openCase(golden);
    const folder = await mkdtemp(join(tmpdir(), 'vlm-golden-'));
    try {
      expect(architecture.id).toBe(golden.family);
      const built = architecture.build(source, caseOptions(golden));
      expect(built.warnings).toEqual([]);
      // A key's bias is read and cancels in the softmax: recorded as unused, too.
      const unused = golden.json.unused?.filter((name) => !isReadKeyBias(name, built.unusedTensors)) ?? [];
      expect([...built.unusedTensors].sort()).toEqual([...unused].sort());

      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const inputs = caseInputs(golden, io, built.recipe.splice);
      const picture = recordedPicture(golden, inputs);
      if (picture !== undefined) {
        expect({ ...built.image?.input, tokens: built.image?.tokens }).toEqual(picture);
      }
      const files = await writeComponents(folder, built.components);
      const deviations = await goldenDeviations({ recipe: built.recipe, files, inputs, io });
      expect(beyond(limit, deviations)).toEqual([]);
    } finally {
      await source.close();
      await rm(folder, { recursive: true });
    }
  });
});

function isReadKeyBias(name: string, unused: readonly string[]): boolean {
  return name.endsWith('.k_proj.bias') && !unused.includes(name);
}
