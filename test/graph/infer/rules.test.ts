/** Expectations are derived by hand from the operators' definitions; exporters' graphs are in runtime-oracle.test.ts. */
import { describe, expect, test } from 'vitest';
import { type AttributeLike, float } from '../../../src/graph/attribute.ts';
import { Graph } from '../../../src/graph/graph.ts';
import { inferModel, inferNode } from '../../../src/graph/infer/infer.ts';
import { createModel } from '../../../src/graph/model.ts';
import { formatType, tensorType, type ValueType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import type { DType } from '../../../src/tensor/dtype.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';

/** `float32[b,2]`, or the elements of an int64 constant; null is an input that is left out. */
type Operand = string | readonly number[] | null;

function parseType(text: string): ValueType {
  const [, dtype = '', , inside] = /^(\w+)(\[(.*)\])?$/.exec(text) ?? [];
  if (inside === undefined) return tensorType(dtype as DType);
  const dims = inside === '' ? [] : inside.split(',');
  return tensorType(
    dtype as DType,
    dims.map((dim) => (dim === '?' ? null : /^\d+$/.test(dim) ? Number(dim) : dim)),
  );
}

function operand(graph: Graph, value: Operand): Value | null {
  if (value === null) return null;
  if (typeof value === 'string') return graph.addInput(graph.freshName('x'), parseType(value));
  const data = BigInt64Array.from(value, BigInt);
  return graph.addInitializer(
    graph.freshName('c'),
    inlineTensor('int64', [value.length], new Uint8Array(data.buffer)),
  );
}

function infer(
  op: string,
  operands: readonly Operand[],
  attributes: Record<string, AttributeLike> = {},
  outputs = 1,
): string | string[] {
  const graph = new Graph('g');
  const [name = '', domain = ''] = op.split('::').reverse();
  const inputs = operands.map((each) => operand(graph, each));
  const node = graph.addNode({ op: name, domain, inputs, attributes, outputs });
  inferNode(graph, node);
  const types = node.outputs.map((output) => formatType(output?.type));
  return outputs === 1 ? (types[0] ?? '') : types;
}

describe('products', () => {
  test('MatMul', () => {
    expect(infer('MatMul', ['float32[b,1,s,8]', 'float32[4,8,16]'])).toBe('float32[b,4,s,16]');
    expect(infer('MatMul', ['float32[8]', 'float32[4,8,16]'])).toBe('float32[4,16]');
    expect(infer('MatMul', ['float32[s,8]', 'float32[8]'])).toBe('float32[s]');
    expect(() => infer('MatMul', ['float32[s,8]', 'float32[9,2]'])).toThrow('VC3101');
    expect(() => infer('MatMul', ['float32[s,8]', 'float16[8,2]'])).toThrow('VC3103');
  });

  test('Gemm', () => {
    expect(infer('Gemm', ['float32[b,8]', 'float32[16,8]', 'float32[16]'], { transB: 1 })).toBe(
      'float32[b,16]',
    );
    expect(() => infer('Gemm', ['float32[b,8]', 'float32[8,16]', 'float32[3]'])).toThrow('VC3101');
  });

  test('Conv: 896 pixels in patches of 14; padding, stride and dilation', () => {
    const patch = { strides: [14, 14], kernel_shape: [14, 14] };
    expect(infer('Conv', ['float32[b,3,896,448]', 'float32[64,3,14,14]'], patch)).toBe('float32[b,64,64,32]');
    const same = { pads: [1, 1, 1, 1] };
    expect(infer('Conv', ['float32[1,3,h,w]', 'float32[8,3,3,3]'], same)).toBe('float32[1,8,h,w]');
    expect(infer('Conv', ['float32[1,4,10]', 'float32[8,2,3]'], { group: 2, dilations: [2] })).toBe(
      'float32[1,8,6]',
    );
    expect(() => infer('Conv', ['float32[1,4,10]', 'float32[8,4,3]'], { group: 2 })).toThrow('VC3101');
    expect(() => infer('Conv', ['float32[1,4,2]', 'float32[8,4,4]'])).toThrow('VC3101');
  });

  test('AveragePool rounds up with ceil_mode', () => {
    const attributes = { kernel_shape: [2], strides: [2] };
    expect(infer('AveragePool', ['float32[1,4,5]'], attributes)).toBe('float32[1,4,2]');
    expect(infer('AveragePool', ['float32[1,4,5]'], { ...attributes, ceil_mode: 1 })).toBe('float32[1,4,3]');
  });

  test('Resize by sizes', () => {
    expect(infer('Resize', ['float32[b,3,896,1344]', null, null, [1, 3, 448, 448]])).toBe(
      'float32[1,3,448,448]',
    );
    const axes = { axes: [2, 3] };
    expect(infer('Resize', ['float32[b,3,896,1344]', null, null, [448, 448]], axes)).toBe(
      'float32[b,3,448,448]',
    );
  });

  test('Einsum', () => {
    expect(infer('Einsum', ['float32[b,s,8]', 'float32[8,16]'], { equation: 'bsd,de->bse' })).toBe(
      'float32[b,s,16]',
    );
    expect(() => infer('Einsum', ['float32[2,8]', 'float32[9]'], { equation: 'bd,d->b' })).toThrow('VC3101');
  });
});

describe('rearranging', () => {
  test('Reshape', () => {
    expect(infer('Reshape', ['float32[b,s,4096]', [0, 0, -1, 128]])).toBe('float32[b,s,32,128]');
    expect(infer('Reshape', ['float32[b,s,4096]', [-1, 4096]])).toBe('float32[b*s,4096]');
    expect(infer('Reshape', ['float32[?,s,64]', [0, 0, 8, 8]])).toBe('float32[?,s,8,8]');
    expect(infer('Reshape', ['float32[?,s,64]', [0, -1, 8, 8]])).toBe('float32[?,s,8,8]');
    expect(infer('Reshape', ['float32[0,3]', [0, 3]], { allowzero: 1 })).toBe('float32[0,3]');
    expect(infer('Reshape', ['float32[2,3]', 'int64[4]'])).toBe('float32[?,?,?,?]');
    expect(() => infer('Reshape', ['float32[2,3]', [4, -1]])).toThrow('VC3101');
    expect(() => infer('Reshape', ['float32[2,3]', [7]])).toThrow('VC3101');
    expect(() => infer('Reshape', ['float32[2,3]', [-1, -1]])).toThrow('VC3101');
    expect(() => infer('Reshape', ['float32[2]', [1, 0]])).toThrow('VC3101');
  });

  test('Transpose, Squeeze, Unsqueeze, Flatten', () => {
    expect(infer('Transpose', ['float32[a,b,3]'], { perm: [2, 0, 1] })).toBe('float32[3,a,b]');
    expect(infer('Transpose', ['float32[a,b,3]'])).toBe('float32[3,b,a]');
    expect(() => infer('Transpose', ['float32[a,b]'], { perm: [0, 0] })).toThrow('VC3101');
    expect(infer('Squeeze', ['float32[1,b,1]', [0, -1]])).toBe('float32[b]');
    expect(() => infer('Squeeze', ['float32[2,b]', [0]])).toThrow('VC3101');
    expect(infer('Unsqueeze', ['float32[a,b]', [0, -1]])).toBe('float32[1,a,b,1]');
    expect(infer('Flatten', ['float32[2,b,3]'], { axis: 2 })).toBe('float32[2*b,3]');
  });

  test('Concat and Split', () => {
    expect(infer('Concat', ['float32[b,4,past,8]', 'float32[b,4,s,8]'], { axis: 2 })).toBe(
      'float32[b,4,past + s,8]',
    );
    expect(() => infer('Concat', ['float32[2,4]', 'float32[3,4]'], { axis: 1 })).toThrow('VC3101');
    expect(() => infer('Concat', ['float32[2]', 'int64[2]'], { axis: 0 })).toThrow('VC3103');
    expect(infer('Split', ['float32[b,7]', [3, 4]], { axis: -1 }, 2)).toEqual([
      'float32[b,3]',
      'float32[b,4]',
    ]);
    expect(infer('Split', ['float32[7]'], { num_outputs: 2 }, 2)).toEqual(['float32[4]', 'float32[3]']);
    expect(() => infer('Split', ['float32[b,7]', [3, 3]], { axis: 1 }, 2)).toThrow('VC3101');
  });

  test('Slice', () => {
    const max = Number.MAX_SAFE_INTEGER;
    expect(infer('Slice', ['float32[10,b]', [2], [max], [0]])).toBe('float32[8,b]');
    expect(infer('Slice', ['float32[10,b]', [-3], [max], [0]])).toBe('float32[3,b]');
    expect(infer('Slice', ['float32[10,b]', [9], [-100], [0], [-2]])).toBe('float32[5,b]');
    expect(infer('Slice', ['float32[10,b]', [9], [-100], [0], [-3]])).toBe('float32[4,b]');
    expect(infer('Slice', ['float32[10,b]', [0], [max], [1]])).toBe('float32[10,b]');
    expect(infer('Slice', ['float32[10,b]', [1], [max], [1]])).toBe('float32[10,?]');
    expect(() => infer('Slice', ['float32[10]', [0], [1], [1]])).toThrow('VC3101');
  });

  test('Gather, GatherElements, Expand, Tile, Pad', () => {
    expect(infer('Gather', ['float32[v,64]', 'int64[b,s]'])).toBe('float32[b,s,64]');
    expect(infer('Gather', ['float32[v,64]', 'int64[]'], { axis: 1 })).toBe('float32[v]');
    expect(infer('GatherElements', ['float32[9,64]', 'int64[2,3]'])).toBe('float32[2,3]');
    expect(infer('Expand', ['float32[1,8]', [4, 1, 1]])).toBe('float32[4,1,8]');
    expect(infer('Tile', ['float32[b,8]', [2, 3]])).toBe('float32[2*b,24]');
    expect(infer('Pad', ['float32[b,8]', [0, 1, 2, 3]])).toBe('float32[b + 2,12]');
    expect(infer('Pad', ['float32[b,8]', [1, 3], null, [1]])).toBe('float32[b,12]');
  });

  test('reductions', () => {
    expect(infer('ReduceMean', ['float32[b,s,8]', [-1]])).toBe('float32[b,s,1]');
    expect(infer('ReduceSum', ['float32[b,s,8]'], { keepdims: 0 })).toBe('float32[]');
    expect(infer('ReduceSum', ['float32[b,8]'], { noop_with_empty_axes: 1 })).toBe('float32[b,8]');
    expect(infer('ReduceMax', ['float32[b,s,8]'], { axes: [0], keepdims: 0 })).toBe('float32[s,8]');
    expect(infer('ArgMax', ['float32[b,s,8]'], { axis: -1, keepdims: 0 })).toBe('int64[b,s]');
    expect(infer('TopK', ['float32[b,9]', [3]], {}, 2)).toEqual(['float32[b,3]', 'int64[b,3]']);
  });
});

describe('element types', () => {
  test('comparisons are bool, Where takes the branches, Cast what it is told', () => {
    expect(infer('Less', ['float32[b,1]', 'float32[4]'])).toBe('bool[b,4]');
    expect(infer('Where', ['bool[b,1]', 'float16[4]', 'float16[]'])).toBe('float16[b,4]');
    expect(() => infer('Where', ['float32[1]', 'float16[4]', 'float16[]'])).toThrow('VC3103');
    expect(infer('Cast', ['float32[b]'], { to: 10 })).toBe('float16[b]');
    expect(() => infer('Cast', ['float32[b]'], { to: 99 })).toThrow('VC3103');
    expect(infer('Pow', ['float32[b]', 'int64[]'])).toBe('float32[b]');
    expect(() => infer('Add', ['float32[2]', 'float32[3]'])).toThrow('VC3101');
  });

  test('normalizations', () => {
    const layer = infer('LayerNormalization', ['float16[b,s,8]', 'float16[8]'], { epsilon: float(1e-5) }, 3);
    expect(layer).toEqual(['float16[b,s,8]', 'float32[b,s,1]', 'float32[b,s,1]']);
    expect(() => infer('RMSNormalization', ['float32[b,8]', 'float32[7]'])).toThrow('VC3101');
    const skip = ['float32[b,s,8]', 'float32[b,s,8]', 'float32[8]'];
    expect(infer('com.microsoft::SkipLayerNormalization', skip, {}, 4)).toEqual([
      'float32[b,s,8]',
      'float32[b,s,1]',
      'float32[b,s,1]',
      'float32[b,s,8]',
    ]);
  });

  test('operators without a rule leave their outputs untyped', () => {
    expect(infer('my.domain::Odd', ['float32[2]'])).toBe('?');
    expect(infer('DFT', ['float32[2]'])).toBe('?');
  });
});

describe('com.microsoft', () => {
  test('MatMulNBits: K 80 in blocks of 32 makes 3 blocks of 16 bytes', () => {
    const attributes = { K: 80, N: 24, block_size: 32, bits: 4 };
    const operands = ['float32[b,s,80]', 'uint8[24,3,16]', 'float32[24,3]', 'uint8[24,2]'];
    expect(infer('com.microsoft::MatMulNBits', operands, attributes)).toBe('float32[b,s,24]');
    const eight = { ...attributes, bits: 8 };
    expect(() => infer('com.microsoft::MatMulNBits', operands, eight)).toThrow(/\[24,3,32\]/);
    expect(() => infer('com.microsoft::MatMulNBits', operands.with(0, 'float32[b,79]'), attributes)).toThrow(
      'K = 80',
    );
    expect(() => infer('com.microsoft::MatMulNBits', operands.with(2, 'float32[24,2]'), attributes)).toThrow(
      '72',
    );
  });

  test('GatherBlockQuantized: 64 columns of 4 bits in 32 bytes', () => {
    const attributes = { bits: 4, block_size: 32, gather_axis: 0, quantize_axis: 1 };
    const operands = ['uint8[500,32]', 'int64[b,s]', 'float16[500,2]', 'uint8[500,1]'];
    expect(infer('com.microsoft::GatherBlockQuantized', operands, attributes)).toBe('float16[b,s,64]');
    expect(() =>
      infer('com.microsoft::GatherBlockQuantized', operands.with(2, 'float16[500,3]'), attributes),
    ).toThrow('VC3101');
  });

  test('MultiHeadAttention with a cache', () => {
    const q = 'float32[b,s,64]';
    const past = 'float32[b,4,past,16]';
    const operands = [q, q, q, null, null, null, past, past];
    expect(infer('com.microsoft::MultiHeadAttention', operands, { num_heads: 4 }, 3)).toEqual([
      q,
      'float32[b,4,past + s,16]',
      'float32[b,4,past + s,16]',
    ]);
    const cross = [q, 'float32[b,t,64]', 'float32[b,t,32]'];
    expect(infer('com.microsoft::MultiHeadAttention', cross, { num_heads: 4 })).toBe('float32[b,s,32]');
    expect(() => infer('com.microsoft::MultiHeadAttention', [q], { num_heads: 5 })).toThrow('VC3101');
  });

  test('GroupQueryAttention, apart and packed', () => {
    const rest = ['float32[b,2,past,16]', 'float32[b,2,past,16]', 'int32[b]', 'int32[]'];
    const attributes = { num_heads: 4, kv_num_heads: 2 };
    const cache = 'float32[b,2,past + s,16]';
    const apart = ['float32[b,s,64]', 'float32[b,s,32]', 'float32[b,s,32]', ...rest];
    expect(infer('com.microsoft::GroupQueryAttention', apart, attributes, 3)).toEqual([
      'float32[b,s,64]',
      cache,
      cache,
    ]);
    const packed = ['float32[b,s,128]', null, null, ...rest];
    expect(infer('com.microsoft::GroupQueryAttention', packed, attributes, 3)).toEqual([
      'float32[b,s,64]',
      cache,
      cache,
    ]);
  });

  test('dynamic quantization', () => {
    expect(infer('DynamicQuantizeLinear', ['float32[b,8]'], {}, 3)).toEqual([
      'uint8[b,8]',
      'float32[]',
      'uint8[]',
    ]);
    expect(infer('MatMulInteger', ['uint8[b,8]', 'int8[8,3]'])).toBe('int32[b,3]');
    expect(infer('DequantizeLinear', ['int8[8,3]', 'float16[3]', 'int8[3]'])).toBe('float16[8,3]');
    expect(infer('QuantizeLinear', ['float32[8,3]', 'float32[]', 'int8[]'])).toBe('int8[8,3]');
  });
});

describe('integers known at compile time', () => {
  const types = (
    build: (
      graph: Graph,
      add: (op: string, inputs: Operand2[], attributes?: Record<string, AttributeLike>) => Value,
    ) => Value,
  ) => {
    const graph = new Graph('g');
    const output = build(graph, (op, inputs, attributes = {}) => {
      const values = inputs.map((each) =>
        each === null || Array.isArray(each) ? operand(graph, each) : (each as Value),
      );
      return graph.addNode({ op, inputs: values, attributes }).output;
    });
    graph.setOutputs([output]);
    inferModel(createModel(graph, 20));
    return formatType(output.type);
  };
  type Operand2 = Value | readonly number[] | null;

  test('Shape, Gather, Mul, Concat to Reshape', () => {
    const result = types((graph, add) => {
      const x = graph.addInput('x', parseType('float32[b,s,64]'));
      const shape = add('Shape', [x]);
      const batch = add('Gather', [shape, [0]]);
      const sequence = add('Slice', [shape, [1], [2]]);
      const tokens = add('Mul', [batch, sequence]);
      return add('Reshape', [x, add('Concat', [tokens, [8], [-1]], { axis: 0 })]);
    });
    expect(result).toBe('float32[b*s,8,8]');
  });

  test('the length of a cache: past + sequence, by Range and Expand', () => {
    const result = types((graph, add) => {
      const past = graph.addInput('past', parseType('float32[b,4,past,16]'));
      const ids = graph.addInput('ids', parseType('float32[b,s,64]'));
      const scalar = (value: Value, axis: number) =>
        add('Squeeze', [add('Slice', [add('Shape', [value]), [axis], [axis + 1]]), [0]]);
      const zero = add('Squeeze', [add('Sub', [[1], [1]]), [0]]);
      const one = add('Squeeze', [[1], [0]]);
      return add('Range', [zero, add('Add', [scalar(past, 2), scalar(ids, 1)]), one]);
    });
    expect(result).toBe('int64[past + s]');
  });

  test('the way torch writes Expand: Where(shape == -1, ones, shape)', () => {
    const result = types((graph, add) => {
      const x = graph.addInput('x', parseType('float32[1,8]'));
      const like = graph.addInput('like', parseType('float32[b,s]'));
      const shape = add('Concat', [add('Slice', [add('Shape', [like]), [0], [1]]), [-1]], { axis: 0 });
      return add('Expand', [x, add('Where', [add('Equal', [shape, [-1, -1]]), [1, 1], shape])]);
    });
    expect(result).toBe('float32[b,8]');
  });

  test('an input with a default is not a constant', () => {
    const result = types((graph, add) => {
      const x = graph.addInput('x', parseType('float32[6]'));
      const shape = graph.addInput('shape', parseType('int64[2]'));
      graph.setInitializer(
        shape,
        inlineTensor('int64', [2], new Uint8Array(BigInt64Array.of(2n, 3n).buffer)),
      );
      return add('Reshape', [x, shape]);
    });
    expect(result).toBe('float32[?,?]');
  });

  test('a chain of ten thousand steps does not overflow the stack', () => {
    const result = types((graph, add) => {
      const x = graph.addInput('x', parseType('float32[6]'));
      let shape = graph.addInitializer(
        'c',
        inlineTensor('int64', [1], new Uint8Array(BigInt64Array.of(6n).buffer)),
      );
      for (let step = 0; step < 10_000; step += 1) shape = add('Identity', [shape]);
      return add('Reshape', [x, shape]);
    });
    expect(result).toBe('float32[?]');
  });
});

describe('declared types', () => {
  const relu = (declared: ValueType) => {
    const graph = new Graph('g');
    const x = graph.addInput('x', parseType('float32[b,8]'));
    const node = graph.addNode({ op: 'Relu', inputs: [x], outputs: [{ name: 'y', type: declared }] });
    inferNode(graph, node);
    return formatType(node.output.type);
  };

  test('are refined, by names that inputs have', () => {
    expect(relu(parseType('float32'))).toBe('float32[b,8]');
    expect(relu(parseType('float32[batch,?]'))).toBe('float32[b,8]');
    expect(relu(parseType('float32[4,n]'))).toBe('float32[4,8]');
  });

  test('are not contradicted', () => {
    expect(() => relu(parseType('float32[b,9]'))).toThrow(/VC3102[\s\S]*output y of node Relu/);
    expect(() => relu(parseType('float32[b]'))).toThrow('VC3102');
    expect(() => relu(parseType('float16[b,8]'))).toThrow('VC3102');
  });
});

describe('control flow', () => {
  function branch(
    graph: Graph,
    name: string,
    x: Value,
    op: string,
    attributes: Record<string, AttributeLike> = {},
  ) {
    const body = new Graph(name, graph);
    body.setOutputs([body.addNode({ op, inputs: [x], attributes, outputs: [{ name }] }).output]);
    return { kind: 'graph', value: body } as const;
  }

  test('If gives what both branches give', () => {
    const graph = new Graph('g');
    const c = graph.addInput('c', parseType('bool[]'));
    const x = graph.addInput('x', parseType('float32[b,8]'));
    const attributes = {
      then_branch: branch(graph, 'yes', x, 'Transpose'),
      else_branch: branch(graph, 'no', x, 'Relu'),
    };
    const node = graph.addNode({ op: 'If', inputs: [c], attributes });
    inferNode(graph, node);
    expect(formatType(node.output.type)).toBe('float32[?,?]');
    const other = { ...attributes, else_branch: branch(graph, 'cast', x, 'Cast', { to: 10 }) };
    const bad = graph.addNode({
      op: 'If',
      inputs: [c],
      attributes: { ...other, then_branch: branch(graph, 'neg', x, 'Neg') },
    });
    expect(() => inferNode(graph, bad)).toThrow('VC3103');
  });

  test('Loop: carried values may change shape, scans are stacked', () => {
    const graph = new Graph('g');
    const n = graph.addInput('n', parseType('int64[]'));
    const x = graph.addInput('x', parseType('float32[b,8]'));
    const body = new Graph('body', graph);
    const [, go, carried] = [
      body.addInput('turn', undefined),
      body.addInput('go', undefined),
      body.addInput('carried', undefined),
    ];
    const grown = body.addNode({ op: 'Concat', inputs: [carried, x], attributes: { axis: 0 } });
    const same = body.addNode({ op: 'Identity', inputs: [go] });
    const row = body.addNode({ op: 'ReduceSum', inputs: [x], attributes: { keepdims: 0 } });
    body.setOutputs([same.output, grown.output, row.output]);
    const attributes = { body: { kind: 'graph', value: body } } as const;
    const node = graph.addNode({ op: 'Loop', inputs: [n, null, x], attributes, outputs: 2 });
    inferNode(graph, node);
    expect(node.outputs.map((output) => formatType(output?.type))).toEqual(['float32[?,?]', 'float32[?]']);
    expect(formatType(same.output.type)).toBe('bool[]');
  });
});
