/** float16: what is rounded, what stays exact, and what a graph keeps of its outside. */
import { describe, expect, it } from 'vitest';
import { attention } from '../../src/architectures/blocks/attention.ts';
import { decoderSlots } from '../../src/architectures/blocks/decoder-slots.ts';
import { layerNorm } from '../../src/architectures/blocks/layer-norm.ts';
import { linear } from '../../src/architectures/blocks/linear.ts';
import { bicubic } from '../../src/architectures/blocks/resize.ts';
import { rmsNorm } from '../../src/architectures/blocks/rms-norm.ts';
import { rotaryTables } from '../../src/architectures/blocks/rotary.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import { Graph } from '../../src/graph/graph.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { float32Value, int64Value, toFloat32 } from '../../src/runtime/values.ts';
import { memorySource } from '../../src/tensor/byte-source.ts';
import { inlineTensor, readAll, sourceTensor, type Tensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, randomWeight, runModel } from '../support/run-model.ts';
import { countOps, difference, runPasses, substitute } from './run-pass.ts';

const weight = (name: string, shape: readonly number[], seed: number) => ({
  name,
  tensor: randomWeight(name, shape, seed),
});

function listTensor(name: string, values: readonly number[]): Tensor {
  const bytes = new Uint8Array(new Float32Array(values).buffer);
  return sourceTensor({ dtype: 'float32', shape: [values.length] }, memorySource(name, bytes), 0, name);
}

/** Norm, attention, residual, norm, projection. */
function layerModel(): Model {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['batch', 5, 16]));
    const y = b.scope('layer', () => {
      const normed = layerNorm(b, x, {
        weight: weight('ln.w', [16], 1),
        bias: weight('ln.b', [16], 2),
        epsilon: 1e-6,
      });
      const mixed = attention(b, { q: normed, k: normed, v: normed, heads: 2, headDim: 8 });
      const sum = b.op('Add', [x, mixed]);
      const scaled = rmsNorm(b, sum, { weight: weight('rms.w', [16], 3), epsilon: 1e-6 });
      return linear(b, scaled, { weight: weight('out.w', [12, 16], 4), bias: weight('out.b', [12], 5) });
    });
    b.output('y', y);
  });
}

/** Names of the operators that make float32 values, casts aside. */
function exactOps(model: Model): string[] {
  return [...model.graph.nodes()]
    .filter((node) => node.op !== 'Cast')
    .filter((node) =>
      node.outputs.some((output) => output?.type?.kind === 'tensor' && output.type.dtype === 'float32'),
    )
    .map((node) => node.op);
}

describe('float16', () => {
  it('computes what the plain graph computes with rounded weights', async () => {
    const model = layerModel();
    const { record, substitutes } = await runPasses(model, 'fuse-attention,float16');
    const plain = layerModel();
    substitute(plain, substitutes);
    const feeds = { x: randomInput([2, 5, 16], 6) };
    const error = await difference(model, plain, feeds);
    expect(error).toBeLessThan(5e-3);
    expect(error).toBeGreaterThan(1e-5);
    // The norm from its squares to its weight stays exact.
    expect(exactOps(model)).toEqual(['Pow', 'ReduceMean', 'Add', 'Sqrt', 'Div', 'Mul']);
    expect([...model.graph.initializers()].find(({ name }) => name === 'out.w')?.type).toEqual(
      tensorType('float16', [16, 12]),
    );
    expect(record.coverage.map(({ weight: name, format, reason }) => [name, format, reason])).toEqual(
      expect.arrayContaining([
        ['out.w', 'float16', undefined],
        ['ln.w', 'float16', undefined],
        ['rms.w', 'float32', 'Mul runs in float32'],
      ]),
    );
    await expect(printModel(model)).toMatchFileSnapshot('golden/float16.txt');
  });

  it('keeps inputs and outputs float32, or not', async () => {
    const kept = layerModel();
    await runPasses(kept, 'float16');
    const halved = layerModel();
    await runPasses(halved, 'float16{keepIo=false}');
    const typeOf = (value: Value | undefined) =>
      value?.type?.kind === 'tensor' ? value.type.dtype : undefined;
    expect([typeOf(kept.graph.inputs[0]), typeOf(kept.graph.outputs[0])]).toEqual(['float32', 'float32']);
    expect([typeOf(halved.graph.inputs[0]), typeOf(halved.graph.outputs[0])]).toEqual(['float16', 'float16']);
    expect(halved.graph.outputs[0]?.name).toBe('y');
    expect(await difference(kept, halved, { x: randomInput([2, 5, 16], 6) })).toBeLessThan(5e-3);
  });

  it('clamps weights: tiny ones stay, large ones stay finite', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', [6]));
        b.output('y', b.op('Mul', [x, b.weight('w', listTensor('w', [1e-9, -1e-9, 0, 1e6, -1e6, 0.1]))]));
      });
    const { substitutes } = await runPasses(make(), 'float16{keepIo=false}');
    const tensor = substitutes.get('w');
    if (tensor === undefined) throw new Error('w is not rounded');
    const bytes = await readAll(tensor);
    const least = 2 ** -24;
    expect([...new Float32Array(bytes.slice().buffer)]).toEqual([
      least,
      -least,
      0,
      65504,
      -65504,
      Math.round(0.1 * 2 ** 14) / 2 ** 14,
    ]);
  });

  it('keeps angles exact at far positions', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const positions = b.input('positions', tensorType('int64', ['slots']));
        const steps = b.input('steps', tensorType('int64', []));
        const x = b.input('x', tensorType('float32', ['slots', 1, 4]));
        // Tables of frequencies, one of which is taken: read by exact operators only, they stay float32.
        const tables = b.float32([1, 0.1, 0.01, 0.001, 0.9, 0.09, 0.009, 0.0009], [2, 4]);
        const { cos } = rotaryTables(b, positions, b.op('Gather', [tables, steps]));
        b.output('y', b.op('Mul', [b.op('Tanh', [x]), cos]));
      });
    const model = make();
    await runPasses(model, 'float16');
    expect(exactOps(model)).toEqual(['Gather', 'Unsqueeze', 'Mul', 'Cos']);
    const feeds = {
      positions: int64Value([3], [3, 2049, 30001]),
      steps: int64Value([], [1]),
      x: randomInput([3, 1, 4], 1),
    };
    expect(await difference(model, make(), feeds)).toBeLessThan(2e-3);
  });

  it('keeps a mask finite', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', ['batch', 'tokens', 4]));
        const mask = b.input('attention_mask', tensorType('int64', ['batch', 'total']));
        b.output('y', b.op('Identity', [decoderSlots(b, x, mask).mask]));
      });
    const model = make();
    await runPasses(model, 'float16');
    const feeds = { x: randomInput([1, 2, 4], 1), attention_mask: int64Value([1, 2], [0, 1]) };
    const result = (await runModel(model, feeds)).get('y');
    if (result === undefined) throw new Error('no y');
    expect([...toFloat32(result)]).toEqual([-65504, -65504, -65504, 0]);
  });

  it('survives activations whose squares overflow', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', [2, 16]));
        b.output(
          'y',
          b.op('Tanh', [rmsNorm(b, b.op('Relu', [x]), { weight: weight('w', [16], 1), epsilon: 1e-6 })]),
        );
      });
    const model = make();
    await runPasses(model, 'float16');
    expect(await difference(model, make(), { x: randomInput([2, 16], 2, 2000) })).toBeLessThan(5e-3);
  });

  it('leaves the resampling of a picture in float32', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const x = b.input('pixel_values', tensorType('float32', [1, 3, 28, 42]));
        const small = bicubic(b, x, { rows: 14, columns: 14 });
        const w = b.weight('w', randomWeight('w', [4, 3, 14, 14], 1));
        b.output('y', b.op('Conv', [small, w]));
      });
    const model = make();
    const { record } = await runPasses(model, 'retarget-resolution,float16');
    expect(exactOps(model)).toEqual(['MatMul', 'MatMul']);
    expect(record.coverage.filter(({ reason }) => reason === 'MatMul runs in float32')).toHaveLength(2);
  });

  it('stands beside quantized operators', async () => {
    const make = (): Model =>
      buildModel((b: GraphBuilder) => {
        const x = b.input('x', tensorType('float32', [2, 64]));
        const y = linear(b, b.op('Tanh', [x]), { weight: weight('w', [32, 64], 1) });
        b.output('y', b.op('Tanh', [y]));
      });
    const model = make();
    const { substitutes } = await runPasses(model, 'int4,float16');
    expect(countOps(model, 'com.microsoft::MatMulNBits')).toBe(1);
    const plain = make();
    substitute(plain, substitutes);
    expect(await difference(model, plain, { x: randomInput([2, 64], 2) })).toBeLessThan(5e-3);
  });

  it('has nothing to do the second time', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2, 2]));
      b.output('y', b.op('Add', [b.op('MatMul', [x, x]), x]));
    });
    expect((await runPasses(model, 'float16')).record.changed).toBe(true);
    expect((await runPasses(model, 'float16')).record.changed).toBe(false);
  });

  it('has nothing to do in a graph of integers', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('int64', [2]));
      b.output('y', b.op('Add', [x, b.int64([1, 2])]));
    });
    expect((await runPasses(model, 'float16')).record.changed).toBe(false);
  });

  it('does not touch an output that is an input', async () => {
    const model = buildModel((b) => b.output('y', b.input('x', tensorType('float32', [2]))));
    await runPasses(model, 'float16');
    const x = float32Value([2], new Float32Array([0.1, 70000]));
    const result = (await runModel(model, { x })).get('y');
    if (result === undefined) throw new Error('no y');
    expect([...toFloat32(result)]).toEqual([Math.fround(0.1), 70000]);
  });
});

describe('what has no float16 form', () => {
  const make = (inner: (b: GraphBuilder, x: Value) => Value): Model =>
    buildModel((b) => {
      const x = b.input('x', tensorType('float32', [4, 16]));
      const w = b.weight('w', randomWeight('w', [16, 16], 1));
      b.output('y', b.op('MatMul', [inner(b, b.op('MatMul', [x, w])), w]));
    });
  const feeds = { x: randomInput([4, 16], 2) };

  it('by the signature of the operator stays', async () => {
    const known = make((b, x) => {
      const quantized = b.ops('DynamicQuantizeLinear', [x], 3);
      return b.op('DequantizeLinear', quantized);
    });
    await runPasses(known, 'float16');
    const quantize = [...known.graph.nodes()].find(({ op }) => op === 'DynamicQuantizeLinear');
    expect(quantize?.input(0)?.type).toMatchObject({ dtype: 'float32' });
  });

  it('a function of the model keeps its types, even under the name of an operator', async () => {
    const named = (): Model => {
      const model = make((b, x) => b.op('Softsign', [x]));
      const body = new Graph('Softsign');
      const x = body.addInput('x', undefined);
      // Computes with a float32 constant of its own.
      const half = inlineTensor('float32', [], new Uint8Array(Float32Array.of(0.5).buffer));
      const constant = body.addNode({
        op: 'Constant',
        inputs: [],
        attributes: { value: { kind: 'tensor', value: half } },
      });
      body.setOutputs([
        body.addNode({ op: 'Mul', inputs: [x, constant.output], outputs: [{ name: 'y' }] }).output,
      ]);
      const opsetImports = new Map(model.opsetImports);
      const rest = { overload: '', attributes: [], attributeDefaults: new Map() };
      model.functions.push({ name: 'Softsign', domain: '', opsetImports, body, ...rest });
      return model;
    };
    const model = named();
    const { record } = await runPasses(model, 'float16');
    expect(record.stats).toMatchObject({ float16: 2, float32: 1 });
    expect(await difference(model, named(), feeds)).toBeLessThan(5e-3);
  });
});
