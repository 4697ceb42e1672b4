/** Adapters, bases and towers on the command line and in the config file. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Manifest } from '../../src/index.ts';
import { originalLlavaCases } from '../support/golden-cases.ts';
import { peftCase } from '../support/peft-cases.ts';
import { runMain } from './run-main.ts';

const golden = peftCase('llama-layers');
let root = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-adapters-')));
});
afterEach(() => rmSync(root, { recursive: true }));

const manifestOf = (out: string): Manifest =>
  JSON.parse(readFileSync(join(out, 'vlm-convert.json'), 'utf8')) as Manifest;

it('converts with an adapter, and checks the output again with it', async () => {
  const out = join(root, 'out');
  const ran = await runMain([golden.checkpoint, out, '--adapter', golden.adapter]);
  expect(ran.err).toBe('');
  expect(ran.code).toBe(0);
  expect(manifestOf(out).adapters).toMatchObject([{ name: 'adapter', share: 1, tensors: 8 }]);
  expect(readFileSync(join(out, 'parity-report.md'), 'utf8')).toContain('## Adapters');
  // Where the machine keeps things is nobody's business.
  expect(readFileSync(join(out, 'vlm-convert.json'), 'utf8')).not.toContain(golden.adapter);
  const args = ['parity', out, '--checkpoint', golden.checkpoint, '--parity', 'streamed'];
  expect((await runMain([...args, '--adapter', golden.adapter])).code).toBe(0);
  expect((await runMain(args)).err).toContain('VC1132');
  expect((await runMain([...args, '--adapter', `${golden.adapter}=0.5`])).err).toContain('VC1132');
});

it('takes several, in their order, with shares, as the config file does', async () => {
  const [flags, config] = [join(root, 'flags'), join(root, 'config')];
  const { adapter } = golden;
  const quick = ['--no-parity', '--precision', 'int8'];
  const one = await runMain([
    golden.checkpoint,
    flags,
    '--adapter',
    adapter,
    '--adapter',
    `${adapter}=-.25`,
    ...quick,
  ]);
  expect(one.code).toBe(0);
  expect(manifestOf(flags).adapters?.map(({ share }) => share)).toEqual([1, -0.25]);
  const file = join(root, 'settings.json');
  const near = relative(root, adapter);
  writeFileSync(
    file,
    JSON.stringify({ checkpoint: golden.checkpoint, adapter: [near, { path: near, share: -0.25 }] }),
  );
  expect(
    (await runMain([golden.checkpoint, config, '--config', file, ...quick], { cwd: tmpdir() })).code,
  ).toBe(0);
  const files = (out: string) => manifestOf(out).files.filter(({ path }) => path.startsWith('onnx/'));
  expect(files(config)).toEqual(files(flags));
});

it('plans with the bytes of all forms, and without reading a weight', async () => {
  const ran = await runMain([golden.checkpoint, '--adapter', golden.adapter, '--dry-run', '--json'], {
    cwd: root,
  });
  expect(ran.code).toBe(0);
  const { plan } = JSON.parse(ran.out) as {
    plan: { bytes: { lora: Record<string, number> }; adapters: unknown };
  };
  expect(plan.bytes.lora.factored).toBeGreaterThan(plan.bytes.lora.merge ?? Number.NaN);
  expect(plan.adapters).toMatchObject([
    {
      changes: expect.arrayContaining([
        {
          tensor: 'model.layers.1.mlp.down_proj.weight',
          module: 'model.layers.1.mlp.down_proj',
          kind: 'low-rank',
          rank: 4,
          scale: 1,
          component: 'decoder',
        },
      ]),
    },
  ]);
});

it('converts a LoRA release from its own folder', async () => {
  const release = originalLlavaCases().find(({ name }) => name.includes('lora'));
  if (release === undefined) throw new Error('no LoRA release');
  const folder = join(release.checkpoint, 'llava-v1.5-tiny-lora');
  const out = join(root, 'out');
  const ran = await runMain([folder, out, '--no-parity', '--resolution', '84x56']);
  expect(ran.err).toBe('');
  expect(ran.code).toBe(0);
  expect(manifestOf(out)).toMatchObject({
    architecture: 'llava',
    inputs: { checkpoint: 'llava-v1.5-tiny-lora' },
  });
  const inspected = await runMain(['inspect', folder]);
  expect(inspected.out).toContain('llava');
  expect(inspected.code).toBe(0);
});

it.each<[string, readonly string[], string]>([
  ['an adapter that is no folder', ['--adapter', 'nowhere'], 'VC1101'],
  ['a base of what is no adapter', ['--base', golden.checkpoint], 'VC4002'],
  ['a tower of what has none', ['--vision-tower', golden.checkpoint], 'VC4002'],
  ['a resolution of a model without pictures', ['--resolution', '448x448'], 'VC4201'],
])('refuses %s', async (_, flags, code) => {
  const ran = await runMain([golden.checkpoint, join(root, 'out'), '--no-parity', ...flags]);
  expect(ran.err).toContain(`error ${code}`);
});

it('keeps the output out of the folders that it reads', async () => {
  const ran = await runMain([
    golden.checkpoint,
    join(golden.adapter, 'out'),
    '--adapter',
    golden.adapter,
    '--no-parity',
  ]);
  expect(ran.err).toContain('VC5102');
});
