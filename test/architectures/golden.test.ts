/**
 * The reference graphs of every registered family against what the original implementations computed: image
 * features, prefill, every decode step, within 1e-4 of the output's standard deviation at the worst element.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../src/architectures/architecture.ts';
import { architectures } from '../../src/architectures/registry.ts';
import type { Source } from '../../src/pipeline/open-source.ts';
import { caseInputs, recordedPicture } from '../support/case-inputs.ts';
import { caseOptions, goldenCases } from '../support/golden-cases.ts';
import { beyond, goldenDeviations } from '../support/golden-deviations.ts';
import { openCase } from '../support/open-case.ts';
import { type Recorded, readIo } from '../support/read-io.ts';
import { recordedOutputs, weightsBehind } from '../support/weights-behind.ts';
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
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const unused = stillUnused(ownNames(golden.json.unused ?? [], source), built, io);
      expect([...built.unusedTensors].sort()).toEqual(unused.sort());

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

/**
 * Of what a case recorded as moving nothing, what no graph should read: not what stands behind outputs alone that the
 * case did not record, nor biases that are read and cancel, in a softmax or in a norm of their channel.
 */
function stillUnused(recorded: readonly string[], built: BuiltModel, io: Recorded): string[] {
  const counts = recordedOutputs(built.recipe, io);
  const behind = weightsBehind(built.components, counts);
  const elsewhere = weightsBehind(built.components, (component, output) => !counts(component, output));
  return recorded.filter((name) => (behind.has(name) ? !name.endsWith('.bias') : !elsewhere.has(name)));
}

/** Names that a case of several parts recorded with their file (`llm/model.safetensors:norm.weight`), as they were joined. */
function ownNames(recorded: readonly string[], { tensors }: Source): readonly string[] {
  const names = new Map(
    [...tensors].flatMap(([name, { tensor, file }]) =>
      tensor.origin.kind === 'source' ? [[`${file}:${tensor.origin.name}`, name]] : [],
    ),
  );
  return recorded.map((name) => names.get(name) ?? name);
}
