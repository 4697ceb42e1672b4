/** A model in ONNX through the main command: what is written, what proves it, and who is at fault when it is wrong. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { float } from '../../src/graph/attribute.ts';
import { tensorType } from '../../src/graph/types.ts';
import { deadCode } from '../../src/passes/dead-code.ts';
import { int4 } from '../../src/passes/quantize.ts';
import { findPass } from '../../src/passes/registry.ts';
import { openSession } from '../../src/runtime/session.ts';
import type { RunTensor } from '../../src/runtime/values.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { deviations, recordedRuns } from '../formats/onnx/recorded-runs.ts';
import { writeModel } from '../formats/onnx/write-model.ts';
import { fixtures } from '../golden-folders.ts';
import { deviation } from '../support/deviation.ts';
import { changeLater } from '../support/faulty-pass.ts';
import { readIo } from '../support/read-io.ts';
import { buildModel, randomWeight } from '../support/run-model.ts';
import { runMain } from './run-main.ts';

const bert = join(fixtures, 'onnx-import/bert-ts14-eager-mask');
const model = join(bert, 'model.onnx');
let root = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-graph-')));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

const convert = (...argv: string[]) => runMain(argv, { cwd: root });
const codeOf = async (...argv: string[]) => {
  const { code, err } = await convert(...argv);
  return [code, /^error (VC\d+)/m.exec(err)?.[1]];
};
const report = () => JSON.parse(readFileSync(join(root, 'out/parity-report.json'), 'utf8'));

describe('converting a model', () => {
  it('writes the same model in fewer operators, and says how far it is from the original', async () => {
    const { code, out, err } = await convert(model, 'out');
    expect([code, err]).toEqual([0, '']);
    expect(readdirSync(join(root, 'out')).sort()).toEqual([
      ...['model.onnx', 'model.onnx_data', 'parity-report.json', 'parity-report.md', 'vlm-convert.json'],
    ]);
    expect(out).toMatch(/fuse-layernorm .*5/);
    expect(out).toMatch(/Checked, usual sizes: fidelity \d\.\d+e-\d+ of std at most/);
    expect(out).toMatch(/Checked, other sizes, with padding: fidelity/);
    expect(out).toMatch(/All \d+ gates passed/);
    for (const run of await recordedRuns(bert, 'model.onnx')) {
      expect(await deviations(join(root, 'out/model.onnx'), run)).toEqual([]);
    }
    const { draws, passed, reference } = report();
    expect([passed, reference]).toEqual([true, '']);
    expect(draws.map(({ inputs }: { inputs: { shape: number[] }[] }) => inputs[0]?.shape)).toEqual([
      [1, 8],
      [2, 5],
    ]);
    expect(JSON.parse(readFileSync(join(root, 'out/vlm-convert.json'), 'utf8'))).toMatchObject({
      architecture: 'onnx',
      parity: 'passed',
    });
  });

  it('holds rounded weights to the graph that has their values', async () => {
    const { code } = await convert(model, 'out', '--precision', 'int4', '--block-size', '16');
    expect(code).toBe(0);
    type Level = { level: string; outputs: { metrics: { relative: number } }[]; gates: { limit: number }[] };
    const { draws } = report() as { draws: { levels: Level[] }[] };
    for (const { levels } of draws) {
      expect(levels.map(({ level }) => level)).toEqual(['rewrite', 'implementation', 'fidelity']);
      const [rewrite = 1, implementation = 1, fidelity = 0] = levels.map(({ outputs }) =>
        Math.max(...outputs.map(({ metrics }) => metrics.relative)),
      );
      expect(rewrite).toBeLessThan(1e-6);
      expect(implementation).toBeLessThan(1e-6);
      expect(fidelity).toBeGreaterThan(0.05);
    }
  });

  it('plans without writing', async () => {
    const { code, out } = await convert(model, 'out', '--precision', 'fp16', '--dry-run', '--json');
    expect(code).toBe(0);
    const { plan } = JSON.parse(out);
    expect(plan.components[0].passes).toMatch(/^inline-functions,.*,dead-code,float16,dead-code$/);
    expect(plan.bytes.scratch).toBeGreaterThan(9e4);
    expect(existsSync(join(root, 'out'))).toBe(false);
  });

  it('runs the inputs that it is given', async () => {
    const { code } = await convert(model, 'out', '--inputs', join(bert, 'io.safetensors'));
    expect(code).toBe(0);
    expect(report().draws).toHaveLength(1);
    expect(report().draws[0].inputs.map(({ from }: { from: string }) => from)).toEqual([
      'given',
      'given',
      'given',
    ]);
    expect(await codeOf(model, 'out', '--dim', 'seq=1.5')).toEqual([3, 'VC4002']);
    expect(await codeOf(model, 'out', '--dim', 'seq=7')).toEqual([0, undefined]);
    expect(report().draws[0].inputs[0].shape).toEqual([1, 7]);
  });

  it('goes on from what is written where the check failed to run', async () => {
    // The position table has 40 rows.
    const { code, err } = await convert(model, 'out', '--precision', 'int4', '--dim', 'seq=400');
    expect([code, /VC\d+/.exec(err)?.[0]]).toEqual([6, 'VC6004']);
    expect(err).toContain('--resume');
    expect(existsSync(join(root, 'out'))).toBe(false);
    expect(await convert(model, 'out', '--precision', 'int4', '--resume')).toMatchObject({
      code: 0,
      err: '',
    });
    expect(readdirSync(root)).toEqual(['out']);
  });

  it('refuses what is about checkpoints', async () => {
    expect(await codeOf(model, 'out', '--tiling', 'fit')).toEqual([3, 'VC4002']);
    expect(await codeOf(model, 'out', '--parity', 'streamed')).toEqual([3, 'VC4002']);
    expect(await codeOf(model, 'out', '--precision', 'vision=int4')).toEqual([3, 'VC4002']);
    expect(await codeOf(model, 'out', '--passes', 'int4,retarget-resolution')).toEqual([3, 'VC4406']);
    expect(await codeOf(model, 'out', '--gate', 'nothing.max=1')).toEqual([3, 'VC6105']);
    expect(await codeOf(bert, 'out', '--dim', 'seq=7')).toEqual([3, 'VC4002']);
    expect(existsSync(join(root, 'out'))).toBe(false);
  });
});

describe('another model made of it', () => {
  it('has an adapter in its weights', async () => {
    const folder = join(fixtures, 'onnx-lora/vit-ts17');
    const { code, out } = await convert(
      join(folder, 'model.onnx'),
      'out',
      '--adapter',
      join(folder, 'adapter'),
    );
    expect(code).toBe(0);
    expect(out).toContain('adapter in 5 weights');
    expect(out).toContain('Held to the model after adapter adapter');
    const io = await readIo(join(folder, 'io.safetensors'));
    const found = await outputOf('pixel_values', io.get('in.pixel_values'), 'out');
    expect(deviation(found, io.float32('merged.out'))).toBeLessThan(1e-4);
    expect(deviation(found, io.float32('base.out'))).toBeGreaterThan(0.5);
    const manifest = JSON.parse(readFileSync(join(root, 'out/vlm-convert.json'), 'utf8'));
    expect(manifest.adapters).toMatchObject([{ name: 'adapter', share: 1 }]);
    const other = join(fixtures, 'onnx-lora/gpt2-ts14/adapter');
    expect(await codeOf(join(folder, 'model.onnx'), 'out', '--adapter', other)).toEqual([4, 'VC1306']);
  });

  it('takes pictures of another size', async () => {
    const folder = join(fixtures, 'onnx-retarget/clip-dyn18');
    const { code, out } = await convert(join(folder, 'model.onnx'), 'out', '--resolution', '36x16');
    expect(code).toBe(0);
    expect(out).toContain('Held to the model after retarget-resolution{36x16}');
    const text = readFileSync(join(root, 'out/parity-report.md'), 'utf8');
    expect(text).toMatch(
      /The original is the model after `retarget-resolution\{36x16\}`:\n\n- resized embedding: bicubic/,
    );
    const io = await readIo(join(folder, 'io.safetensors'));
    const [name = ''] = [...io.tensors.keys()].flatMap((key) => /^b\.in\.(.*)$/.exec(key)?.[1] ?? []);
    const [output = ''] = [...io.tensors.keys()].flatMap((key) => /^b\.out\.(.*)$/.exec(key)?.[1] ?? []);
    const found = await outputOf(name, io.get(`b.in.${name}`), output);
    expect(deviation(found, io.float32(`b.out.${output}`))).toBeLessThan(1e-4);
    // Half a patch.
    expect(await codeOf(join(folder, 'model.onnx'), 'out', '--resolution', '34x16')).toEqual([4, 'VC3206']);
  });

  /** What the output computes. */
  async function outputOf(input: string, value: RunTensor, output: string): Promise<Float32Array> {
    const session = await openSession(join(root, 'out/model.onnx'), { device: 'cpu' });
    try {
      const outputs = await session.run(new Map([[input, value]]), [output]);
      return outputs.get(output)?.data as Float32Array;
    } finally {
      await session.release();
    }
  }
});

describe('a conversion that goes wrong', () => {
  it('names the pass, the node and what it came from', async () => {
    const pass = findPass('fuse-layernorm');
    if (pass === undefined) throw new Error('there is no fuse-layernorm');
    const run = pass.run.bind(pass);
    vi.spyOn(pass, 'run').mockImplementation(async (changed, options, cx) => {
      const result = await run(changed, options, cx);
      const norms = [...changed.graph.nodes()].filter(({ op }) => op === 'LayerNormalization');
      if (norms[3] !== undefined) changed.graph.setAttribute(norms[3], 'epsilon', float(0.1));
      return result;
    });
    const { code, err, out } = await convert(model, 'out');
    expect(code).toBe(2);
    expect(err).toMatch(/error VC6205[\s\S]*fuse-layernorm is at fault.*LayerNormalization/);
    expect(out).toContain('gates FAILED');
    const { blame, passed } = report();
    expect(passed).toBe(false);
    expect(blame).toMatchObject({ pass: 'fuse-layernorm', operator: 'LayerNormalization' });
    expect(blame.from.some((name: string) => name.includes('encoder/layer.1'))).toBe(true);
    expect(readFileSync(join(root, 'out/parity-report.md'), 'utf8')).toContain('fuse-layernorm is at fault');
  });

  it('sees weights that were quantized wrongly, though rounding costs more', async () => {
    const run = int4.run.bind(int4);
    vi.spyOn(int4, 'run').mockImplementation(async (changed, options, cx) => {
      const result = await run(changed, options, cx);
      const points = [...changed.graph.initializers()].find(({ name }) => name.endsWith('zero_points'));
      changeLater(changed, points, (bytes) => bytes.set([bytes.at(0) === 0x77 ? 0x78 : 0x77], 0));
      return result;
    });
    const { code } = await convert(model, 'out', '--precision', 'int4', '--block-size', '16');
    expect(code).toBe(2);
    const { draws, blame } = report();
    const failed = draws.flatMap(
      ({ levels }: { levels: { level: string; gates: { passed: boolean }[] }[] }) =>
        levels.filter(({ gates }) => gates.some(({ passed }) => !passed)).map(({ level }) => level),
    );
    expect(new Set(failed)).toEqual(new Set(['implementation']));
    expect(blame.pass).toBe('int4{block=16}');
  });

  it('sees what holds for one size, and without padding, only', async () => {
    const built = buildModel((b) => {
      const x = b.input('x', tensorType('float32', ['n', 'sequence', 8]));
      const mask = b.input('mask', tensorType('float32', ['n', 'sequence', 1]));
      b.output('y', b.op('Mul', [b.op('MatMul', [x, b.weight('w', randomWeight('w', [8, 8], 1))]), mask]));
    });
    const { path } = await writeModel(join(root, 'm'), built, { fileName: 'm' });
    // A pass that takes the mask for ones.
    vi.spyOn(deadCode, 'run').mockImplementation(({ graph }) => {
      const ones = graph.addInitializer(
        'ones',
        inlineTensor('float32', [1], new Uint8Array(new Float32Array([1]).buffer)),
      );
      const [node] = [...graph.nodes()].filter(({ op }) => op === 'Mul');
      if (node !== undefined) graph.setInput(node, 1, ones);
      return { changed: true, stats: {} };
    });
    expect((await convert(path, 'out', '--passes', 'dead-code')).code).toBe(2);
    const { draws, blame } = report();
    const passed = draws.map(({ levels }: { levels: { gates: { passed: boolean }[] }[] }) =>
      levels.every(({ gates }) => gates.every((gate) => gate.passed)),
    );
    expect(passed).toEqual([true, false]);
    expect(blame).toMatchObject({ pass: 'dead-code', operator: 'Mul' });
  });
});
