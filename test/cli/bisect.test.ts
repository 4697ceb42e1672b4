/** `vlm-convert bisect` as a command. */
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blockLimits } from '../../src/parity/gate-limits.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { runMain } from './run-main.ts';

const { checkpoint } = goldenCase('qwen-vl/tiny-long');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bisect-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('vlm-convert bisect', () => {
  it('says that no pass is at fault, and prints pipeline text that can be pasted', async () => {
    const argv = ['bisect', checkpoint, '--precision', 'decoder=int4', '--component', 'decoder'];
    const { code, out, err } = await runMain(argv, { cwd: folder });
    expect([code, err]).toEqual([0, '']);
    const { max = Number.NaN } = blockLimits.implementation.int4;
    const [, allowed] = / {2}decoder {4}int4 +\S+ +(\S+) +\S+\n/.exec(out) ?? [];
    expect(Number(allowed)).toBe(max);
    expect(out).toContain('No pass is at fault');
    expect(out).toMatch(/decoder: int4 moves its outputs by 0\.\d+ of their norm/);
    const [, passes = ''] = /--passes '(decoder:[^']+)'/.exec(out) ?? [];
    expect(passes).toMatch(/int4\{keep=transformer\.h\.[^}]+\}/);
    const dry = await runMain([checkpoint, join(folder, 'out'), '--passes', passes, '--dry-run'], {
      cwd: folder,
    });
    expect(dry).toMatchObject({ code: 0, out: expect.stringContaining(passes.replace('decoder:', '')) });
    // It fits a screen.
    expect(out.split('\n').length).toBeLessThan(25);
  });

  it('ends with exit code 2 when a pass is beyond the threshold, and leaves what shows it', async () => {
    const argv = [
      'bisect',
      checkpoint,
      '--precision',
      'fp16',
      '--component',
      'vision',
      '--threshold',
      '1e-4',
    ];
    const { code, out, err } = await runMain([...argv, '--reproducer', 'small'], { cwd: folder });
    expect(code).toBe(2);
    expect(out).toMatch(/ {2}FAULT {2}vision +float16 +0\.00\d+ +1\.0e-4/);
    expect(out).toMatch(/vision: float16 is at fault\n {2}block +\S+: \S+ off by/);
    expect(err).toMatch(/error VC6204[\s\S]*vision, /);
    const [, command = ''] = /see it +cd small\/vision && vlm-convert (.+)\n/.exec(out) ?? [];
    const readme = await readFile(join(folder, 'small/vision/README.md'), 'utf8');
    expect(readme).toContain(command);
    const shown = await runMain(
      command
        .split(' ')
        .map((word) => (/\.(onnx|safetensors)$/.test(word) ? join(folder, 'small/vision', word) : word)),
    );
    expect(shown).toMatchObject({ code: 2, err: expect.stringContaining('VC6203') });
    const again = [...argv, '--reproducer', 'small', '--json'];
    const json = JSON.parse((await runMain(again, { cwd: folder })).out) as Record<string, unknown>;
    expect(json).toMatchObject({
      ok: false,
      passed: false,
      output: join(folder, 'small'),
      components: [{ component: 'vision', fault: { pass: 'float16' }, reproducer: { folder: 'vision' } }],
    });
    await access(join(folder, 'small/vlm-convert.json'));
  });

  it('refuses what it cannot bisect', async () => {
    expect(await runMain(['bisect'])).toMatchObject({ code: 3, err: expect.stringContaining('VC4014') });
    expect(await runMain(['bisect', join(folder, 'nothing')])).toMatchObject({ code: 4 });
    for (const wrong of ['-1', 'much', '']) {
      const { code, err } = await runMain(['bisect', checkpoint, `--threshold=${wrong}`]);
      expect([code, err]).toEqual([3, expect.stringContaining('--threshold')]);
    }
  });

  it('has a page of help with the options of a conversion', async () => {
    const { code, out } = await runMain(['bisect', '--help']);
    expect(code).toBe(0);
    for (const flag of [
      '--precision <p>',
      '--passes <text>',
      '--threshold <error>',
      '--reproducer <folder>',
    ]) {
      expect(out).toContain(flag);
    }
  });
});
