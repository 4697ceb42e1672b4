/**
 * Every recorded PEFT adapter: the reference graphs, in which linear layers carry it as a branch, against the logits of
 * PEFT's unmerged model; and the same graphs after merge-lora, which leaves no branch.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Component } from '../../src/architectures/architecture.ts';
import { findArchitecture } from '../../src/architectures/registry.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { cloneModel } from '../../src/graph/clone.ts';
import { runPasses } from '../passes/run-pass.ts';
import { type PeftCase, peftCases, withAdapted } from '../support/peft-cases.ts';
import { peftDeviations } from '../support/run-peft.ts';
import { writeComponents } from '../support/write-models.ts';

const limit = 1e-4;

describe.each(peftCases)('$name', (golden) => {
  it('computes what the base computes without the adapter', async () => {
    const checkpoint = await openCheckpoint(golden.checkpoint);
    const folder = await mkdtemp(join(tmpdir(), 'vlm-base-'));
    try {
      const names = new Set(checkpoint.tensors.keys());
      const architecture = findArchitecture(checkpoint.config, names);
      const { components, recipe } = architecture.build(checkpoint, { tiling: 'crop', loraTiles: 'error' });
      const { base } = await peftDeviations(golden, recipe, await writeComponents(folder, components));
      expect(base).toBeLessThanOrEqual(limit);
    } finally {
      await checkpoint.close();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('computes what PEFT computes without merging', async () => {
    await withComponents(golden, async (components, check) => {
      await check(components);
      // DoRA, tables, biases and whole weights have no branch.
      const branches = components.flatMap(({ model }) =>
        [...model.graph.initializers()].filter(({ name }) => /\.lora\d*\.a$/.test(name)),
      );
      const low = golden.name.includes('dora') ? 0 : undefined;
      if (low === 0) expect(branches).toEqual([]);
      else expect(branches.length).toBeGreaterThan(0);
    });
  });

  it('computes it after merge-lora, too', async () => {
    await withComponents(golden, async (components, check) => {
      const merged = [];
      for (const component of components) {
        const model = cloneModel(component.model);
        await runPasses(model, 'merge-lora');
        const left = [...model.graph.initializers()].filter(({ name }) => name.includes('.lora'));
        expect(left.map(({ name }) => name)).toEqual([]);
        merged.push({ ...component, model });
      }
      await check(merged);
    });
  });
});

async function withComponents(
  golden: PeftCase,
  body: (
    components: readonly Component[],
    check: (components: readonly Component[]) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  await withAdapted(golden, async (checkpoint) => {
    const names = new Set(checkpoint.tensors.keys());
    const { components, recipe } = findArchitecture(checkpoint.config, names).build(checkpoint, {
      tiling: 'crop',
      loraTiles: 'error',
    });
    await body(components, async (given) => {
      const folder = await mkdtemp(join(tmpdir(), 'vlm-peft-'));
      try {
        const files = await writeComponents(folder, given);
        const { peft, base } = await peftDeviations(golden, recipe, files);
        expect(peft).toBeLessThanOrEqual(limit);
        expect(base).toBeGreaterThan(100 * limit);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  });
}
