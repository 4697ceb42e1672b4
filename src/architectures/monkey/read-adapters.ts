/**
 * Monkey's per-tile adapters as stored: `<module>_lora.{k}.lora_a.weight` [rank, in], `.lora_b.weight`
 * [out, rank], `.lora_scale` [1], for the modules attn.in_proj, attn.out_proj and mlp of every block. Their
 * number and ranks are read from the tensors; every module must have the same number.
 */
import { fail } from '../../report/diagnostics.ts';
import { type AdapterFactors, adapterFactors, type ViewAdapters } from '../blocks/view-adapters.ts';
import type { WeightReader } from '../blocks/weights.ts';
import type { View } from '../media.ts';
import type { QwenVisualConfig } from '../qwen/config.ts';
import { deinterleaveQkv } from '../qwen/interleaved-qkv.ts';
import type { BlockAdapters } from '../qwen/vision-tower.ts';

interface Module {
  readonly name: 'attn.in_proj_lora' | 'attn.out_proj_lora' | 'mlp_lora';
  readonly inputs: number;
  readonly outputs: number;
  readonly interleaved: boolean;
}

/**
 * How many adapters the checkpoint holds; throws VC1204 where modules, blocks or the config disagree. `defaultCount`: as
 * many as the family has where the config does not say.
 */
export function countAdapters(
  blocks: readonly WeightReader[],
  config: QwenVisualConfig,
  defaultCount: number,
): number {
  const expected = config.adapters ?? defaultCount;
  for (const block of blocks) {
    for (const { name } of modulesOf(config)) {
      let count = 0;
      while (block.has(`${name}.${count}.lora_a.weight`)) count += 1;
      if (count !== expected) {
        throw fail('VC1204', {
          where: `${block.prefix}${name}`,
          found: `${count} adapters`,
          expected: `${expected}: config.json: visual.lora_repeat_num${config.adapters === undefined ? ` is absent, its default is ${defaultCount}` : ''}`,
        });
      }
    }
  }
  return expected;
}

/** The adapters of every block over the views; views with the same adapter share its tensors. */
export function readAdapters(
  blocks: readonly WeightReader[],
  config: QwenVisualConfig,
  views: readonly View[],
): readonly BlockAdapters[] {
  return blocks.map((block) => {
    const [inProj, outProj, mlp] = modulesOf(config).map((module) =>
      readModule(block.at(module.name), module, config.heads, views),
    );
    if (inProj === undefined || outProj === undefined || mlp === undefined) {
      throw new RangeError('a block has three adapted modules');
    }
    return { inProj, outProj, mlp };
  });
}

function modulesOf({ width }: QwenVisualConfig): readonly Module[] {
  return [
    { name: 'attn.in_proj_lora', inputs: width, outputs: 3 * width, interleaved: true },
    { name: 'attn.out_proj_lora', inputs: width, outputs: width, interleaved: false },
    { name: 'mlp_lora', inputs: width, outputs: width, interleaved: false },
  ];
}

function readModule(
  reader: WeightReader,
  module: Module,
  heads: number,
  views: readonly View[],
): ViewAdapters {
  const rank = rankOf(reader);
  const known = new Map<number, AdapterFactors>();
  const factorsOf = (adapter: number): AdapterFactors => {
    const before = known.get(adapter);
    if (before !== undefined) return before;
    const own = reader.at(`${adapter}`);
    const up = own.take('lora_b.weight', [module.outputs, rank]).tensor;
    const factors = adapterFactors(
      own.take('lora_a.weight', [rank, module.inputs]).tensor,
      module.interleaved ? deinterleaveQkv(up, heads) : up,
      own.take('lora_scale', [1]).tensor,
    );
    known.set(adapter, factors);
    return factors;
  };
  return {
    name: reader.prefix.slice(0, -1),
    views: views.map(({ adapter }) =>
      adapter === null || adapter === undefined ? null : factorsOf(adapter),
    ),
  };
}

/** Every adapter of a module has the rank of the first: they run as one stack. */
function rankOf(reader: WeightReader): number {
  return Math.max(1, reader.shapeOf('0.lora_a.weight')?.[0] ?? 1);
}
