/** A model of more than 2 GiB: positions beyond 2^31 are read, laid out and written as they are. The data is a hole. */
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onnx } from 'onnx-proto';
import { expect, it } from 'vitest';
import { decodeModel } from '../../../src/formats/onnx/decode.ts';
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../../src/formats/onnx/layout.ts';
import { openModel } from '../../../src/formats/onnx/open.ts';
import { verifyModel } from '../../../src/graph/verify.ts';
import { memorySource } from '../../../src/tensor/byte-source.ts';

const rows = 2200;
const width = 2 ** 20;
const tableAt = 4096;
/** Beyond 2^31. */
const lastAt = tableAt + rows * width;
const fileBytes = lastAt + 16;

const external = (offset: number, length: number): onnx.IStringStringEntryProto[] => [
  { key: 'location', value: 'weights.bin' },
  { key: 'offset', value: String(offset) },
  { key: 'length', value: String(length) },
];

function modelBytes(): Uint8Array {
  const weight = (name: string, dataType: number, dims: number[], offset: number, length: number) => ({
    name,
    dataType,
    dims,
    dataLocation: 1,
    externalData: external(offset, length),
  });
  const port = (name: string, elemType: number, dims: (number | string)[]) => ({
    name,
    type: {
      tensorType: {
        elemType,
        shape: { dim: dims.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: d })) },
      },
    },
  });
  return onnx.ModelProto.encode(
    onnx.ModelProto.create({
      irVersion: 8,
      opsetImport: [{ domain: '', version: 17 }],
      graph: {
        name: 'g',
        input: [port('at', 7, ['n']), port('x', 1, [4])],
        output: [port('picked', 2, ['n', 'k']), port('y', 1, [4])],
        initializer: [
          weight('table', 2, [rows, width], tableAt, rows * width),
          weight('last', 1, [4], lastAt, 16),
          { name: 'columns', dataType: 7, dims: [1], int64Data: [width - 1] },
        ],
        node: [
          { name: 'rows', opType: 'Gather', input: ['table', 'at'], output: ['row'] },
          {
            name: 'columns_of',
            opType: 'Gather',
            input: ['row', 'columns'],
            output: ['picked'],
            attribute: [{ name: 'axis', type: 2, i: 1 }],
          },
          { name: 'sum', opType: 'Add', input: ['x', 'last'], output: ['y'] },
        ],
      },
    }),
  ).finish();
}

it('is read, verified, laid out in files of any size, encoded and decoded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'onnx-large-'));
  try {
    await writeFile(join(folder, 'model.onnx'), modelBytes());
    const handle = await open(join(folder, 'weights.bin'), 'w');
    await handle.truncate(fileBytes);
    await handle.write(Uint8Array.of(1, 2, 3), 0, 3, lastAt - 3);
    await handle.write(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), 0, 16, lastAt);
    await handle.close();

    const { model, close } = await openModel(join(folder, 'model.onnx'));
    verifyModel(model);
    const table = model.graph.value('table')?.initializer;
    const last = model.graph.value('last')?.initializer;
    expect(table?.byteLength).toBe(rows * width);
    expect([...((await table?.read(rows * width - 4, rows * width)) ?? [])]).toEqual([0, 1, 2, 3]);
    expect(last && [...new Float32Array((await last.read(0, 16)).slice().buffer)]).toEqual([1, 2, 3, 4]);

    // All in one file, then the same with the second tensor in a file of its own.
    for (const maxFileBytes of [2 ** 40, 2 ** 31]) {
      const layout = layoutModel(model, { fileName: 'out', inlineLimit: 8, alignment: 4096, maxFileBytes });
      const bytes = await encodeModel(model, layout);
      expect(bytes.byteLength).toBeLessThan(10_000);
      const asked: string[] = [];
      const files = {
        open: async (location: string) => {
          asked.push(location);
          const size = layout.dataFiles.find(({ name }) => name === location)?.byteLength ?? 0;
          const end = async (): Promise<void> => {};
          return { name: location, size, read: async () => new Uint8Array(0), close: end };
        },
        close: async () => {},
      };
      const again = await decodeModel(memorySource('out.onnx', bytes), files);
      const places = ['table', 'last'].map((name) => {
        const origin = again.graph.value(name)?.initializer?.origin;
        return origin?.kind === 'source' ? [origin.source.name, origin.offset] : undefined;
      });
      const [first = '', second = first] = layout.dataFiles.map(({ name }) => name);
      const oneFile = layout.dataFiles.length === 1;
      expect(oneFile).toBe(maxFileBytes === 2 ** 40);
      expect(places).toEqual([
        [first, 0],
        [second, oneFile ? rows * width : 0],
      ]);
      expect(new Set(asked)).toEqual(new Set([first, second]));
    }
    await close();

    const ort = await import('onnxruntime-node');
    const session = await ort.InferenceSession.create(join(folder, 'model.onnx'), {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'disabled',
    });
    const outputs = await session.run({
      at: new ort.Tensor('int64', BigInt64Array.of(0n, BigInt(rows - 1)), [2]),
      x: new ort.Tensor('float32', Float32Array.of(10, 20, 30, 40), [4]),
    });
    expect([...((outputs.picked?.data ?? []) as Uint8Array)]).toEqual([0, 3]);
    expect([...((outputs.y?.data ?? []) as Float32Array)]).toEqual([11, 22, 33, 44]);
    await session.release();
  } finally {
    await rm(folder, { recursive: true });
  }
});
