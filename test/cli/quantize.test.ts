/** `vlm-convert quantize` on the command line, and killed and resumed as a process. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tensorType } from '../../src/graph/types.ts';
import { writeModel } from '../formats/onnx/write-model.ts';
import { fixtures } from '../golden-folders.ts';
import { buildModel, randomWeight } from '../support/run-model.ts';
import { runMain } from './run-main.ts';

const bert = join(fixtures, 'onnx-import/bert-ts14-eager-mask/model.onnx');
let root = '';
beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-quantize-')));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => rmSync(join(root, 'out'), { recursive: true, force: true }));

describe('quantize', () => {
  it('writes the model and says what became of its weights, and that it was not checked', async () => {
    const ran = await runMain(['quantize', bert, 'out', '--precision', 'int4', '--block-size', '16'], {
      cwd: root,
    });
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toContain('Wrote out: 3 files');
    expect(ran.out).toMatch(/MatMul +int4 block 16 asymmetric +1[23] weights/);
    expect(ran.out).toContain('a vector or a number');
    expect(ran.out).toContain('Not checked');
    expect(existsSync(join(root, 'out/model.onnx_data'))).toBe(true);
  });

  it('plans, also as JSON', async () => {
    const text = await runMain(['quantize', bert, 'out', '--precision', 'fp16', '--dry-run'], { cwd: root });
    expect(text.out).toContain('model:float16,dead-code');
    const ran = await runMain(['quantize', bert, 'out', '--precision', 'int8', '--dry-run', '--json'], {
      cwd: root,
    });
    expect(JSON.parse(ran.out)).toMatchObject({ ok: true, dryRun: true, plan: { architecture: 'onnx' } });
    expect(existsSync(join(root, 'out'))).toBe(false);
    const made = await runMain(['quantize', bert, 'out', '--precision', 'int8', '--json'], { cwd: root });
    expect(JSON.parse(made.out)).toMatchObject({ ok: true, output: join(root, 'out'), peakRss: {} });
  });

  it('takes the options of a conversion that make sense, and no others', async () => {
    const refused = async (...flags: string[]) => {
      const { code, err } = await runMain(['quantize', bert, 'out', '--precision', 'int4', ...flags], {
        cwd: root,
      });
      return [code, /^error (VC\d+)/.exec(err)?.[1]];
    };
    expect(await refused('--resolution', '448x448')).toEqual([3, 'VC4001']);
    expect(await refused('--no-parity')).toEqual([3, 'VC4001']);
    expect(await refused('--block-size', '24')).toEqual([3, 'VC4002']);
    expect(await refused('--precision', 'vision=int4')).toEqual([3, 'VC4002']);
    expect(await refused('--passes', 'model:int4')).toEqual([3, 'VC4002']);
    expect((await runMain(['quantize'])).err).toContain('error VC4010');
    expect((await runMain(['quantize', bert])).err).toContain('error VC4009');
  });

  it('has a help of its own, without what it does not take', async () => {
    const { out, code } = await runMain(['quantize', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('Usage: vlm-convert quantize <model.onnx>');
    for (const flag of ['--block-size', '--resume', '--memory', '--json']) expect(out).toContain(flag);
    for (const flag of ['--resolution', '--lora', '--gate', '--config', 'vision='])
      expect(out).not.toContain(flag);
    expect((await runMain(['--help'])).out).toContain('vlm-convert quantize <model.onnx>');
  });
});

describe('a run that is killed', () => {
  const faults = resolve(import.meta.dirname, '../support/faults.js');
  const bin = resolve(import.meta.dirname, '../../bin/vlm-convert.js');
  const run = (model: string, more: readonly string[], fault?: object) =>
    spawnSync(
      process.execPath,
      [
        ...(fault === undefined ? [] : ['--import', faults]),
        ...[bin, 'quantize', model, 'out', '--precision', 'int4', '--jobs', '2', '--quiet', ...more],
      ],
      { cwd: root, encoding: 'utf8', env: { ...process.env, VLM_TEST_FAULT: JSON.stringify(fault ?? {}) } },
    );
  const digests = (): string[] =>
    readdirSync(join(root, 'out')).map(
      (name) =>
        `${name} ${createHash('sha256')
          .update(readFileSync(join(root, 'out', name)))
          .digest('hex')}`,
    );

  it('is resumed, to the bytes of one that was not', async () => {
    const model = buildModel((b) => {
      let x = b.input('x', tensorType('float32', ['n', 2048]));
      for (const seed of [1, 2, 3, 4]) {
        x = b.op('MatMul', [x, b.weight(`w${seed}`, randomWeight(`w${seed}`, [2048, 2048], seed))]);
      }
      b.output('y', x);
    });
    const { path } = await writeModel(join(root, 'm'), model, { fileName: 'm' });
    expect(run(path, [])).toMatchObject({ status: 0, stderr: '' });
    const expected = digests();
    for (const killAtLine of [1, 2, 4]) {
      rmSync(join(root, 'out'), { recursive: true });
      expect(run(path, [], { killAtLine }).signal).toBe('SIGKILL');
      expect(existsSync(join(root, 'out'))).toBe(false);
      // Other options are another plan.
      expect(run(path, ['--resume', '--block-size', '64']).stderr).toContain('error VC5108');
      const resumed = run(path, ['--resume']);
      expect(resumed).toMatchObject({ status: 0, stderr: '' });
      expect(digests()).toEqual(expected);
      expect(readdirSync(root).filter((name) => name.startsWith('.'))).toEqual([]);
    }
  });
});
