/** Forms of attention and of rotary embeddings, at sizes below those at which flash attention needs a real device. */
import { float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Value } from '../../src/graph/value.ts';
import { int64Value, type RunTensor } from '../../src/runtime/values.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { type Build, type Form, ramp } from './forms.ts';

const microsoft = 'com.microsoft';

interface Sizes {
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly size: number;
  readonly valueSize: number;
}

const usual: Sizes = { heads: 2, queries: 6, keys: 6, size: 16, valueSize: 16 };

type Inputs = Readonly<Record<string, Value>>;

const int32 = (shape: readonly number[], values: readonly number[]): RunTensor => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from(values),
});

function feeds({ heads, queries, keys, size, valueSize }: Sizes): Record<string, RunTensor> {
  return {
    q: ramp([1, queries, heads * size], 0.618),
    k: ramp([1, keys, heads * size], 0.414),
    v: ramp([1, keys, heads * valueSize], 0.732),
  };
}

function get(inputs: Inputs, name: string): Value {
  const found = inputs[name];
  if (found === undefined) throw new RangeError(`no input ${name}`);
  return found;
}

const split = (b: GraphBuilder, value: Value, heads: number, size: number): Value =>
  b.op('Transpose', [b.op('Reshape', [value, b.int64([0, 0, heads, size])])], {
    attributes: { perm: [0, 2, 1, 3] },
  });

const join = (b: GraphBuilder, value: Value, width: number): Value =>
  b.op('Reshape', [
    b.op('Transpose', [value], { attributes: { perm: [0, 2, 1, 3] } }),
    b.int64([0, 0, width]),
  ]);

/** Heads of q, k, v [N, h, S, d] to [N, S, h · e]. */
function plainAttention(
  b: GraphBuilder,
  [q, k, v]: readonly [Value, Value, Value],
  { heads, size, valueSize }: Sizes,
  mask?: Value,
): Value {
  const turned = b.op('Transpose', [k], { attributes: { perm: [0, 1, 3, 2] } });
  const products = b.op('MatMul', [b.op('Mul', [q, b.scalar(1 / Math.sqrt(size))]), turned]);
  const scores = mask === undefined ? products : b.op('Add', [products, mask]);
  const weights = b.op('Softmax', [scores], { attributes: { axis: -1 } });
  return join(b, b.op('MatMul', [weights, v]), heads * valueSize);
}

const headsOf = (b: GraphBuilder, inputs: Inputs, s: Sizes): readonly [Value, Value, Value] => [
  split(b, get(inputs, 'q'), s.heads, s.size),
  split(b, get(inputs, 'k'), s.heads, s.size),
  split(b, get(inputs, 'v'), s.heads, s.valueSize),
];

const multiHead = (
  b: GraphBuilder,
  heads: number,
  inputs: readonly (Value | null)[],
  outputs = 1,
): readonly Value[] =>
  b.ops('MultiHeadAttention', inputs, outputs, { domain: microsoft, attributes: { num_heads: heads } });

function sized(form: string | undefined, sizes: Partial<Sizes>): Form {
  const all = { ...usual, ...sizes };
  return {
    operator: `${microsoft}::MultiHeadAttention`,
    ...(form === undefined ? {} : { form }),
    inputs: feeds(all),
    build: (b, v) => multiHead(b, all.heads, [get(v, 'q'), get(v, 'k'), get(v, 'v')]),
    plain: (b, v) => [plainAttention(b, headsOf(b, v, all), all)],
  };
}

/** The last two keys hidden from everybody. */
const hidden = [0, 0, 0, 0, -1e9, -1e9];

const multiHeadForms: readonly Form[] = [
  sized(undefined, {}),
  sized('more keys than queries', { keys: 9 }),
  sized('wider values', { valueSize: 24 }),
  ...[72, 80].map((size) => sized(`head size ${size}`, { size, valueSize: size })),
  {
    operator: `${microsoft}::MultiHeadAttention`,
    form: 'attention_bias',
    inputs: { ...feeds(usual), mask: ramp([1, 2, 6, 6], 0.3) },
    build: (b, v) => multiHead(b, 2, [get(v, 'q'), get(v, 'k'), get(v, 'v'), null, null, get(v, 'mask')]),
    plain: (b, v) => [plainAttention(b, headsOf(b, v, usual), usual, get(v, 'mask'))],
  },
  {
    operator: `${microsoft}::MultiHeadAttention`,
    form: 'bias of the projections',
    inputs: { ...feeds(usual), bias: ramp([96], 0.3) },
    build: (b, v) => multiHead(b, 2, [get(v, 'q'), get(v, 'k'), get(v, 'v'), get(v, 'bias')]),
    plain: (b, v) => {
      const parts = b.ops('Split', [get(v, 'bias')], 3, { attributes: { axis: 0, num_outputs: 3 } });
      const heads = (['q', 'k', 'v'] as const).map((name, index) =>
        split(b, b.op('Add', [get(v, name), parts[index] ?? null]), 2, 16),
      );
      return [plainAttention(b, heads as unknown as readonly [Value, Value, Value], usual)];
    },
  },
  {
    operator: `${microsoft}::MultiHeadAttention`,
    form: 'key_padding_mask',
    inputs: { ...feeds(usual), keys: int32([1, 6], [1, 1, 1, 1, 0, 0]) },
    build: (b, v) => multiHead(b, 2, [get(v, 'q'), get(v, 'k'), get(v, 'v'), null, get(v, 'keys')]),
    plain: (b, v) => [plainAttention(b, headsOf(b, v, usual), usual, b.float32(hidden, [1, 1, 1, 6]))],
  },
  {
    operator: `${microsoft}::MultiHeadAttention`,
    form: 'past and present',
    inputs: { ...feeds(usual), pastKey: ramp([1, 2, 4, 16], 0.3), pastValue: ramp([1, 2, 4, 16], 0.2) },
    build: (b, v) =>
      multiHead(
        b,
        2,
        [get(v, 'q'), get(v, 'k'), get(v, 'v'), null, null, null, get(v, 'pastKey'), get(v, 'pastValue')],
        3,
      ),
    plain: (b, v) => {
      const [q, k, value] = headsOf(b, v, usual);
      const keys = b.op('Concat', [get(v, 'pastKey'), k], { attributes: { axis: 2 } });
      const values = b.op('Concat', [get(v, 'pastValue'), value], { attributes: { axis: 2 } });
      return [plainAttention(b, [q, keys, values], usual), keys, values];
    },
  },
];

/** Four heads of queries over two of keys, six tokens after an empty past. */
function grouped(form: string | undefined, size: number, more: 'none' | 'rotary' | 'bias' = 'none'): Form {
  const tokens = 6;
  const half = size / 2;
  const inputs: Record<string, RunTensor> = {
    q: ramp([1, tokens, 4 * size], 0.618),
    k: ramp([1, tokens, 2 * size], 0.414),
    v: ramp([1, tokens, 2 * size], 0.732),
    pastKey: ramp([1, 2, 0, size]),
    pastValue: ramp([1, 2, 0, size]),
    last: int32([1, 1], [tokens - 1]),
    ...(more === 'rotary' ? { cos: ramp([tokens, half], 0.3), sin: ramp([tokens, half], 0.2) } : {}),
    ...(more === 'bias' ? { bias: ramp([1, 4, tokens, tokens], 0.3) } : {}),
  };
  const causal = new Float32Array(tokens * tokens).map((_, i) =>
    i % tokens > Math.floor(i / tokens) ? -1e9 : 0,
  );
  const repeat = (b: GraphBuilder, value: Value): Value =>
    b.op('Reshape', [
      b.op('Expand', [b.op('Unsqueeze', [value, b.int64([2])]), b.int64([1, 2, 2, tokens, size])]),
      b.int64([1, 4, tokens, size]),
    ]);
  const turn = (b: GraphBuilder, v: Inputs, value: Value): Value =>
    more === 'rotary' ? rotateHalf(b, value, v, half) : value;
  return {
    operator: `${microsoft}::GroupQueryAttention`,
    ...(form === undefined ? {} : { form }),
    inputs,
    build: (b, v) => {
      const names = ['q', 'k', 'v', 'pastKey', 'pastValue', 'last'];
      const total = b.weight('total', int32Tensor(tokens));
      const extra = [v.cos ?? null, v.sin ?? null, null, v.bias ?? null];
      const given = [...names.map((name) => get(v, name)), total, ...(more === 'none' ? [] : extra)];
      return b.ops('GroupQueryAttention', given, 3, {
        domain: microsoft,
        attributes: { num_heads: 4, kv_num_heads: 2, ...(more === 'rotary' ? { do_rotary: 1 } : {}) },
      });
    },
    plain: (b, v) => {
      const q = turn(b, v, split(b, get(v, 'q'), 4, size));
      const k = turn(b, v, split(b, get(v, 'k'), 2, size));
      const values = split(b, get(v, 'v'), 2, size);
      const mask = b.float32(causal, [1, 1, tokens, tokens]);
      const bias = v.bias === undefined ? mask : b.op('Add', [mask, v.bias]);
      const sizes = { heads: 4, queries: tokens, keys: tokens, size, valueSize: size };
      return [plainAttention(b, [q, repeat(b, k), repeat(b, values)], sizes, bias), k, values];
    },
  };
}

function int32Tensor(value: number) {
  return inlineTensor('int32', [1], new Uint8Array(Int32Array.of(value).buffer));
}

/** x [1, h, S, 2n] with cos, sin [S, n]. */
function rotateHalf(b: GraphBuilder, x: Value, v: Inputs, half: number): Value {
  const first = b.op('Slice', [x, b.int64([0]), b.int64([half]), b.int64([3])]);
  const second = b.op('Slice', [x, b.int64([half]), b.int64([2 * half]), b.int64([3])]);
  const [cos, sin] = [get(v, 'cos'), get(v, 'sin')];
  return b.op(
    'Concat',
    [
      b.op('Sub', [b.op('Mul', [first, cos]), b.op('Mul', [second, sin])]),
      b.op('Add', [b.op('Mul', [second, cos]), b.op('Mul', [first, sin])]),
    ],
    { attributes: { axis: 3 } },
  );
}

const rotaryInputs = { a: ramp([1, 2, 6, 16]), cos: ramp([6, 8], 0.3), sin: ramp([6, 8], 0.2) };

const standard = (
  form: string,
  attributes: Record<string, number>,
  mask: readonly number[] | undefined,
): Form => ({
  operator: 'Attention',
  form,
  opset: 23,
  inputs: { ...feeds(usual), ...(mask === undefined ? {} : { mask: ramp(mask, 0.3) }) },
  build: (b, v) =>
    b.ops(
      'Attention',
      [get(v, 'q'), get(v, 'k'), get(v, 'v'), ...(v.mask === undefined ? [] : [v.mask])],
      1,
      {
        attributes: { q_num_heads: 2, kv_num_heads: 2, ...attributes },
      },
    ),
  plain: (b, v) => {
    const causal = new Float32Array(36).map((_, i) => (i % 6 > Math.floor(i / 6) ? -1e9 : 0));
    const bias = attributes.is_causal === 1 ? b.float32(causal, [1, 1, 6, 6]) : v.mask;
    return [plainAttention(b, headsOf(b, v, usual), usual, bias)];
  },
});

const rotary: Build = (b, v) => [rotateHalf(b, get(v, 'a'), v, 8)];

export const attentionForms: readonly Form[] = [
  ...multiHeadForms,
  grouped(undefined, 16),
  grouped('rotary', 16, 'rotary'),
  grouped('attention_bias', 16, 'bias'),
  grouped('head size 24', 24),
  grouped('head size 12', 12),
  standard('no mask', {}, undefined),
  standard('mask [S, T]', {}, [6, 6]),
  standard('is_causal', { is_causal: 1 }, undefined),
  {
    operator: `${microsoft}::RotaryEmbedding`,
    inputs: { ...rotaryInputs, at: int64Value([1, 6], [0, 1, 2, 3, 4, 5]) },
    build: (b, v) =>
      b.ops('RotaryEmbedding', [get(v, 'a'), get(v, 'at'), get(v, 'cos'), get(v, 'sin')], 1, {
        domain: microsoft,
        attributes: { scale: float(1) },
      }),
    plain: rotary,
  },
  {
    operator: 'RotaryEmbedding',
    form: 'position_ids',
    opset: 23,
    inputs: { ...rotaryInputs, at: int64Value([1, 6], [0, 1, 2, 3, 4, 5]) },
    build: (b, v) => b.ops('RotaryEmbedding', [get(v, 'a'), get(v, 'cos'), get(v, 'sin'), get(v, 'at')], 1),
    plain: rotary,
  },
  {
    operator: 'RotaryEmbedding',
    form: 'cos and sin per token',
    opset: 23,
    inputs: rotaryInputs,
    build: (b, v) => {
      const batched = (name: string): Value => b.op('Unsqueeze', [get(v, name), b.int64([0])]);
      return b.ops('RotaryEmbedding', [get(v, 'a'), batched('cos'), batched('sin')], 1);
    },
    plain: rotary,
  },
];
