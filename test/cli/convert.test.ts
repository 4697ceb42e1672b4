/** The main command, end to end, on the released Monkey layout: one process, real files, real runtime. */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/pipeline/manifest.ts';
import { fixtures } from '../golden-folders.ts';
import { runMain } from './run-main.ts';

const monkey = join(fixtures, 'monkey/tiny-896/checkpoint');

let root = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-convert-test-')));
});
afterEach(() => rmSync(root, { recursive: true }));

/** sha256 by path of every file below a folder. */
function digests(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [
        path.slice(folder.length + 1),
        createHash('sha256').update(readFileSync(path)).digest('hex'),
      ]),
  );
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'vlm-convert.json'), 'utf8')) as Manifest;
}

/** Options that leave the check out and make the rest quick. */
const quick = ['--no-parity', '--precision', 'int4'] as const;

describe('a conversion', () => {
  it('turns a four-adapter checkpoint into checked graphs at 1544x896 in int4', async () => {
    const out = join(root, 'out');
    const ran = await runMain([monkey, out, '--resolution', '1544x896', '--precision', 'int4']);
    expect(ran.err).toContain('warning VC4301');
    expect(ran.err.match(/VC4301/g)).toHaveLength(1);
    expect(ran.err).not.toMatch(/^error/m);
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/all \d+ gates passed/);
    expect(readdirSync(root)).toEqual(['out']);

    const manifest = manifestOf(out);
    expect(manifest).toMatchObject({ tool: 'vlm-convert', architecture: 'monkey', parity: 'passed' });
    const { 'vlm-convert.json': _, ...found } = digests(out);
    expect(Object.fromEntries(manifest.files.map(({ path, sha256 }) => [path, sha256]))).toEqual(found);
    expect(Object.keys(found)).toEqual(
      expect.arrayContaining([
        'config.json',
        'onnx/decoder_model_merged.onnx',
        'onnx/embed_tokens.onnx',
        'onnx/vision_encoder.onnx',
        'onnx/vision_encoder.onnx_data',
        'parity-report.json',
        'parity-report.md',
        'preprocessor_config.json',
        'qwen.tiktoken',
      ]),
    );
    const report = JSON.parse(readFileSync(join(out, 'parity-report.json'), 'utf8')) as {
      passed: boolean;
      gates: unknown[];
      options: unknown;
    };
    expect(report.passed).toBe(true);
    expect(report.gates.length).toBeGreaterThan(10);
    // Nothing of this machine stands in the output.
    expect(JSON.stringify([manifest, report])).not.toContain(root);
  });

  it.each([
    ['fp32', 'factored'],
    ['fp16', 'merge'],
    ['fp16', 'factored'],
    ['int8', 'merge'],
    ['int8', 'factored'],
    ['int4', 'factored'],
  ])('passes its gates in %s with adapters in the form %s', async (precision, lora) => {
    const out = join(root, 'out');
    const argv = [monkey, out, '--resolution', '1544x896', '--precision', precision, '--lora', lora];
    const ran = await runMain([...argv, '--json']);
    expect(ran.code).toBe(0);
    const { parity } = JSON.parse(ran.out) as { parity: { gates: { level: string; passed: boolean }[] } };
    expect(new Set(parity.gates.map(({ level }) => level))).toEqual(
      new Set(['rewrite', 'implementation', 'fidelity']),
    );
    // Graphs that stood there for the check only are gone.
    expect(readdirSync(join(out, 'onnx')).filter((name) => name.endsWith('.onnx'))).toEqual([
      'decoder_model_merged.onnx',
      'embed_tokens.onnx',
      'vision_encoder.onnx',
    ]);
  });

  it('makes inputs and outputs of fp16 graphs float16 when asked', async () => {
    const out = join(root, 'out');
    const argv = [monkey, out, '--precision', 'vision=fp16', '--io-dtype', 'float16', '--quiet'];
    expect((await runMain(argv)).code).toBe(0);
    const ports = async (name: string): Promise<string> =>
      (await runMain(['inspect', join(out, 'onnx', name)])).out;
    expect(await ports('vision_encoder.onnx')).toContain('pixel_values float16[');
    expect(await ports('embed_tokens.onnx')).toContain('inputs_embeds float32[');
  });

  it('fails a gate with exit code 2, and keeps the output with its report', async () => {
    const out = join(root, 'out');
    const ran = await runMain([
      ...[monkey, out, '--precision', 'decoder=int4', '--gate', 'logits.relative=1e-9', '--json'],
    ]);
    expect(ran.code).toBe(2);
    expect(ran.err).toContain('error VC6201');
    const result = JSON.parse(ran.out) as { ok: boolean; failure: { code: string }; output: string };
    expect(result).toMatchObject({ ok: false, failure: { code: 'VC6201' }, output: out });
    expect(manifestOf(out).parity).toBe('failed');
    expect(readFileSync(join(out, 'parity-report.md'), 'utf8')).toContain('FAIL');
  });

  it('writes the same bytes whatever the memory, report included, and says nothing when told so', async () => {
    const run = async (memory: string): Promise<Record<string, string>> => {
      const out = join(root, memory);
      const ran = await runMain([monkey, out, '--precision', 'int4', '--memory', memory, '--quiet']);
      expect(ran).toEqual({ code: 0, out: '', err: '' });
      return digests(out);
    };
    const small = await run('1MiB');
    expect(await run('1GiB')).toEqual(small);
    expect(Object.keys(small)).toContain('parity-report.json');
  });

  it('runs inside a checkpoint, takes the config file there, and lets flags win', async () => {
    const checkpoint = join(root, 'My-Monkey');
    cpSync(monkey, checkpoint, { recursive: true });
    writeFileSync(
      join(checkpoint, 'vlm-convert.config.json'),
      JSON.stringify({ precision: 'int8', resolution: '896x896', lora: 'factored', parity: false }),
    );
    const ran = await runMain(['--precision', 'vision=fp16', '--json'], { cwd: checkpoint });
    expect(ran).toMatchObject({ code: 0, err: '' });
    // Beside the current folder, under the checkpoint's name; the config file is not part of the model.
    expect(readdirSync(root).sort()).toEqual(['My-Monkey', 'My-Monkey-onnx']);
    expect(manifestOf(join(root, 'My-Monkey-onnx')).options).toMatchObject({
      precision: { vision: 'fp16' },
      resolution: { width: 896, height: 896 },
      lora: 'factored',
      parity: false,
    });
    expect(existsSync(join(root, 'My-Monkey-onnx/vlm-convert.config.json'))).toBe(false);
    const result = JSON.parse(ran.out) as { ok: boolean; plan: { components: { precision: string }[] } };
    expect(result.ok).toBe(true);
    expect(result.plan.components.map((one) => one.precision)).toEqual(['fp16', 'fp32', 'fp32']);
  });

  it('takes the pipeline as text, and prints it as it takes it', async () => {
    const text = 'retarget-resolution{896x896},fold,fuse-attention,float16,dead-code';
    const out = join(root, 'out');
    const ran = await runMain([
      ...[monkey, out, '--no-parity', '--passes', `vision:${text}`, '--passes', 'decoder:int8'],
    ]);
    expect(ran.code).toBe(0);
    expect(manifestOf(out).passes).toMatchObject({ vision: text, decoder: 'int8' });
  });
});

describe('a dry run', () => {
  it('writes nothing and knows the size of every file', async () => {
    const out = join(root, 'out');
    const argv = [monkey, out, ...quick, '--resolution', '1544x896'];
    const dry = await runMain([...argv, '--dry-run', '--json']);
    expect(dry.code).toBe(0);
    expect(readdirSync(root)).toEqual([]);
    const { plan } = JSON.parse(dry.out) as {
      plan: {
        files: { path: string; bytes: number }[];
        bytes: { lora: { merge: number; factored: number } };
        image: { views: { adapter: number | null; trained?: boolean }[] };
        components: { id: string; passes: string }[];
      };
    };
    expect(plan.image.views.map(({ adapter }) => adapter)).toEqual([0, 1, 2, 3, 3, 3, null]);
    expect((await runMain(argv)).code).toBe(0);
    const sizes = manifestOf(out).files.map(({ path, bytes }) => ({ path, bytes }));
    const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);
    expect([...plan.files].sort(byPath)).toEqual(sizes);

    // What it says of the other choice is what the other choice takes.
    const graphs = (folder: string): number =>
      manifestOf(folder)
        .files.filter(({ path }) => path.includes('.onnx_data'))
        .reduce((sum, { bytes }) => sum + bytes, 0);
    expect(plan.bytes.lora.merge).toBe(graphs(out));
    const factored = join(root, 'factored');
    const other = [monkey, factored, ...quick, '--resolution', '1544x896', '--lora', 'factored'];
    expect((await runMain(other)).code).toBe(0);
    expect(plan.bytes.lora.factored).toBe(graphs(factored));
    expect(plan.bytes.lora.factored).not.toBe(plan.bytes.lora.merge);
  });

  it('prints the plan under --strict, too, and then refuses', async () => {
    const argv = [monkey, join(root, 'out'), '--resolution', '1544x896', '--dry-run', '--strict'];
    const ran = await runMain(argv);
    expect(ran.code).toBe(2);
    expect(ran.out).toContain('vision_encoder.onnx_data');
    expect(ran.err).toMatch(/^error VC4007/);
    expect(JSON.parse((await runMain([...argv, '--json'])).out)).toMatchObject({
      ok: false,
      refusal: { code: 'VC4007', found: '3 warnings: VC4301' },
    });
  });

  it('says in a plan how many features are chosen, where a model chooses', async () => {
    const checkpoint = join(fixtures, 'textmonkey/resized-896/checkpoint');
    const argv = [checkpoint, join(root, 'out'), '--resolution', '896x448', '--dry-run'];
    expect((await runMain(argv)).out).toContain(
      '286 image tokens, 30 chosen of 2 tiles with 256 each, 256 for the global view',
    );
  });

  it('prints tiles, passes, files and bytes for people', async () => {
    const ran = await runMain([monkey, join(root, 'out'), '--resolution', '1544x896', '--dry-run']);
    expect(ran.code).toBe(0);
    for (const text of ['3x2 tiles', 'row 1, column 2', 'merge-lora', 'vision_encoder.onnx_data', 'VC4301']) {
      expect(ran.out).toContain(text);
    }
  });
});

describe('the output folder', () => {
  it('is replaced when it is an earlier output, refused when it is not, and replaced by force', async () => {
    const out = join(root, 'out');
    mkdirSync(out);
    writeFileSync(join(out, 'thesis.txt'), 'mine');
    const refused = await runMain([monkey, out, ...quick]);
    expect(refused.code).toBe(5);
    expect(refused.err).toContain('error VC5101');
    expect(digests(root)).toHaveProperty(['out/thesis.txt']);

    expect((await runMain([monkey, out, ...quick, '--force'])).code).toBe(0);
    expect(existsSync(join(out, 'thesis.txt'))).toBe(false);
    const first = digests(out);
    expect((await runMain([monkey, out, '--no-parity', '--precision', 'fp16'])).code).toBe(0);
    expect(digests(out)).not.toEqual(first);
    expect(readdirSync(root)).toEqual(['out']);
  });

  it('is as it was after a run that was interrupted, and --resume ends as if it had not been', async () => {
    const out = join(root, 'out');
    const whole = join(root, 'whole');
    expect((await runMain([monkey, out, ...quick])).code).toBe(0);
    expect((await runMain([monkey, whole, '--precision', 'fp16'])).code).toBe(0);
    const before = digests(out);
    const interrupted = (stage: string, flags: readonly string[] = []) =>
      runMain([monkey, out, '--precision', 'fp16', ...flags], {
        onOut: (text, interrupt) => {
          if (text.includes(stage)) interrupt();
        },
      });
    // Before anything is written there is nothing to resume.
    const early = await interrupted('Run the passes');
    expect(early).toMatchObject({
      code: 130,
      err: 'error VC5190: interrupted; nothing was written under the name of the output\n',
    });
    expect(readdirSync(root).sort()).toEqual(['out', 'whole']);
    for (const stage of ['Write the output', 'Check against']) {
      const ran = await interrupted(stage, stage === 'Check against' ? ['--resume'] : []);
      expect(ran.code).toBe(130);
      expect(ran.err).toContain('to do:    the same command with --resume goes on from what is finished\n');
      expect(digests(out)).toEqual(before);
      expect(readdirSync(root).sort()).toEqual(['.out.vlm-convert', 'out', 'whole']);
    }
    const resumed = await runMain([monkey, out, '--precision', 'fp16', '--resume']);
    expect(resumed).toMatchObject({ code: 0, err: '' });
    expect(digests(out)).toEqual(digests(whole));
    expect(readdirSync(root).sort()).toEqual(['out', 'whole']);
  });
});

describe('one clear message', () => {
  const cases: [string, readonly string[], string, number][] = [
    ['a resolution of nothing', ['--resolution', '0x0'], 'VC4002', 3],
    ['a resolution that is no number', ['--resolution', '1e9x1e9'], 'VC4002', 3],
    ['an absurd resolution', ['--resolution', '100000000x100000000'], 'VC4201', 3],
    ['less than a tile', ['--resolution', '200x200'], 'VC4202', 3],
    ['an unknown component', ['--precision', 'visoin=int4'], 'VC4006', 3],
    ['an unknown pass', ['--passes', 'merge-laro'], 'VC4402', 3],
    ['an unknown gate', ['--gate', 'logits.kll=1'], 'VC6105', 3],
    ['an unknown flag', ['--resolutoin', '1x1'], 'VC4001', 3],
    ['warnings under --strict', ['--resolution', '1544x896', '--strict'], 'VC4007', 2],
    ['a policy that refuses', ['--resolution', '1544x896', '--lora-tiles', 'error'], 'VC4302', 4],
  ];
  it.each(cases)('%s', async (_, flags, code, exit) => {
    for (const dry of [[], ['--dry-run']]) {
      const ran = await runMain([monkey, join(root, 'out'), ...flags, ...dry]);
      expect(ran.err).toContain(`error ${code}: `);
      expect(ran.err).not.toMatch(/^ +at /m);
      expect(ran.code).toBe(exit);
      expect(readdirSync(root)).toEqual([]);
    }
  });

  it('no checkpoint at all', async () => {
    const ran = await runMain([], { cwd: root });
    expect(ran.code).toBe(3);
    expect(ran.err).toContain('error VC4005');
  });

  it('a checkpoint that does not exist, as JSON too', async () => {
    const ran = await runMain([join(root, 'nowhere'), '--json']);
    expect(ran.code).toBe(4);
    expect(ran.err).toContain('error VC1101');
    expect(JSON.parse(ran.out)).toMatchObject({ ok: false, exitCode: 4, error: { code: 'VC1101' } });
  });

  it('an output below a file', async () => {
    writeFileSync(join(root, 'file'), '');
    const ran = await runMain([monkey, join(root, 'file/out'), ...quick]);
    expect(ran.code).toBe(5);
    expect(ran.err).toContain('error VC5103');
  });

  it('a model_type that is nearly known: the known ones, and the nearest', async () => {
    const checkpoint = join(root, 'model');
    cpSync(monkey, checkpoint, { recursive: true });
    const config = JSON.parse(readFileSync(join(monkey, 'config.json'), 'utf8')) as object;
    writeFileSync(join(checkpoint, 'config.json'), JSON.stringify({ ...config, model_type: 'monkeys' }));
    const ran = await runMain([checkpoint, join(root, 'out'), ...quick]);
    expect(ran.code).toBe(4);
    expect(ran.err).toContain('error VC1231');
    expect(ran.err).toContain('did you mean "monkey"?');
    expect(ran.err).toContain('qwen');
  });
});
