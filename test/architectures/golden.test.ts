/**
 * The reference graphs of every registered family against what the original implementations computed: image
 * features, prefill, every decode step, within 1e-4 of the output's standard deviation at the worst element.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { architectures, findArchitecture } from '../../src/architectures/registry.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { caseInputs, countedRows, recordedPicture } from '../support/case-inputs.ts';
import { deviation } from '../support/deviation.ts';
import { caseOptions, goldenCases } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';
import { get, runRecipe } from '../support/run-recipe.ts';
import { writeComponents } from '../support/write-models.ts';

const cases = goldenCases(architectures.map((architecture) => architecture.id));
const limit = 1e-4;

it('has cases of every registered family', () => {
  const families = new Set(cases.map((golden) => golden.family));
  expect([...families].sort()).toEqual(architectures.map((architecture) => architecture.id).sort());
});

describe.each(cases)('$name', (golden) => {
  it('computes what the original computed', async () => {
    const checkpoint = await openCheckpoint(golden.checkpoint);
    const folder = await mkdtemp(join(tmpdir(), 'vlm-golden-'));
    try {
      const names = new Set(checkpoint.tensors.keys());
      const architecture = findArchitecture(checkpoint.config, names);
      expect(architecture.id).toBe(golden.family);
      const built = architecture.build(checkpoint, caseOptions(golden));
      expect(built.warnings).toEqual([]);
      // A key's bias is read and cancels in the softmax: recorded as unused, too.
      const unused = golden.json.unused?.filter((name) => !isReadKeyBias(name, built.unusedTensors)) ?? [];
      expect([...built.unusedTensors].sort()).toEqual([...unused].sort());

      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const inputs = caseInputs(golden, io);
      const batch = inputs.decodeIds.length;
      expect({ ...built.image?.input, tokens: built.image?.tokens }).toEqual(recordedPicture(golden, inputs));
      const run = await runRecipe({
        recipe: built.recipe,
        files: await writeComponents(folder, built.components),
        ...inputs,
      });

      const counted = (length: number) => countedRows(inputs, length);
      const { hiddenSize, vocabSize } = built.recipe;
      const deviations: Record<string, number> = {
        features: deviation(toFloat32(run.imageFeatures), io.float32('out.image_features')),
        logits: deviation(toFloat32(run.logits), io.float32('out.logits'), counted(vocabSize)),
        decode: deviation(joinSteps(run.decodeLogits.map(toFloat32), batch), io.float32('out.decode_logits')),
      };
      if (io.has('mid.inputs_embeds')) {
        deviations.embeds = deviation(
          toFloat32(run.inputsEmbeds),
          io.float32('mid.inputs_embeds'),
          counted(hiddenSize),
        );
      }
      // Padded slots keep keys too, rotated like all others.
      for (const part of batch === 1 ? ['key', 'value'] : []) {
        if (!io.has(`mid.present.0.${part}`)) continue;
        const found = toFloat32(get(run.present, `present.0.${part}`));
        deviations[part] = deviation(found, io.float32(`mid.present.0.${part}`));
      }
      expect(Object.entries(deviations).filter(([, worst]) => !(worst <= limit))).toEqual([]);
    } finally {
      await checkpoint.close();
      await rm(folder, { recursive: true });
    }
  });
});

function isReadKeyBias(name: string, unused: readonly string[]): boolean {
  return name.endsWith('.k_proj.bias') && !unused.includes(name);
}

/** Steps of [batch, 1, vocab] as recorded: [batch, steps, vocab]. */
function joinSteps(steps: readonly Float32Array[], batch: number): Float32Array {
  const size = (steps[0]?.length ?? 0) / batch;
  const joined = new Float32Array(steps.length * batch * size);
  for (const [step, logits] of steps.entries()) {
    for (let row = 0; row < batch; row += 1) {
      joined.set(logits.subarray(row * size, (row + 1) * size), (row * steps.length + step) * size);
    }
  }
  return joined;
}
