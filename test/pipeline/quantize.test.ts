/** `quantize`: an ONNX file to one of lower precision, with what stands around the graph. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openModel } from '../../src/formats/onnx/open.ts';
import { Graph } from '../../src/graph/graph.ts';
import { inferModel } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import { planQuantization, type QuantizeOptions, quantize, VlmError } from '../../src/index.ts';
import { bytesOf } from '../../src/kernels/bytes.ts';
import { quantizeTableRows } from '../../src/kernels/quantize.ts';
import { transpose2d } from '../../src/tensor/derived/transpose.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import { inlineTensor, readAll, type Tensor } from '../../src/tensor/tensor.ts';
import { writeModel } from '../formats/onnx/write-model.ts';
import { fixtures } from '../golden-folders.ts';
import { readRecorded } from '../kernels/recorded.ts';
import { buildModel, randomNumbers, randomWeight } from '../support/run-model.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'vlm-quantize-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => rmSync(join(root, 'out'), { recursive: true, force: true }));

const out = (): string => join(root, 'out');

/** Quantizes into `out`, and gives initializers of the result by name. */
async function run(model: string, options: Omit<QuantizeOptions, 'model'>): Promise<Map<string, Uint8Array>> {
  await quantize({ model, output: out(), ...options });
  const [file = ''] = readdirSync(out()).filter((name) => name.endsWith('.onnx'));
  const opened = await openModel(join(out(), file));
  try {
    const found = new Map<string, Uint8Array>();
    for (const { name, initializer } of opened.model.graph.initializers())
      found.set(name, await readAll(initializer));
    return found;
  } finally {
    await opened.close();
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof VlmError ? error.code : `${error}`;
}

const recorded = readRecorded('onnxruntime.safetensors');
const recordedHalf = readRecorded('onnxruntime-float16.safetensors');

/** A weight that was recorded, as a linear layer reads it. */
function recordedLinear(type: 'f32' | 'f16' | 'bf16', block: number, graphType: DType): Model {
  const found = recorded.get(`matmul.${type}.${block}.weights`);
  if (found === undefined) throw new Error('not recorded');
  const [n = 0, k = 0] = found.shape;
  const dtype = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[type] as DType;
  return buildModel((b) => {
    const x = b.input('x', tensorType(graphType, ['rows', k]));
    // Stored [K, N], as exporters do.
    const stored = b.weight('w', transpose2d(inlineTensor(dtype, [n, k], found.bytes)));
    const w = dtype === graphType ? stored : b.op('Cast', [stored], { attributes: { to: 1 } });
    b.output('y', b.op('MatMul', [x, w]));
  });
}

describe.each([
  ['f32', 'float32', recorded, 'f32'],
  ['bf16', 'float32', recorded, 'bf16'],
  ['f16', 'float32', recorded, 'f16'],
  ['f16', 'float16', recordedHalf, 'half'],
] as const)('a weight of %s in a graph of %s', (type, graphType, source, key) => {
  it.each([4, 8] as const)('in %i bits is what onnxruntime made of it', async (bits) => {
    const { path } = await writeModel(join(root, 'm'), recordedLinear(type, 32, graphType), {
      fileName: 'm',
    });
    for (const symmetric of [false, true]) {
      rmSync(out(), { recursive: true, force: true });
      // Rows of the largest float32 have no finite scale.
      const made = await run(path, { precision: `int${bits}`, symmetric, allowNonfinite: true });
      const form = `matmul.${key}.32.${bits}.${symmetric ? 'symmetric' : 'asymmetric'}`;
      for (const part of symmetric ? ['values', 'scales'] : ['values', 'scales', 'zero_points']) {
        const expected = source.get(`${form}.${part}`)?.bytes ?? new Uint8Array();
        expect(Buffer.compare(made.get(`w.${part}`) ?? new Uint8Array(), expected), part).toBe(0);
      }
    }
  });
});

it('quantizes a table by the rule for tables, and leaves it alone when told so', async () => {
  // A block of zeros: where the rule for matrices has another zero point.
  const numbers = randomNumbers(300 * 64, 3, 0.1).fill(0, 0, 32);
  const model = buildModel((b) => {
    const table = b.weight('table', inlineTensor('float32', [300, 64], bytesOf(numbers)));
    b.output('y', b.op('Gather', [table, b.input('ids', tensorType('int64', ['n']))]));
  });
  const { path } = await writeModel(join(root, 'table'), model, { fileName: 'table' });
  const made = await run(path, { precision: 'int4' });
  const twin = quantizeTableRows(numbers, 64, { bits: 4, block: 32, symmetric: false });
  expect(Buffer.compare(made.get('table.values') ?? new Uint8Array(), twin.values)).toBe(0);
  expect(
    Buffer.compare(made.get('table.zero_points') ?? new Uint8Array(), bytesOf(twin.zeroPoints ?? numbers)),
  ).toBe(0);
  expect(Buffer.compare(made.get('table.scales') ?? new Uint8Array(), bytesOf(twin.scales))).toBe(0);
  const kept = await run(path, { precision: 'int4', quantizeEmbeddings: false });
  expect(Buffer.compare(kept.get('table') ?? new Uint8Array(), bytesOf(numbers))).toBe(0);
});

/** Weights of some megabytes in a file beside the model, a small one inside. */
function layers(poison?: { readonly weight: 'w' | 'mask'; readonly value: number }): Model {
  const numbers = (name: string, shape: readonly [number, number], seed: number): Tensor => {
    const values = randomNumbers(shape[0] * shape[1], seed, 0.1);
    if (poison?.weight === name) values[5] = poison.value;
    return inlineTensor('float32', shape, bytesOf(values));
  };
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['n', 512]));
    const h = b.op('MatMul', [x, b.weight('w', numbers('w', [512, 768], 1))]);
    const masked = b.op('Add', [h, b.weight('mask', numbers('mask', [64, 768], 2))]);
    b.output('y', b.op('MatMul', [masked, b.weight('down', numbers('down', [768, 512], 3))]));
  });
}

describe('the output', () => {
  it('is a folder of ours: one graph, its data, a manifest that says that nothing was checked', async () => {
    const { path } = await writeModel(join(root, 'm'), layers(), { fileName: 'decoder', alignment: 64 });
    const { plan, files, output } = await quantize(
      { model: path, precision: 'int4' },
      { cwd: join(root, 'm') },
    );
    expect(output).toBe(join(root, 'decoder-int4'));
    expect(readdirSync(output).sort()).toEqual(['decoder.onnx', 'decoder.onnx_data', 'vlm-convert.json']);
    const manifest = JSON.parse(readFileSync(join(output, 'vlm-convert.json'), 'utf8')) as object;
    expect(manifest).toMatchObject({
      tool: 'vlm-convert',
      architecture: 'onnx',
      inputs: { checkpoint: 'decoder.onnx' },
      options: { precision: 'int4', blockSize: 32 },
      passes: { decoder: 'fold,dead-code,int4,dead-code' },
      parity: 'not run',
      files,
    });
    expect(plan.files).toEqual(files.map(({ path: name, bytes }) => ({ path: name, bytes })));
    // An earlier output of ours is replaced.
    await quantize({ model: path, precision: 'int4' }, { cwd: join(root, 'm') });
    rmSync(output, { recursive: true });
  });

  it('has the same bytes whatever the memory and the workers', async () => {
    const { path } = await writeModel(join(root, 'm'), layers(), { fileName: 'm' });
    const bytes = async (options: Partial<QuantizeOptions>): Promise<(string | Buffer)[][]> => {
      rmSync(out(), { recursive: true, force: true });
      await quantize({ model: path, output: out(), precision: 'int8', ...options });
      return readdirSync(out()).map((name) => [name, readFileSync(join(out(), name))]);
    };
    const usual = await bytes({});
    expect(await bytes({ memory: 2 ** 20, jobs: 1 })).toEqual(usual);
    expect(await bytes({ jobs: 3 })).toEqual(usual);
  });

  it('keeps names, metadata, functions, bodies and what passes do not know', async () => {
    for (const name of [
      'local-functions',
      'metadata-everywhere',
      'same-names-in-siblings',
      'several-opset-imports',
    ]) {
      rmSync(out(), { recursive: true, force: true });
      const folder = join(fixtures, 'onnx-import/edge', name);
      await quantize({ model: join(folder, 'model.onnx'), output: out(), passes: 'int4' });
      const [before, after] = [
        await openModel(join(folder, 'model.onnx')),
        await openModel(join(out(), 'model.onnx')),
      ];
      // What is written says all the types that are known.
      inferModel(before.model);
      expect(printModel(after.model)).toBe(printModel(before.model));
      expect(after.model.functions.length).toBe(before.model.functions.length);
      expect([...after.model.metadata]).toEqual([...before.model.metadata]);
      await Promise.all([before.close(), after.close()]);
    }
  });

  it('may not hold the model, and replaces nothing that is not ours', async () => {
    const { path } = await writeModel(join(root, 'm'), layers(), { fileName: 'm' });
    const to = (output: string) => codeOf(quantize({ model: path, output, precision: 'int4' }));
    expect(await to(join(root, 'm'))).toBe('VC5102');
    expect(await to(root)).toBe('VC5102');
    copyFileSync(path, join(root, 'file'));
    expect(await to(join(root, 'file'))).toBe('VC5101');
  });
});

describe('weights that are not finite', () => {
  it('are refused where they are quantized, by name', async () => {
    const { path } = await writeModel(join(root, 'm'), layers({ weight: 'w', value: Number.NaN }), {
      fileName: 'm',
    });
    await expect(quantize({ model: path, output: out(), precision: 'int4' })).rejects.toMatchObject({
      code: 'VC3901',
      record: { where: 'w' },
    });
    expect(readdirSync(root).filter((name) => name.includes('out'))).toEqual([]);
    await quantize({ model: path, output: out(), precision: 'int4', allowNonfinite: true });
  });

  it('stay where they are not: masks', async () => {
    const poison = { weight: 'mask', value: Number.NEGATIVE_INFINITY } as const;
    const { path } = await writeModel(join(root, 'm'), layers(poison), { fileName: 'm' });
    const made = await run(path, { precision: 'int4' });
    const mask = new Float32Array((made.get('mask') ?? new Uint8Array()).slice().buffer);
    expect(mask[5]).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('what is asked for', () => {
  const plan = (options: Partial<QuantizeOptions>) =>
    planQuantization({ model: join(root, 'm/m.onnx'), output: out(), ...options });
  beforeAll(() => writeModel(join(root, 'm'), layers(), { fileName: 'm' }));

  it('is planned without reading weights', async () => {
    const { plan: planned, output } = await plan({ precision: 'int4', blockSize: 64 });
    expect(output).toBe(out());
    expect(planned.components).toMatchObject([{ id: 'm', precision: 'int4', tensors: 7 }]);
    expect(planned.components[0]?.coverage.map(({ use, weights }) => [use, weights])).toEqual([
      ['MatMul', 2],
      ['Add', 1],
    ]);
    expect(planned.warnings).toEqual([]);
  });

  it('needs a precision, or passes', async () => {
    expect(await codeOf(plan({}))).toBe('VC4009');
    expect(await codeOf(plan({ precision: 'fp32' }))).toBe('VC4009');
    expect(await codeOf(plan({ passes: 'int5' }))).toBe('VC4402');
    expect((await plan({ passes: 'int8-channel' })).plan.components[0]?.precision).toBe('int8');
  });

  it('is a warning where there is nothing to do, an error when warnings are', async () => {
    const model = join(fixtures, 'onnx-import/ort-dynamic-int8-vit/model.onnx');
    const { plan: planned } = await plan({ model, precision: 'int4' });
    expect(planned.warnings.map(({ code }) => code)).toEqual(['VC3301']);
    expect(await codeOf(quantize({ model, output: out(), precision: 'int4', strict: true }))).toBe('VC4007');
  });

  it('says so where the weights are inputs of the graph', async () => {
    const graph = new Graph('main');
    const x = graph.addInput('x', tensorType('float32', [1, 64]));
    const w = graph.addInput('w', tensorType('float32', [64, 64]));
    graph.setInitializer(w, randomWeight('w', [64, 64], 1));
    graph.setOutputs([graph.addNode({ op: 'MatMul', inputs: [x, w], outputs: [{ name: 'y' }] }).output]);
    const { path } = await writeModel(join(root, 'inputs'), createModel(graph, 20), { fileName: 'm' });
    const { plan: planned } = await plan({ model: path, precision: 'int4' });
    const [, passes] = /inputs of the graph.*--passes "(.*)"/.exec(planned.warnings[0]?.hint ?? '') ?? [];
    expect(passes).toBe('freeze-defaults,fold,dead-code,int4,dead-code');
    const { plan: frozen } = await plan({ model: path, passes });
    expect(frozen.warnings).toEqual([]);
    expect(frozen.components[0]?.coverage.map(({ format }) => format)).toEqual(['int4 block 32 asymmetric']);
  });

  it('is refused for what is no model', async () => {
    expect(await codeOf(plan({ model: join(root, 'nothing.onnx'), precision: 'int4' }))).toBe('VC2001');
    expect(await codeOf(plan({ model: join(fixtures, 'quantize/README.md'), precision: 'int4' }))).toMatch(
      /^VC20/,
    );
  });
});
