/** `parity` and `compare` as they are typed: exit codes, what is printed, JSON, and what is said of wrong lines. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenCase } from '../support/golden-cases.ts';
import { runMain } from './run-main.ts';

const { checkpoint } = goldenCase('llava/hf-tiny');
const onnx = (name: string): string =>
  join(import.meta.dirname, '../../fixtures/onnx-import', name, 'model.onnx');

let folder = '';
let made = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-commands-'));
  made = join(folder, 'made');
  const { code, err } = await runMain([checkpoint, made, '--precision', 'int4', '--no-parity', '--quiet']);
  if (code !== 0) throw new Error(err);
});
afterAll(() => rm(folder, { recursive: true }));

describe('parity', () => {
  it('checks an output again and says where the report is; inside the checkpoint without naming it', async () => {
    const { code, out } = await runMain(['parity', made], { cwd: checkpoint });
    expect(code).toBe(0);
    expect(out).toMatch(/Compare the files with the manifest: \d+ files/);
    expect(out).toMatch(/Check against the original: all \d+ gates passed/);
    expect(out).toMatch(/parity-report\.html, \.md and \.json/);
    const manifest = JSON.parse(await readFile(join(made, 'vlm-convert.json'), 'utf8')) as { parity: string };
    expect(manifest.parity).toBe('passed');
  });

  it('fails by a gate with the code of a failed gate, and writes JUnit and JSON when asked', async () => {
    const report = join(folder, 'report');
    const junit = join(folder, 'junit.xml');
    const { code, out, err } = await runMain([
      ...['parity', made, '--checkpoint', checkpoint, '--report', report, '--gate', 'logits.kl=1e-12'],
      ...['--junit', junit, '--json'],
    ]);
    expect(code).toBe(2);
    expect(err).toMatch(/^error VC6201/m);
    expect(JSON.parse(out)).toMatchObject({ ok: false, passed: false, output: report });
    expect(await readFile(junit, 'utf8')).toContain('logits');
  });

  it('sweeps over sizes, and refuses those that cannot be', async () => {
    const report = join(folder, 'swept');
    const argv = ['parity', made, '--checkpoint', checkpoint, '--report', report];
    const { code, out } = await runMain([...argv, '--sweep-resolutions', '28x28,56x42']);
    expect(code).toBe(0);
    expect(out).toMatch(/Measure activations at other sizes: 2 sizes/);
    const markdown = await readFile(join(report, 'parity-report.md'), 'utf8');
    // In brackets: at int4 nothing computes in float16.
    expect(markdown).toMatch(/\| 56x42 \| [^|]+ \| 46 \| \(\d+ block\.1\/\w+\) \| /);
    const wrong = await runMain([...argv, '--sweep-resolutions', '28x28,3x3']);
    expect(wrong).toMatchObject({ code: 3, err: expect.stringMatching(/VC4204[\s\S]*3x3: .*\(VC4202\)/) });
    const text = await runMain([...argv, '--sweep-resolutions', 'all']);
    expect(text).toMatchObject({ code: 3, err: expect.stringContaining('448x448,896x896') });
  });

  it('refuses what it cannot check with the code of what is at fault', async () => {
    const nothing = await runMain(['parity'], { cwd: folder });
    expect(nothing).toMatchObject({ code: 3, err: expect.stringContaining('VC4012') });
    const unnamed = await runMain(['parity', made], { cwd: folder });
    expect(unnamed).toMatchObject({ code: 3, err: expect.stringContaining('no checkpoint is named') });
    const other = goldenCase('llava/hf-variants-70x56').checkpoint;
    const wrong = await runMain(['parity', made, '--checkpoint', other]);
    expect(wrong).toMatchObject({ code: 4, err: expect.stringContaining('VC1132') });
    const none = await runMain(['parity', folder, '--checkpoint', checkpoint]);
    expect(none).toMatchObject({ code: 4, err: expect.stringContaining('VC4011') });
    const foreign = await runMain(['parity', made, '--precision', 'int4']);
    expect(foreign).toMatchObject({ code: 3, err: expect.stringContaining('VC4001') });
    const mode = await runMain(['parity', made, '--parity', 'half']);
    expect(mode).toMatchObject({ code: 3, err: expect.stringContaining('--parity') });
    await writeFile(join(made, 'config.json'), '{}');
    const damaged = await runMain(['parity', made, '--checkpoint', checkpoint]);
    expect(damaged).toMatchObject({ code: 4, err: expect.stringMatching(/VC5111[\s\S]*config\.json/) });
  });

  it('refuses a device that is not there before anything else', async (context) => {
    const { code, err } = await runMain(['parity', made, '--checkpoint', checkpoint, '--device', 'cuda']);
    context.skip(code !== 6, 'CUDA is installed');
    expect(err).toMatch(/VC6002[\s\S]*ONNXRUNTIME_NODE_INSTALL=cuda12/);
  });
});

describe('compare', () => {
  const bert = onnx('bert-ts14-eager-mask');

  it('prints a row per output, and the verdict of the gates', async () => {
    const { code, out } = await runMain([
      'compare',
      bert,
      bert,
      '--taps',
      '--gate',
      'relative=0',
      '--dim',
      'seq=5',
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/model, on cpu: inputs input_ids \[1,5\] drawn/);
    expect(out).toMatch(/ {2}last_hidden_state {2}\[1,5,32\] +0 +0 +1 {2}equal/);
    expect(out).toMatch(/inner values: \d+ of the same name compared; none is off/);
    expect(out).toMatch(/All 4 gates passed/);
  });

  it('fails by a gate, with the place, and gives numbers as JSON', async () => {
    const output = join(folder, 'bert-int4');
    expect((await runMain(['quantize', bert, output, '--precision', 'int4', '--quiet'])).code).toBe(0);
    const argv = ['compare', bert, join(output, 'model.onnx'), '--gate', 'pooler_output.relative=1e-3'];
    const { code, out, err } = await runMain([...argv, '--taps']);
    expect(code).toBe(2);
    expect(out).toMatch(/FAIL {2}pooler_output/);
    expect(out).toMatch(/first that is off by more than 0.001 of its norm: \S*layer.0\S*, made by/);
    expect(err).toMatch(/error VC6203[\s\S]*model, pooler_output\.relative/);
    const json = JSON.parse((await runMain([...argv, '--json'])).out) as Record<string, unknown>;
    expect(json).toMatchObject({ ok: false, passed: false, failure: { code: 'VC6203' } });
  });

  it('refuses what it cannot compare', async () => {
    expect(await runMain(['compare', bert])).toMatchObject({
      code: 3,
      err: expect.stringContaining('VC4013'),
    });
    expect(await runMain(['compare', bert, onnx('resnet-ts14-batch')])).toMatchObject({
      code: 4,
      err: expect.stringContaining('VC6107'),
    });
    for (const [argument, code] of [
      ['relative', 'VC4002'],
      ['closeness=1', 'VC6105'],
    ] as const) {
      const ran = await runMain(['compare', bert, bert, '--gate', argument]);
      expect(ran).toMatchObject({ code: 3, err: expect.stringContaining(code) });
    }
    const half = await runMain(['compare', bert, bert, '--dim', 'seq=1.5']);
    expect(half).toMatchObject({ code: 3, err: expect.stringContaining('VC4002') });
  });
});

it.each(['parity', 'compare'])('%s explains itself', async (command) => {
  const { code, out } = await runMain([command, '--help']);
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`^Usage: vlm-convert ${command} `));
  expect(out).toContain('--device <name>');
});
