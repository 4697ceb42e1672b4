/** A conversion checked on the user's own inputs, and held to its own earlier report. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convert } from '../../src/index.ts';
import { goldenCase } from '../support/golden-cases.ts';

const golden = goldenCase('llava/hf-tiny');
const { checkpoint } = golden;
let root = '';
const inRoot = (name: string): string => join(root, name);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-check-inputs-'));
  mkdirSync(inRoot('samples'));
  cpSync(join(golden.folder, 'image.png'), inRoot('samples/a.png'));
  cpSync(join(golden.folder, 'image.png'), inRoot('samples/b.png'));
  writeFileSync(inRoot('samples/prompts.txt'), 'What is in the picture?\nRead the sign.\nHello.\n');
});

afterAll(() => rm(root, { recursive: true, force: true }));

describe('convert', () => {
  it('checks on pictures and prompts, and then passes its own report as a baseline', async () => {
    const options = { checkpoint, samples: inRoot('samples'), precision: 'int4' } as const;
    const first = await convert({ ...options, output: inRoot('first') });
    expect(first.passed).toBe(true);
    expect(first.parity?.sample).toMatchObject({
      source: 'samples',
      pictures: [{ name: 'a.png' }, { name: 'b.png' }],
    });
    expect(first.parity?.sample.prompts.map(({ imageTokens }) => imageTokens)).toEqual([16, 16, 0]);
    // The features of both pictures are compared.
    const fidelity = first.parity?.levels.find(({ level }) => level === 'fidelity');
    expect(fidelity?.outputs.find(({ output }) => output === 'features')?.metrics.rows).toBe(32);

    const baseline = inRoot('first/parity-report.json');
    const second = await convert({ ...options, output: inRoot('second'), baseline });
    expect(second.passed).toBe(true);
    expect(second.parity?.gates.some(({ from }) => from === 'baseline')).toBe(true);
    const manifest = JSON.parse(readFileSync(inRoot('second/vlm-convert.json'), 'utf8'));
    expect(Object.keys(manifest.options)).not.toContain('baseline');

    const other = convert({ checkpoint, precision: 'int4', output: inRoot('third'), baseline });
    await expect(other).rejects.toThrow('VC6106');
    expect(existsSync(inRoot('third'))).toBe(false);
  });

  it('checks on recorded tensors', async () => {
    const inputs = join(golden.folder, 'io.safetensors');
    const { passed, parity } = await convert({ checkpoint, inputs, output: inRoot('recorded') });
    expect(passed).toBe(true);
    expect(parity?.sample).toMatchObject({ source: 'recorded', pictures: [{ name: 'io.safetensors 0' }] });
    expect(parity?.sample.prompts).toEqual([{ tokens: 51, imageTokens: 16 }]);
  });

  it('draws another picture and other prompts from another seed, and the same ones from the same', async () => {
    const drawn = async (name: string, seed: number | undefined) =>
      (await convert({ checkpoint, output: inRoot(name), seed })).parity?.sample;
    const first = await drawn('seed-default', undefined);
    expect(first).toMatchObject({ source: 'drawn', seed: 1 });
    expect(await drawn('seed-1', 1)).toEqual(first);
    const other = await drawn('seed-2', 2);
    expect(other?.seed).toBe(2);
    expect(other?.picture?.sha256).not.toBe(first?.picture?.sha256);
    expect(other?.promptsSha256).not.toBe(first?.promptsSha256);
  });

  it('refuses inputs that cannot be used before it writes anything', async () => {
    const output = inRoot('refused');
    const inputs = join(golden.folder, 'io.safetensors');
    const samples = inRoot('samples');
    await expect(convert({ checkpoint, output, inputs, samples })).rejects.toThrow('VC6109');
    await expect(convert({ checkpoint, output, samples: inRoot('none') })).rejects.toThrow('VC6109');
    await expect(convert({ checkpoint, output, baseline: inRoot('none.json') })).rejects.toThrow('VC6106');
    const unchecked = { checkpoint, output, parity: false, baseline: inRoot('none.json') } as const;
    await expect(convert(unchecked)).rejects.toThrow('VC4002');
    expect(existsSync(output)).toBe(false);
  });
});
