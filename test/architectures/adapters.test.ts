/**
 * No family knows of PEFT adapters, and none loses one: an adapter on every matrix that a family's graphs read is read by
 * them, whatever the family does to its weights on the way.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../src/architectures/architecture.ts';
import { architectures, findArchitecture } from '../../src/architectures/registry.ts';
import { applyAdapters } from '../../src/formats/checkpoint/adapters/apply.ts';
import { openAdapter } from '../../src/formats/checkpoint/adapters/open-adapter.ts';
import type { Checkpoint } from '../../src/formats/checkpoint/checkpoint.ts';
import { adapterBranches } from '../../src/passes/merge-lora.ts';
import { leafNames } from '../../src/tensor/derived/leaves.ts';
import { caseOptions, type GoldenCase, goldenCases } from '../support/golden-cases.ts';
import { openCase } from '../support/open-case.ts';
import { peftCase } from '../support/peft-cases.ts';
import { type Floats, floats, writeAdapter } from '../support/write-adapter.ts';

/** One case of each family. */
const cases = new Map<string, GoldenCase>();
for (const golden of goldenCases(architectures.map(({ id }) => id))) {
  if (!cases.has(golden.family)) cases.set(golden.family, golden);
}
cases.set('gpt2', peftCase('gpt2-fan-in-fan-out'));
cases.set('llama', peftCase('llama-layers'));

function buildOf(checkpoint: Checkpoint, golden: GoldenCase): BuiltModel {
  const architecture = findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys()));
  return architecture.build(checkpoint, caseOptions(golden));
}

function leavesOf({ components }: BuiltModel): Set<string> {
  return new Set(
    components.flatMap(({ model }) =>
      [...model.graph.initializers()].flatMap(({ initializer }) => leafNames(initializer)),
    ),
  );
}

it('has a case of every family', () => {
  expect([...cases.keys()].sort()).toEqual(architectures.map(({ id }) => id).sort());
});

describe.each([...cases])('%s', (_, golden) => {
  it('reads every factor of an adapter on all matrices that it reads', async () => {
    const { source: base } = await openCase(golden);
    const folder = await mkdtemp(join(tmpdir(), 'vlm-any-'));
    try {
      const read = leavesOf(buildOf(base, golden));
      const tensors: Record<string, Floats> = {};
      const targets: string[] = [];
      for (const [name, { tensor }] of base.tensors) {
        const [rows = 0, columns = 0, ...more] = tensor.shape;
        // Per-tile adapters are Monkey's own, and their layers no modules of a transformer.
        const own = more.length > 0 || columns === 0 || /_lora\.|position|pos_embed|embed|wte|wpe/.test(name);
        // A tensor of a part has another name in its own file.
        const isRead = [...leafNames(tensor)].some((leaf) => read.has(leaf));
        if (own || !name.endsWith('.weight') || !isRead) continue;
        const module = name.slice(0, -'.weight'.length);
        targets.push(module);
        tensors[`${module}.lora_A.weight`] = floats([2, columns], targets.length);
        tensors[`${module}.lora_B.weight`] = floats([rows, 2], targets.length);
      }
      expect(targets.length).toBeGreaterThan(5);
      const adapter = await openAdapter(await writeAdapter(folder, { target_modules: targets }, tensors));
      try {
        const built = buildOf(applyAdapters(base, [{ adapter, share: 1 }]).checkpoint, golden);
        const found = leavesOf(built);
        const lost = Object.keys(tensors).filter((name) => !found.has(`base_model.model.${name}`));
        expect(lost).toEqual([]);
        // Most of them stand apart from their weights, for the passes to merge.
        const branches = built.components.flatMap(({ model }) => adapterBranches(model));
        expect(branches.length).toBeGreaterThan(targets.length / 2);
      } finally {
        await adapter.close();
      }
    } finally {
      await base.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
