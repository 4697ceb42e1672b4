import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { VlmError } from '../../src/report/diagnostics.ts';
import { openSession, runtimeVersion } from '../../src/runtime/session.ts';
import { float32Value, int64Value, toFloat16, toFloat32 } from '../../src/runtime/values.ts';

/** sum = x + cast(n), half = x as float16 twice, count = n + n. */
async function model(): Promise<Uint8Array> {
  const b = new GraphBuilder('sums', inferNode);
  const x = b.input('x', tensorType('float32', ['rows', 2]));
  const h = b.input('h', tensorType('float16', ['rows', 2]));
  const n = b.input('n', tensorType('int64', []));
  b.output('sum', b.op('Add', [x, b.op('Cast', [n], { attributes: { to: 1 } })]));
  b.output('half', b.op('Add', [h, h]));
  b.output('count', b.op('Add', [n, n]));
  const made = createModel(b.graph, 20);
  return encodeModel(made, layoutModel(made, { fileName: 'sums' }));
}

const failure = (promise: Promise<unknown>): Promise<VlmError> =>
  promise.then(
    () => {
      throw new Error('nothing was thrown');
    },
    (error: VlmError) => error,
  );

let folder = '';
let bytes = new Uint8Array();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-session-'));
  bytes = new Uint8Array(await model());
});

afterAll(() => rm(folder, { recursive: true }));

const x = float32Value([2, 2], Float32Array.of(1, 2, 3, 4));
const feeds = () =>
  new Map([
    ['x', x],
    ['h', toFloat16(x)],
    ['n', int64Value([], [7])],
  ]);

describe('openSession', () => {
  it('runs a model in memory, and says what it takes and gives', async () => {
    const session = await openSession({ bytes }, { device: 'cpu' });
    expect(session.inputs).toEqual([
      { name: 'x', dtype: 'float32', shape: ['rows', 2] },
      { name: 'h', dtype: 'float16', shape: ['rows', 2] },
      { name: 'n', dtype: 'int64', shape: [] },
    ]);
    expect(session.outputs.map((port) => port.name)).toEqual(['sum', 'half', 'count']);
    const outputs = await session.run(feeds());
    expect(outputs.get('sum')).toEqual(float32Value([2, 2], Float32Array.of(8, 9, 10, 11)));
    const half = outputs.get('half');
    expect(half?.dtype).toBe('float16');
    expect(half && [...toFloat32(half)]).toEqual([2, 4, 6, 8]);
    expect(outputs.get('count')?.data).toEqual(BigInt64Array.of(14n));
    await session.release();
  });

  it('runs a file, gives only what is wanted, and rounds float32 where an input is float16', async () => {
    const path = join(folder, 'sums.onnx');
    await writeFile(path, bytes);
    const session = await openSession(path, { device: 'cpu' });
    const precise = float32Value([1, 2], Float32Array.of(1.0001, 2049));
    const outputs = await session.run(
      new Map([
        ['x', precise],
        ['h', precise],
        ['n', int64Value([], [0])],
      ]),
      ['half'],
    );
    expect([...outputs.keys()]).toEqual(['half']);
    const half = outputs.get('half');
    expect(half && [...toFloat32(half)]).toEqual([2, 4096]);
    await session.release();
  });

  it('cannot run after its release', async () => {
    const session = await openSession({ bytes }, { device: 'cpu' });
    await session.release();
    expect((await failure(session.run(feeds()))).code).toBe('VC6004');
  });
});

describe('errors', () => {
  it('passes on why the runtime refuses a model', async () => {
    const broken = await failure(openSession({ bytes: Uint8Array.of(1, 2, 3) }, { device: 'cpu' }));
    expect(broken.code).toBe('VC6003');
    expect(broken.record.found).toMatch(/protobuf/);
    const missing = await failure(openSession(join(folder, 'missing.onnx'), { device: 'cpu' }));
    expect(missing.code).toBe('VC6003');
    expect(missing.record.where).toMatch(/missing\.onnx$/);
  });

  it('tells a failed run from a refused model', async () => {
    const session = await openSession({ bytes }, { device: 'cpu' });
    const wrongShape = feeds().set('x', float32Value([2, 3], new Float32Array(6)));
    const error = await failure(session.run(wrongShape));
    expect(error.code).toBe('VC6004');
    expect(error.record.found).toMatch(/dimension/i);
    await session.release();
  });

  it('names inputs and outputs that do not fit', async () => {
    const session = await openSession({ bytes }, { device: 'cpu' });
    const without = feeds();
    without.delete('n');
    expect((await failure(session.run(without))).message).toMatch(/input n/);
    expect((await failure(session.run(feeds().set('y', x)))).message).toMatch(/an input y/);
    expect((await failure(session.run(feeds(), ['product']))).message).toMatch(/an output product/);
    const wrongType = await failure(session.run(feeds().set('n', x)));
    expect(wrongType.code).toBe('VC6101');
    expect(wrongType.record.where).toMatch(/input n/);
    await session.release();
  });
});

it('knows the version of the runtime', async () => {
  expect((await runtimeVersion()).version).toMatch(/^1\.\d+\.\d+$/);
});
