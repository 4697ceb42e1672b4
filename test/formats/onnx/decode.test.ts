import { onnx } from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { decodeModel } from '../../../src/formats/onnx/decode.ts';
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import type { ExternalFiles } from '../../../src/formats/onnx/external-data.ts';
import { layoutModel } from '../../../src/formats/onnx/layout.ts';
import { cutField } from '../../../src/formats/onnx/schema.ts';
import { compareModels } from '../../../src/graph/compare.ts';
import type { Model } from '../../../src/graph/model.ts';
import { type ByteSource, memorySource } from '../../../src/tensor/byte-source.ts';
import { readAll } from '../../../src/tensor/tensor.ts';

const noFiles: ExternalFiles = {
  open: (location) => Promise.reject(new Error(`opened ${location}`)),
  close: async () => {},
};

const decode = (bytes: Uint8Array): Promise<Model> => decodeModel(memorySource('m', bytes), noFiles);

const encode = (model: Model): Promise<Uint8Array> =>
  encodeModel(model, layoutModel(model, { fileName: 'm', inlineLimit: 1 << 30 }));

const modelBytes = (graph: onnx.IGraphProto): Uint8Array =>
  onnx.ModelProto.encode(
    onnx.ModelProto.create({ irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }),
  ).finish();

/** A length-delimited field. */
const field = (number: number, ...body: Uint8Array[]): Buffer => {
  const payload = Buffer.concat(body);
  return Buffer.concat([Buffer.from(varint(number * 8 + 2)), Buffer.from(varint(payload.length)), payload]);
};

const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];

function counting(bytes: Uint8Array): { source: ByteSource; read: () => number } {
  const inner = memorySource('big', bytes);
  let total = 0;
  return {
    source: {
      ...inner,
      read: (begin, end) => {
        total += end - begin;
        return inner.read(begin, end);
      },
    },
    read: () => total,
  };
}

/** Encoding may raise the IR version; the rest must be as it was. */
const withIr = (before: Model, after: Model): Model => {
  after.irVersion = before.irVersion;
  return after;
};

describe('laziness', () => {
  const weight = (name: string, bytes: number): onnx.ITensorProto => ({
    name,
    dims: [bytes],
    dataType: 2,
    rawData: Uint8Array.from({ length: bytes }, (_, i) => i % 251),
  });

  it('leaves large raw_data in the file, wherever it stands, and reads it at its place when asked', async () => {
    const size = 5 << 20;
    const bytes = modelBytes({
      name: 'g',
      initializer: [weight('small', 100), weight('big', size)],
      node: [
        {
          opType: 'If',
          input: ['small'],
          output: ['y'],
          attribute: [
            { name: 'then_branch', type: 5, g: { name: 't', initializer: [weight('deep', size)] } },
            { name: 'value', type: 4, t: weight('', size) },
          ],
        },
      ],
    });
    const { source, read } = counting(bytes);
    const model = await decodeModel(source, noFiles);
    // Some windows of 64 KiB around the heads; 15 MiB of data are not among them.
    expect(read()).toBeLessThan(1 << 20);
    const [node] = model.graph.nodes();
    const branch = node?.attributes.get('then_branch');
    const value = node?.attributes.get('value');
    const tensors = [
      model.graph.value('big')?.initializer,
      branch?.kind === 'graph' ? branch.value.value('deep')?.initializer : undefined,
      value?.kind === 'tensor' ? value.value : undefined,
    ];
    for (const tensor of tensors) {
      expect(tensor?.origin.kind).toBe('source');
      const bytes = (await tensor?.read(1_000_000, 1_000_003)) ?? [];
      expect([...bytes]).toEqual([1_000_000 % 251, 1_000_001 % 251, 1_000_002 % 251]);
    }
    expect(model.graph.value('small')?.initializer?.origin.kind).toBe('inline');
    // And out again: no mark of a cut may reach a file.
    expect(await compareModels(model, withIr(model, await decode(await encode(model))))).toBeUndefined();
  });

  const numbers = Array.from({ length: 300_000 }, (_, i) => Math.fround(Math.sin(i)));

  it.each([
    ['float_data', 1, 'floatData', Float32Array],
    ['double_data', 11, 'doubleData', Float64Array],
  ] as const)('leaves large packed %s there too', async (_, dataType, list, View) => {
    const bytes = modelBytes({
      name: 'g',
      initializer: [{ name: 'w', dims: [numbers.length], dataType, [list]: numbers }],
    });
    const { source, read } = counting(bytes);
    const tensor = (await decodeModel(source, noFiles)).graph.value('w')?.initializer;
    expect(read()).toBeLessThan(1 << 19);
    expect(tensor?.origin.kind).toBe('source');
    const raw = await tensor?.read(0, tensor.byteLength);
    expect([...new View(new Uint8Array(raw ?? []).buffer)]).toEqual(numbers);
  });

  it('joins a large list that comes in two fields', async () => {
    const tensor = onnx.TensorProto.encode({
      name: 'w',
      dims: [numbers.length],
      dataType: 1,
      floatData: numbers.slice(0, 100_000),
    }).finish();
    const rest = onnx.TensorProto.encode({ floatData: numbers.slice(100_000) }).finish();
    const model = await decode(field(7, field(5, Buffer.from(tensor), Buffer.from(rest))));
    const found = model.graph.value('w')?.initializer;
    const raw = await found?.read(0, found.byteLength);
    expect([...new Float32Array(new Uint8Array(raw ?? []).buffer)]).toEqual(numbers);
  });

  it('refuses a list of another type than the tensor, left in the file or not', async () => {
    const wrong = { name: 'w', dims: [numbers.length], dataType: 6, floatData: numbers };
    await expect(decode(modelBytes({ name: 'g', initializer: [wrong] }))).rejects.toMatchObject({
      code: 'VC2104',
    });
  });

  it('checks the amount of data that it leaves in the file', async () => {
    const bytes = modelBytes({ name: 'g', initializer: [{ ...weight('w', 100_000), dims: [100_001] }] });
    await expect(decode(bytes)).rejects.toMatchObject({ code: 'VC2103' });
  });

  it('refuses a file that forges the mark of a cut', async () => {
    const mark = field(cutField, Buffer.alloc(16));
    const tensor = field(5, Buffer.from([8, 2, 16, 1]), field(8, Buffer.from('w')), mark);
    await expect(decode(field(7, tensor))).rejects.toMatchObject({ code: 'VC2003' });
  });

  it('stores one range of a data file once', async () => {
    const external = (name: string, offset: string): onnx.ITensorProto => ({
      name,
      dims: [4],
      dataType: 2,
      dataLocation: 1,
      externalData: [
        { key: 'location', value: 'w.bin' },
        { key: 'offset', value: offset },
      ],
    });
    const bytes = modelBytes({
      name: 'g',
      initializer: [external('a', '0'), external('b', '0'), external('c', '4')],
    });
    const files: ExternalFiles = {
      open: async (location) =>
        memorySource(
          location,
          Uint8Array.from({ length: 8 }, (_, i) => i),
        ),
      close: async () => {},
    };
    const model = await decodeModel(memorySource('m', bytes), files);
    const layout = layoutModel(model, { fileName: 'm', inlineLimit: 0, alignment: 1 });
    expect(layout.entries.map(({ name, offset }) => [name, offset])).toEqual([
      ['a', 0],
      ['c', 4],
    ]);
  });
});

describe('unknown fields', () => {
  /** Field 1999, a message of two fields with `tag` inside. */
  const unknown = (tag: string): Buffer => field(1999, field(1, Buffer.from(tag)), Buffer.from([16, 1]));

  it('survive in every message that the IR holds', async () => {
    const named = (name: string): Buffer => field(8, Buffer.from(name));
    const tensor = (name: string, tag: string): Buffer =>
      Buffer.concat([Buffer.from([8, 1, 16, 2]), named(name), field(9, Buffer.of(7)), unknown(tag)]);
    const info = (name: string): Buffer => {
      const dim = field(1, Buffer.from([8, 1]), unknown(`dim ${name}`));
      const shape = field(2, dim, unknown(`shape ${name}`));
      const type = field(2, field(1, Buffer.from([8, 2]), shape), unknown(`type ${name}`));
      return Buffer.concat([field(1, Buffer.from(name)), type, unknown(`info ${name}`)]);
    };
    const attribute = Buffer.concat([
      field(1, Buffer.from('value')),
      Buffer.from([0xa0, 1, 4]),
      field(5, Buffer.from([8, 1, 16, 2]), field(9, Buffer.of(9)), unknown('attribute tensor')),
      unknown('attribute'),
    ]);
    const node = Buffer.concat([
      field(2, Buffer.from('c')),
      field(4, Buffer.from('Constant')),
      field(5, attribute),
      unknown('node'),
    ]);
    const graph = Buffer.concat([
      field(1, node),
      field(5, tensor('w', 'tensor')),
      field(11, info('x')),
      field(12, info('c')),
      field(13, info('nobody')),
      unknown('graph'),
    ]);
    const local = Buffer.concat([
      field(1, Buffer.from('f')),
      field(10, Buffer.from('d')),
      field(9, field(1, Buffer.from('')), Buffer.from([16, 17]), unknown('function import')),
      unknown('function'),
    ]);
    const bytes = Buffer.concat([
      Buffer.from([8, 8]),
      field(7, graph),
      field(8, field(1, Buffer.from('')), Buffer.from([16, 17]), unknown('import')),
      field(25, local),
      field(20, unknown('training')),
      unknown('model'),
    ]);
    const written = Buffer.from(await encode(await decode(bytes)));
    const tags = ['tensor', 'attribute tensor', 'attribute', 'node', 'graph', 'function import', 'function'];
    tags.push('import', 'training', 'model');
    for (const name of ['x', 'c', 'nobody']) {
      tags.push(`dim ${name}`, `shape ${name}`, `type ${name}`, `info ${name}`);
    }
    for (const tag of tags) {
      expect(written.includes(unknown(tag)), tag).toBe(true);
      expect(written.indexOf(unknown(tag)), tag).toBe(written.lastIndexOf(unknown(tag)));
    }
  });

  it('of a type go when the type changes', async () => {
    const type = field(2, field(1, Buffer.from([8, 1])), unknown('type'));
    const graph = field(7, field(11, field(1, Buffer.from('x')), type));
    const model = await decode(Buffer.concat([Buffer.from([8, 8]), graph]));
    const [x] = model.graph.inputs;
    if (x === undefined) throw new Error('no input');
    model.graph.setType(x, { kind: 'tensor', dtype: 'int64', shape: ['n'] });
    const written = onnx.ModelProto.decode(await encode(model)).graph?.input?.[0]?.type?.tensorType;
    expect([written?.elemType, written?.shape?.dim?.[0]?.dimParam]).toEqual([7, 'n']);
  });
});

describe('types', () => {
  const dims = async (...protos: onnx.TensorShapeProto.IDimension[]): Promise<Model> =>
    decode(
      modelBytes({
        name: 'g',
        input: [{ name: 'x', type: { tensorType: { elemType: 1, shape: { dim: protos } } } }],
      }),
    );

  it('tell a dimension of 0 from an unknown one, and read negative ones as unknown', async () => {
    const model = await dims({ dimValue: 0 }, {}, { dimValue: -1 }, { dimParam: 'n' }, { dimParam: '' });
    expect(model.graph.inputs[0]?.type).toEqual({
      kind: 'tensor',
      dtype: 'float32',
      shape: [0, null, null, 'n', null],
    });
  });

  it('keep a dimension of 0 when they are written anew', async () => {
    const model = await dims({ dimValue: 3 });
    for (const x of model.graph.inputs) {
      model.graph.setType(x, { kind: 'tensor', dtype: 'float32', shape: [0] });
    }
    const written = onnx.ModelProto.decode(await encode(model)).graph?.input?.[0]?.type?.tensorType;
    const [dim] = written?.shape?.dim ?? [];
    expect(dim !== undefined && Object.hasOwn(dim, 'dimValue')).toBe(true);
  });

  it('of an input stay when it has a default', async () => {
    const model = await decode(
      modelBytes({
        name: 'g',
        input: [{ name: 'x', type: { tensorType: { elemType: 2, shape: { dim: [{ dimParam: 'n' }] } } } }],
        initializer: [{ name: 'x', dims: [2], dataType: 2, rawData: Uint8Array.of(1, 2) }],
      }),
    );
    const x = model.graph.value('x');
    expect(x?.isInput).toBe(true);
    expect([...((await x?.initializer?.read(0, 2)) ?? [])]).toEqual([1, 2]);
    expect(x?.type).toEqual({ kind: 'tensor', dtype: 'uint8', shape: ['n'] });
  });
});

describe('models', () => {
  const version = (domain: string, number: number): Buffer =>
    field(8, field(1, Buffer.from(domain)), Buffer.from([16, number]));
  const empty = Buffer.concat([Buffer.from([8, 8]), field(7, field(2, Buffer.from('g')))]);

  it('may spell the default domain ai.onnx, but not import it in two versions', async () => {
    const model = await decode(Buffer.concat([empty, version('ai.onnx', 17), version('', 17)]));
    expect([...model.opsetImports]).toEqual([['', 17]]);
    const both = Buffer.concat([empty, version('ai.onnx', 17), version('', 18)]);
    await expect(decode(both)).rejects.toMatchObject({ code: 'VC2306' });
  });

  it('with training data in other files are refused: those files would be lost', async () => {
    const tensor = field(5, Buffer.from([8, 1, 16, 2, 112, 1]), field(8, Buffer.from('w')));
    const training = field(20, field(2, tensor));
    await expect(decode(Buffer.concat([empty, training]))).rejects.toMatchObject({ code: 'VC2206' });
  });

  it('that nest groups without end are refused', async () => {
    const groups = Buffer.alloc(2000, 0x0b);
    await expect(decode(Buffer.concat([empty, field(900, groups), groups]))).rejects.toMatchObject({
      code: 'VC2006',
    });
  });
});

describe('names', () => {
  const relu = (name: string, input: string, output: string): onnx.INodeProto => ({
    name,
    opType: 'Relu',
    input: [input],
    output: [output],
  });

  it('of nodes are made up where they are missing, and never at the cost of given ones', async () => {
    const model = await decode(
      modelBytes({
        name: 'g',
        input: [{ name: 'x' }],
        node: [relu('', 'x', 'a'), relu('Relu', 'a', 'b'), relu('', 'b', 'c')],
      }),
    );
    expect([...model.graph.nodes()].map((node) => node.name)).toEqual(['Relu_1', 'Relu', 'Relu_2']);
  });

  it('that are not UTF-8 are refused: mended ones could collide', async () => {
    const named = (...bytes: number[]): Buffer => field(7, field(11, field(1, Buffer.of(...bytes))));
    await expect(decode(named(0xff, 0x61))).rejects.toMatchObject({ code: 'VC2003' });
    expect((await decode(named(0xc3, 0x9f))).graph.inputs[0]?.name).toBe('ß');
  });

  it('of doc strings survive whatever their bytes are', async () => {
    const doc = field(3, Buffer.of(0xff, 0x61));
    const bytes = Buffer.concat([Buffer.from([8, 8]), field(7, field(11, field(1, Buffer.from('x')), doc))]);
    expect(Buffer.from(await encode(await decode(bytes))).includes(doc)).toBe(true);
  });

  it('of subgraph outputs must be made there, as the runtime demands', async () => {
    const branch = { name: 't', output: [{ name: 'x' }] };
    const bytes = modelBytes({
      name: 'g',
      input: [{ name: 'x' }],
      node: [{ opType: 'If', input: ['x'], output: ['y'], attribute: [{ name: 'b', type: 5, g: branch }] }],
    });
    await expect(decode(bytes)).rejects.toMatchObject({ code: 'VC2302' });
  });
});

describe('order', () => {
  const node = (
    opType: string,
    input: string[],
    output: string[],
    g?: onnx.IGraphProto,
  ): onnx.INodeProto => ({
    name: output[0] ?? '',
    opType,
    input,
    output,
    ...(g === undefined ? {} : { attribute: [{ name: 'then_branch', type: 5, g }] }),
  });
  const namesOf = async (...nodes: onnx.INodeProto[]): Promise<string[]> => {
    const model = await decode(modelBytes({ name: 'g', input: [{ name: 'x' }], node: nodes }));
    return [...model.graph.nodes()].map(({ name }) => name);
  };

  it('is mended where nodes stand before what they read, themselves or in their bodies', async () => {
    const branch = { name: 't', node: [node('Neg', ['b'], ['inner'])], output: [{ name: 'inner' }] };
    const sorted = [
      node('Relu', ['x'], ['a']),
      node('Abs', ['a'], ['b']),
      node('If', ['x'], ['c'], branch),
      node('Add', ['c', 'a'], ['d']),
    ];
    expect(await namesOf(...sorted)).toEqual(['a', 'b', 'c', 'd']);
    expect(await namesOf(...[...sorted].reverse())).toEqual(['a', 'b', 'c', 'd']);
    // What is in order stays, whatever else could stand there.
    expect(await namesOf(node('Relu', ['x'], ['z']), node('Relu', ['x'], ['a']))).toEqual(['z', 'a']);
  });

  it('cannot be found in a circle, however long', async () => {
    const ring = Array.from({ length: 20_000 }, (_, i) => node('Relu', [`v${(i + 1) % 20_000}`], [`v${i}`]));
    await expect(namesOf(...ring)).rejects.toMatchObject({ code: 'VC2302' });
  });
});

describe('integers', () => {
  const varint64 = (value: bigint): number[] => {
    const bits = BigInt.asUintN(64, value);
    return bits < 0x80n ? [Number(bits)] : [Number(bits & 0x7fn) | 0x80, ...varint64(bits >> 7n)];
  };

  it('of attributes keep all 64 bits', async () => {
    const ints = ['9223372036854775807', '-9223372036854775808', '-1', '9007199254740993', '4294967296'];
    const attribute = field(
      5,
      field(1, Buffer.from('value_ints')),
      Buffer.from([0xa0, 1, 7]),
      ...ints.map((text) => Buffer.from([8 * 8, ...varint64(BigInt(text))])),
    );
    const node = field(1, field(2, Buffer.from('c')), field(4, Buffer.from('Constant')), attribute);
    const imports = field(8, field(1, Buffer.from('')), Buffer.from([16, 17]));
    const model = await decode(Buffer.concat([Buffer.from([8, 8]), field(7, node), imports]));
    const decoded = [...model.graph.nodes()][0]?.attributes.get('value_ints');
    expect(decoded?.kind === 'ints' ? decoded.value.map(String) : []).toEqual(ints);
    const again = onnx.ModelProto.decode(await encode(model)).graph?.node?.[0]?.attribute?.[0]?.ints;
    expect(again?.map(String)).toEqual(ints);
  });
});

describe('tensor data', () => {
  const tensorOf = async (tensor: onnx.ITensorProto): Promise<Uint8Array> => {
    const model = await decode(modelBytes({ name: 'g', initializer: [{ name: 'w', ...tensor }] }));
    const value = model.graph.value('w')?.initializer;
    if (value === undefined) throw new Error('no tensor');
    return readAll(value);
  };

  it.each([
    ['int8', { dataType: 3, dims: [3], int32Data: [-1, 127, -128] }, [255, 127, 128]],
    [
      'uint16 pattern of a negative',
      { dataType: 4, dims: [2], int32Data: [-2, 65_535] },
      [254, 255, 255, 255],
    ],
    ['bool', { dataType: 9, dims: [3], int32Data: [0, 1, 5] }, [0, 1, 1]],
    ['float16 bits', { dataType: 10, dims: [1], int32Data: [0xfc00] }, [0, 0xfc]],
    ['bfloat16 bits', { dataType: 16, dims: [1], int32Data: [0x3f80] }, [0x80, 0x3f]],
    ['int4, odd count', { dataType: 22, dims: [3], int32Data: [0xf1, 0x07] }, [0xf1, 7]],
    ['uint2', { dataType: 25, dims: [5], int32Data: [0b11100100, 2] }, [0b11100100, 2]],
    ['complex64', { dataType: 14, dims: [1], floatData: [1, -2] }, [0, 0, 128, 63, 0, 0, 0, 192]],
    ['uint32', { dataType: 12, dims: [1], uint64Data: [4_294_967_295] }, [255, 255, 255, 255]],
    ['int64', { dataType: 7, dims: [1], int64Data: [-2] }, [254, 255, 255, 255, 255, 255, 255, 255]],
    ['double', { dataType: 11, dims: [1], doubleData: [1] }, [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]],
  ])('%s', async (_, tensor, expected) => {
    expect([...(await tensorOf(tensor))]).toEqual(expected);
  });

  it.each([
    ['a number beyond the type', { dataType: 3, dims: [1], int32Data: [300] }],
    ['a number beyond uint32', { dataType: 12, dims: [1], uint64Data: [4_294_967_296] }],
    ['too many numbers', { dataType: 3, dims: [1], int32Data: [1, 2] }],
    ['too few numbers', { dataType: 7, dims: [2], int64Data: [1] }],
  ])('refuses %s', async (_, tensor) => {
    await expect(tensorOf(tensor)).rejects.toMatchObject({ code: 'VC2103' });
  });

  it('takes no notice of segments, and does not write them', async () => {
    const tensor = { dataType: 2, dims: [1], rawData: Uint8Array.of(3), segment: { begin: 0, end: 5 } };
    expect([...(await tensorOf(tensor))]).toEqual([3]);
    const model = await decode(modelBytes({ name: 'g', initializer: [{ name: 'w', ...tensor }] }));
    expect(onnx.ModelProto.decode(await encode(model)).graph?.initializer?.[0]?.segment).toBeNull();
  });

  it('refuses numbers in the list of another type', async () => {
    await expect(tensorOf({ dataType: 1, dims: [1], int32Data: [1] })).rejects.toMatchObject({
      code: 'VC2104',
    });
  });
});
