/** `vlm-convert run` from the shell: the answer on standard output, as text or as JSON, and what is refused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convert } from '../../src/index.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { runMain } from './run-main.ts';

const golden = goldenCase('qwen2-vl/trained-digits');
const picture = join(golden.folder, 'eval/002.png');

let root = '';
let output = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-run-'));
  output = join(root, 'out');
  await convert({ checkpoint: golden.checkpoint, output, precision: 'int8', parity: false });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('vlm-convert run', () => {
  it('prints the answer and nothing else', async () => {
    const run = await runMain(['run', output, '--image', picture, '--prompt', 'read']);
    expect(run).toMatchObject({ code: 0, out: '0105@5,4\n', err: '' });
  });

  it('takes paths from the current folder, and prints one object on demand', async () => {
    const image = relative(root, picture);
    const args = ['run', 'out', '--image', image, '--prompt', 'read', '--max-tokens', '4', '--json'];
    const { code, out } = await runMain(args, { cwd: root });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      text: '0105',
      stopped: 'length',
      images: [{ file: picture, tokens: 12 }],
    });
  });

  it.each<[string, string[], string, number]>([
    ['no folder', [], 'VC4015', 3],
    ['no prompt', ['.'], 'VC4015', 3],
    ['a folder that is no output', ['.', '--prompt', 'read'], 'VC4011', 4],
    ['a picture that is not there', ['out', '--image', 'no.png', '--prompt', 'read'], 'VC6109', 3],
    ['tokens that are no number', ['out', '--prompt', 'read', '--max-tokens', 'many'], 'VC4002', 3],
  ])('refuses %s', async (_what, args, says, code) => {
    const run = await runMain(['run', ...args], { cwd: root });
    expect(run.err).toContain(says);
    expect(run).toMatchObject({ code, out: '' });
  });

  it('has help of its own', async () => {
    const { code, out } = await runMain(['run', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--max-tokens');
    expect(out).not.toContain('--resolution');
  });
});
