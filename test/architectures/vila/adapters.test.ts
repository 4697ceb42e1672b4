/** PEFT adapters of the language model, saved by itself or inside the whole: both find their modules. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSource } from '../../../src/pipeline/open-source.ts';
import { resolveOptions } from '../../../src/pipeline/options.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { floats, writeAdapter } from '../../support/write-adapter.ts';

/** Not the tower's, though they have the same names. */
const modules = [0, 1].map((layer) => `layers.${layer}.self_attn.q_proj`);

it.each(['model.', 'llm.model.'])('an adapter over %slayers', async (prefix) => {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-vila-adapter-'));
  try {
    const adapter = await writeAdapter(
      join(folder, 'adapter'),
      { target_modules: ['q_proj'] },
      Object.fromEntries(
        modules.flatMap((module, layer) => [
          [`${prefix}${module}.lora_A.weight`, floats([2, 96], layer)],
          [`${prefix}${module}.lora_B.weight`, floats([96, 2], layer)],
        ]),
      ),
    );
    const { checkpoint } = goldenCase('vila/nvila-dynamic_s2');
    const source = await openSource(resolveOptions({ checkpoint, adapter: [{ path: adapter, share: 1 }] }));
    try {
      const changed = [...source.tensors].filter(([, { tensor }]) => tensor.origin.kind === 'derived');
      expect(changed.map(([name]) => name)).toEqual(modules.map((module) => `llm.model.${module}.weight`));
    } finally {
      await source.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
