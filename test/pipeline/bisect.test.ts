/** A sound conversion has no pass at fault; what its rounding costs is ranked; from folders to folders. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bisect } from '../../src/pipeline/bisect.ts';
import { compare } from '../../src/pipeline/compare.ts';
import { convert } from '../../src/pipeline/convert.ts';
import type { Precision } from '../../src/pipeline/options.ts';
import type { VlmError } from '../../src/report/diagnostics.ts';
import { silentReporter } from '../../src/report/sinks.ts';
import { bisectCase } from '../support/bisect-case.ts';
import { type GoldenCase, goldenCase, goldenCases } from '../support/golden-cases.ts';

const precisions: readonly Precision[] = ['fp32', 'fp16', 'int8', 'int4'];
const names = ['qwen-vl/tiny-long', 'monkey/tiny-896', 'llava/hf-tiny'];
const known = goldenCases(['qwen-vl', 'monkey', 'llava']).filter(({ name }) => names.includes(name));

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bisect-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a sound conversion', () => {
  it.each(
    known.flatMap((golden) => {
      // A copy of each weight per view: ranking them takes a while.
      const some = golden.family === 'monkey' ? (['fp32', 'int4'] as const) : precisions;
      return some.map((precision) => [golden.name, precision, golden] as const);
    }),
  )('of %s in %s has no pass at fault', async (_name, precision, golden) => {
    const results = await bisectCase({ golden, options: { precision } });
    expect(results.map(({ fault }) => fault)).toEqual(results.map(() => undefined));
    const ran = results.flatMap(({ passes }) => passes);
    expect(ran.length).toBeGreaterThan(1);
    // Each of them was measured, and is well within what it may be off by.
    for (const { max, limit } of ran) expect(max).toBeLessThan(limit / 3);
    for (const { component, loss } of results) {
      // A table that has its weights in float16 already loses nothing; one with odd blocks stays what it is.
      if (component === 'embed') continue;
      if (precision === 'fp32') expect(loss).toBeUndefined();
      else expect(loss?.relative, component).toBeGreaterThan(precision === 'fp16' ? 1e-5 : 1e-3);
      const shares = loss?.blocks.reduce((sum, { share }) => sum + share, 0);
      expect(shares ?? 1).toBeCloseTo(1, 6);
    }
  });
});

/** A copy of a checkpoint with a large number in every block of 32 of a bfloat16 weight. */
async function withOutliers(golden: GoldenCase, weight: string): Promise<string> {
  const copy = join(folder, 'outliers');
  await cp(golden.checkpoint, copy, { recursive: true });
  const path = join(copy, 'model.safetensors');
  const bytes = await readFile(path);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { readonly dtype: string; readonly shape: readonly number[]; readonly data_offsets: readonly number[] }
  >;
  const entry = header[weight];
  const [begin = 0, end = 0] = entry?.data_offsets ?? [];
  const [, columns = 1] = entry?.shape ?? [];
  expect([entry?.dtype, columns % 32]).toEqual(['BF16', 0]);
  for (let at = 0; at < (end - begin) / 2; at += 1) {
    const row = Math.floor(at / columns);
    if ((at % columns) % 32 !== (row * 7) % 32) continue;
    const place = 8 + headerBytes + begin + 2 * at;
    // 16 times as much.
    bytes.writeUInt16LE(bytes.readUInt16LE(place) + (4 << 7), place);
  }
  await writeFile(path, bytes);
  return copy;
}

/** ‖error‖ / ‖value‖ of the logits of a conversion. */
async function fidelity(checkpoint: string, name: string, passes?: string): Promise<number> {
  const { parity } = await convert({
    checkpoint,
    output: join(folder, name),
    precision: { decoder: 'int4' },
    ...(passes === undefined ? {} : { passes: Object.fromEntries([passes.split(/:(.*)/s).slice(0, 2)]) }),
    parity: 'streamed',
    // It is about the numbers, not about what they may be.
    gate: { 'logits.relative': 10, 'logits.kl': 100, 'cache.relative': 10 },
  });
  const level = parity?.levels.find((one) => one.level === 'fidelity');
  const logits = level?.outputs.find(({ output }) => output === 'logits');
  return logits?.metrics.relative ?? Number.NaN;
}

describe('a weight that is hard to round', () => {
  const sensitive = 'transformer.h.1.attn.c_proj.weight';

  it('comes first, and keeping it restores as much as was said', async () => {
    const checkpoint = await withOutliers(goldenCase('qwen-vl/tiny-long'), sensitive);
    const options = { source: checkpoint, component: 'decoder', precision: { decoder: 'int4' } } as const;
    const { passed, components, output } = await bisect(options, { cwd: folder });
    expect([passed, output]).toEqual([true, undefined]);
    const [decoder] = components;
    const { loss } = decoder ?? {};
    const { advice } = loss ?? {};
    expect(loss?.weights[0]).toMatchObject({ name: sensitive, block: 'layer.1' });
    expect(loss?.weights[0]?.ofAll).toBeGreaterThan(2 * (loss?.weights[1]?.ofAll ?? 1));
    expect(advice?.keep[0]).toBe(sensitive);
    expect(advice?.passes).toContain(`keep=${sensitive}`);
    expect(advice?.relative).toBeLessThan(0.8 * (loss?.relative ?? 0));
    // The check runs other prompts, but not another model.
    const before = await fidelity(checkpoint, 'before');
    const after = await fidelity(checkpoint, 'after', advice?.passes);
    expect(before / (loss?.relative ?? 0)).toBeGreaterThan(0.8);
    expect(before / (loss?.relative ?? 0)).toBeLessThan(1.25);
    expect(after / (advice?.relative ?? 0)).toBeGreaterThan(0.8);
    expect(after / (advice?.relative ?? 0)).toBeLessThan(1.25);
  }, 60_000);
});

describe('bisect', () => {
  const { checkpoint } = goldenCase('qwen-vl/tiny-long');
  const strict = { source: checkpoint, component: 'vision', threshold: 1e-4, precision: 'fp16' } as const;

  it('leaves a small model of what is beyond the threshold, in a folder that it may replace', async () => {
    const target = join(folder, 'reproducer');
    const first = await bisect({ ...strict, reproducer: target });
    const again = await bisect({ ...strict, reproducer: target });
    expect(again).toEqual(first);
    expect(first).toMatchObject({ passed: false, output: target, failure: { code: 'VC6204' } });
    const [vision] = first.components;
    expect(vision?.passes.at(-1)).toMatchObject({ faulty: true, limit: 1e-4 });
    expect(vision?.fault?.pass).toBe('float16');
    const own = join(target, 'vision');
    const { files } = JSON.parse(await readFile(join(target, 'vlm-convert.json'), 'utf8')) as {
      files: readonly { readonly path: string }[];
    };
    expect(files.map(({ path }) => path)).toEqual(
      (await readdir(own)).sort().map((name) => `vision/${name}`),
    );
    const shown = await compare({
      first: join(own, 'expected.onnx'),
      second: join(own, 'after.onnx'),
      inputs: join(own, 'inputs.safetensors'),
      gate: { max: 1e-4 },
    });
    expect(shown.passed).toBe(false);
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('damages no folder that is not its own', async () => {
    const target = join(folder, 'mine');
    await mkdir(target);
    await writeFile(join(target, 'notes.txt'), 'mine');
    const error = await bisect({ ...strict, reproducer: target }).catch((cause: VlmError) => cause);
    expect(error).toMatchObject({ code: 'VC5101' });
    expect(await readdir(target)).toEqual(['notes.txt']);
  });

  it('takes the options of an output, and nothing against them', async () => {
    const source = join(folder, 'output');
    await convert({
      checkpoint,
      output: source,
      precision: { vision: 'int4' },
      blockSize: 64,
      parity: false,
    });
    const options = { source, checkpoint, component: 'vision' };
    const { components } = await bisect(options, { cwd: folder });
    expect(components[0]?.passes.map(({ pass }) => pass)).toContain('int4{block=64}');
    await expect(bisect({ ...options, blockSize: 32 })).rejects.toMatchObject({ code: 'VC4002' });
    await expect(bisect({ ...options, source: folder })).rejects.toMatchObject({ code: 'VC4011' });
    const other = goldenCase('monkey/tiny-896').checkpoint;
    await expect(bisect({ ...options, checkpoint: other })).rejects.toMatchObject({ code: 'VC1132' });
  });

  it('refuses a component that is not there', async () => {
    const error = bisect({ source: checkpoint, component: 'visoin' });
    await expect(error).rejects.toMatchObject({
      code: 'VC4006',
      record: { hint: expect.stringContaining('vision') },
    });
  });

  it('leaves nothing when it is stopped', async () => {
    const stop = new AbortController();
    const target = join(folder, 'stopped');
    const reporter = { ...silentReporter, progress: () => stop.abort() };
    const run = bisect({ ...strict, reproducer: target }, { signal: stop.signal, reporter });
    await expect(run).rejects.toMatchObject({ code: 'VC5190' });
    expect((await readdir(folder)).filter((name) => name.includes('stopped'))).toEqual([]);
  });
});
