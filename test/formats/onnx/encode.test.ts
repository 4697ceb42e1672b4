import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnx } from 'onnx-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../../src/formats/onnx/layout.ts';
import { float } from '../../../src/graph/attribute.ts';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { createModel, type Model } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { inlineTensor, type Tensor } from '../../../src/tensor/tensor.ts';
import { writeModel } from './write-model.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-encode-'));
});
afterAll(() => rm(folder, { recursive: true }));

const floatTensor = (shape: readonly number[], at: (index: number) => number): Tensor => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return inlineTensor(
    'float32',
    shape,
    new Uint8Array(Float32Array.from({ length: count }, (_, i) => at(i)).buffer),
  );
};

const fresh = (name: string): GraphBuilder => new GraphBuilder(name, () => {});

/**
 * y = (x W) * scale + c: W [16,32] external, c a Constant node [32] of 128 bytes; x rows are dynamic.
 * W is an initializer under two names, which share one tensor.
 */
function linear(): { model: Model; weight: Tensor; constant: Tensor } {
  const weight = floatTensor([16, 32], (i) => Math.sin(i));
  const constant = floatTensor([32], (i) => i / 8);
  const b = fresh('linear');
  const x = b.input('x', tensorType('float32', ['rows', 16]));
  const first = b.op('MatMul', [x, b.weight('w.a', weight)]);
  const second = b.op('MatMul', [x, b.weight('w.b', weight)]);
  const c = b.op('Constant', [], { attributes: { value: { kind: 'tensor', value: constant } } });
  const sum = b.op('Add', [b.op('Mul', [b.op('Add', [first, second]), b.scalar(0.5)]), c]);
  b.output('y', sum);
  b.graph.setType(sum, tensorType('float32', ['rows', 32]));
  return { model: createModel(b.graph, 17), weight, constant };
}

const linearExpected = (x: Float32Array, rows: number): Float32Array => {
  const out = new Float32Array(rows * 32);
  for (let r = 0; r < rows; r += 1) {
    for (let n = 0; n < 32; n += 1) {
      let sum = n / 8;
      for (let k = 0; k < 16; k += 1) sum += (x[r * 16 + k] ?? 0) * Math.fround(Math.sin(k * 32 + n));
      out[r * 32 + n] = sum;
    }
  }
  return out;
};

async function run(
  path: string,
  feeds: Record<string, [type: 'float32' | 'bool', data: Float32Array | Uint8Array, dims: number[]]>,
): Promise<Record<string, Float32Array>> {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(path, { executionProviders: ['cpu'] });
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, [type, data, dims]]) => [
      name,
      type === 'bool'
        ? new ort.Tensor('bool', data as Uint8Array, dims)
        : new ort.Tensor('float32', data as Float32Array, dims),
    ]),
  );
  const results = await session.run(tensors);
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, t.data as Float32Array]));
}

const distance = (a: Float32Array, b: Float32Array): number =>
  a.length === b.length
    ? a.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (b[i] ?? Number.NaN))), 0)
    : Number.NaN;

describe('layoutModel', () => {
  it('aligns offsets, stores a shared tensor once and leaves small tensors inline', () => {
    const { model, weight } = linear();
    const layout = layoutModel(model, { fileName: 'm', inlineLimit: 100 });
    expect(layout.modelFile).toBe('m.onnx');
    expect(
      layout.entries.map(({ name, file, offset, byteLength }) => [name, file, offset, byteLength]),
    ).toEqual([
      ['w.a', 'm.onnx_data', 0, 2048],
      ['Constant:value', 'm.onnx_data', 4096, 128],
    ]);
    expect(layout.dataFiles).toEqual([{ name: 'm.onnx_data', byteLength: 4096 + 128 }]);
    expect(layoutModel(model, { fileName: 'm' }).entries.map((entry) => entry.tensor)).toEqual([weight]);
  });

  it('calls data files after other models, and counts on what stands there', () => {
    const { model, weight } = linear();
    const standing = new Map([['other', 2]]);
    const layout = layoutModel(model, {
      fileName: 'm',
      inlineLimit: 100,
      dataNames: new Map([[weight, 'other']]),
      standing,
    });
    expect(layout.modelFile).toBe('m.onnx');
    expect(layout.entries.map(({ name, file, offset }) => [name, file, offset])).toEqual([
      ['w.a', 'other.onnx_data_2', 0],
      ['Constant:value', 'm.onnx_data', 0],
    ]);
    expect([...standing]).toEqual([
      ['other', 3],
      ['m', 1],
    ]);
  });

  it('starts a new file above the limit, and gives a larger tensor its own', () => {
    const b = fresh('g');
    for (const [name, length] of [
      ['a', 10],
      ['b', 300],
      ['c', 20],
      ['d', 12],
    ] as const) {
      b.weight(
        name,
        floatTensor([length], () => 1),
      );
    }
    const layout = layoutModel(createModel(b.graph, 17), {
      fileName: 'm',
      inlineLimit: 0,
      alignment: 64,
      maxFileBytes: 192,
    });
    expect(layout.entries.map(({ name, file, offset }) => [name, file, offset])).toEqual([
      ['a', 'm.onnx_data', 0],
      ['b', 'm.onnx_data_1', 0],
      ['c', 'm.onnx_data_2', 0],
      ['d', 'm.onnx_data_2', 128],
    ]);
    expect(layout.dataFiles.map((file) => file.byteLength)).toEqual([40, 1200, 176]);
  });
});

describe('encodeModel', () => {
  it('gives a file that the runtime loads and runs, with data in several files and with all of it inline', async () => {
    const x = Float32Array.from({ length: 48 }, (_, i) => Math.cos(i));
    for (const [fileName, inlineLimit] of [
      ['split', 100],
      ['inline', 1 << 20],
    ] as const) {
      const { model } = linear();
      const { path, layout } = await writeModel(folder, model, { fileName, inlineLimit, maxFileBytes: 2048 });
      expect(layout.dataFiles.length).toBe(fileName === 'split' ? 2 : 0);
      const { y } = await run(path, { x: ['float32', x, [3, 16]] });
      expect(distance(y ?? new Float32Array(), linearExpected(x, 3))).toBeLessThan(1e-5);
    }
  });

  it('writes subgraphs that capture outer values and hold data of their own', async () => {
    const b = fresh('outer');
    const x = b.input('x', tensorType('float32', [300]));
    const cond = b.input('cond', tensorType('bool', []));
    const branch = (name: string, at: (i: number) => number): Graph => {
      const graph = new Graph(name, b.graph);
      const w = graph.addInitializer(`${name}_w`, floatTensor([300], at));
      const node = graph.addNode({ op: 'Add', inputs: [x, w], outputs: [{ name: `${name}_y` }] });
      graph.setOutputs([node.output]);
      graph.setType(node.output, tensorType('float32', [300]));
      return graph;
    };
    const y = b.op('If', [cond], {
      attributes: {
        then_branch: { kind: 'graph', value: branch('then', (i) => i) },
        else_branch: { kind: 'graph', value: branch('else', (i) => -i) },
      },
    });
    const z = b.op('LeakyRelu', [y], { attributes: { alpha: float(0.25) } });
    b.output('z', z);
    b.graph.setType(z, tensorType('float32', [300]));
    const { path, layout } = await writeModel(folder, createModel(b.graph, 17), { fileName: 'if' });
    expect(layout.entries.map((entry) => entry.name)).toEqual(['then_w', 'else_w']);
    const feed = new Float32Array(300).fill(1);
    const leaky = (value: number): number => (value < 0 ? value / 4 : value);
    for (const [bit, sign] of [
      [1, 1],
      [0, -1],
    ] as const) {
      const result = await run(path, {
        x: ['float32', feed, [300]],
        cond: ['bool', Uint8Array.of(bit), []],
      });
      const expected = feed.map((value, i) => leaky(value + sign * i));
      expect(distance(result.z ?? new Float32Array(), expected)).toBeLessThan(1e-5);
    }
  });

  it('agrees with an independent decoder on names, types, shapes, nodes and data', async () => {
    const { model, constant } = linear();
    const { path } = await writeModel(folder, model, { fileName: 'second', inlineLimit: 100 });
    const proto = onnx.ModelProto.decode(await readFile(path));
    expect(Number(proto.irVersion)).toBe(8);
    expect(proto.opsetImport.map((entry) => [entry.domain, Number(entry.version)])).toEqual([['', 17]]);
    expect(proto.graph?.node?.map((node) => [node.opType, node.input, node.output])).toEqual(
      [...model.graph.nodes()].map((node) => [
        node.opType,
        node.inputs.map((value) => value?.name),
        node.outputs.map((value) => value?.name),
      ]),
    );
    expect(
      proto.graph?.initializer?.map((t) => [
        t.name,
        t.dims?.map(Number),
        t.dataType,
        Object.fromEntries((t.externalData ?? []).map((entry) => [entry.key, entry.value])),
      ]),
    ).toEqual([
      ['w.a', [16, 32], 1, { location: 'second.onnx_data', offset: '0', length: '2048' }],
      ['w.b', [16, 32], 1, { location: 'second.onnx_data', offset: '0', length: '2048' }],
      ['const_f32', [], 1, {}],
    ]);
    const input = proto.graph?.input?.[0];
    expect(input?.type?.tensorType?.shape?.dim?.map((dim) => dim.dimParam || Number(dim.dimValue))).toEqual([
      'rows',
      16,
    ]);
    const inlined = await encodeModel(model, layoutModel(model, { fileName: 'x', inlineLimit: 1 << 20 }));
    const node = onnx.ModelProto.decode(inlined).graph?.node?.find((n) => n.opType === 'Constant');
    expect(node?.attribute?.[0]?.t?.rawData).toEqual(
      Buffer.from(constant.origin.kind === 'inline' ? constant.origin.bytes : new Uint8Array()),
    );
  });

  it('asks for the lowest IR version that holds the model', async () => {
    const ir = async (model: Model): Promise<number> =>
      Number(
        onnx.ModelProto.decode(await encodeModel(model, layoutModel(model, { fileName: 'm' }))).irVersion,
      );
    const withOpset = (opset: number): Model => ({ ...linear().model, opsetImports: new Map([['', opset]]) });
    expect(await ir(withOpset(9))).toBe(4);
    expect(await ir(withOpset(8))).toBe(4);
    expect(await ir(withOpset(20))).toBe(9);
    expect(await ir(withOpset(21))).toBe(10);
    expect(await ir(withOpset(28))).toBe(14);
    const int4 = linear().model;
    int4.graph.addInitializer('q', inlineTensor('uint4', [3], Uint8Array.of(0x21, 3)));
    expect(await ir(int4)).toBe(10);
    const newer = linear().model;
    newer.irVersion = 11;
    expect(await ir(newer)).toBe(11);
  });

  it('writes a sparse initializer, and no dense type beside it', async () => {
    const { model } = linear();
    model.graph.addSparseInitializer('s', {
      values: floatTensor([1], () => 5),
      indices: inlineTensor('int64', [1], new Uint8Array(8)),
      shape: [4],
    });
    const proto = onnx.ModelProto.decode(await encodeModel(model, layoutModel(model, { fileName: 'm' })));
    expect(proto.graph?.sparseInitializer?.map((sparse) => sparse.values?.name)).toEqual(['s']);
    expect(proto.graph?.valueInfo?.some((info) => info.name === 's')).toBe(false);
  });

  it('refuses a node whose domain is not imported', async () => {
    const { model } = linear();
    const [first] = model.graph.nodes();
    model.graph.addNode({ op: 'Internal', domain: 'not.imported', inputs: [first?.output ?? null] });
    await expect(encodeModel(model, layoutModel(model, { fileName: 'm' }))).rejects.toMatchObject({
      code: 'VC2051',
    });
  });

  it('gives the same bytes every time', async () => {
    const bytes = async (): Promise<Uint8Array> => {
      const { model } = linear();
      return encodeModel(model, layoutModel(model, { fileName: 'm' }));
    };
    expect(await bytes()).toEqual(await bytes());
  });
});
