/** `--target` from the options to the graphs and the warnings of a plan. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ConvertOptions, planConversion } from '../../src/index.ts';
import { fixtures } from '../golden-folders.ts';

const checkpoint = join(fixtures, 'llava/hf-tiny/checkpoint');
const output = join(fixtures, 'never-written');

async function plan(options: Partial<ConvertOptions>) {
  const { plan: made } = await planConversion({ checkpoint, output, parity: false, ...options });
  const decoder = made.components.find(({ id }) => id === 'decoder');
  const stats = new Map(decoder?.records.map((record) => [record.name, record.stats]));
  return { warnings: made.warnings, stats };
}

describe('targets of a conversion', () => {
  it('are cpu and webgpu, where every call of the architecture is recognised', async () => {
    const { warnings, stats } = await plan({});
    expect(warnings.filter(({ code }) => code.startsWith('VC33'))).toEqual([]);
    expect(stats.get('fuse-attention')).toMatchObject({ attention: 2, caches: 2 });
    expect(stats.get('fuse-skip-norm')).not.toHaveProperty('skip-rms-norm');
  });

  it('choose the operators: skip norms where all targets gain by them, none of com.microsoft for generic', async () => {
    const webgpu = await plan({ target: ['webgpu'] });
    expect(Object.values(webgpu.stats.get('fuse-skip-norm') ?? {}).reduce((sum, n) => sum + n, 0)).toBe(4);
    const generic = await plan({ target: ['generic'] });
    expect(generic.warnings.filter(({ code }) => code === 'VC3303')).toEqual([]);
    expect(generic.warnings.filter(({ code }) => code === 'VC3304')).toEqual([]);
  });

  it('warn of nodes without a kernel by name, where they were asked for', async () => {
    const passes = { decoder: 'fold,fuse-attention{target=cpu},dead-code' };
    const told = async (target: readonly string[] | undefined) =>
      (await plan({ passes, target })).warnings.filter(({ code }) => code === 'VC3303');
    expect(await told(undefined)).toEqual([]);
    expect(await told(['cpu', 'webgpu'])).toEqual([]);
    expect((await told(['cpu', 'generic'])).map(({ where, found }) => [where, found])).toEqual([
      [
        'decoder on generic',
        expect.stringMatching(
          /^layer\.0\/.* and 1 more, com.microsoft::MultiHeadAttention: not an operator of ai.onnx$/,
        ),
      ],
    ]);
  });

  it('are refused where they are not known', async () => {
    await expect(plan({ target: ['gpu'] })).rejects.toThrow(/VC4405/);
  });
});
