/**
 * A vision-language model of three tiny graphs, spelled as architectures spell theirs: a patch tower, an
 * embedding table, and a causal decoder with rotary-free attention, a cache and `rope_length`. Weights are drawn
 * from a seed; each may be replaced, and each matrix may be written as MatMulNBits.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageGeometry } from '../../src/architectures/media.ts';
import type { GenerationRecipe, SpliceRule } from '../../src/architectures/recipe.ts';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import { float } from '../../src/graph/attribute.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { Random } from '../../src/parity/inputs/random.ts';
import type { BuildName } from '../../src/parity/stream/builds.ts';
import type { StreamedBuilds } from '../../src/parity/stream/request.ts';
import { dequantizeBlocks } from '../../src/tensor/derived/dequantize-blocks.ts';
import { quantizeBlocks } from '../../src/tensor/derived/quantize-blocks.ts';
import { transpose2d } from '../../src/tensor/derived/transpose.ts';
import { inlineTensor, type Tensor } from '../../src/tensor/tensor.ts';
import { placeInMemory, uncut } from '../support/streamed-check.ts';
import type { ComponentFiles } from '../support/write-models.ts';

export const dims = { patch: 14, side: 28, hidden: 64, heads: 4, headDim: 16, layers: 2, vocab: 96 } as const;
const { patch, side, hidden, heads, headDim, layers, vocab } = dims;
const patches = (side / patch) ** 2;

export const markers = {
  rule: 'between-markers',
  startId: vocab - 3,
  endId: vocab - 2,
  padId: vocab - 1,
} as const satisfies SpliceRule;

export const recipe: GenerationRecipe = {
  encoder: {
    component: 'vision',
    input: 'pixel_values',
    output: 'image_features',
    feed: { form: 'pixels' },
  },
  embed: { component: 'embed' },
  decoder: { component: 'decoder', layers, kvHeads: heads, headDim, scalars: ['rope_length'] },
  splice: markers,
  vocabSize: vocab,
  hiddenSize: hidden,
  textIds: vocab - 8,
};

export const image: ImageGeometry = {
  requested: { width: side, height: side },
  input: { width: side, height: side },
  views: [{ kind: 'tile', row: 0, column: 0 }, { kind: 'global' }],
  tokensPerView: patches,
  tokens: 2 * patches,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  summary: '28x28: one tile of 28 and the whole picture',
};

export interface Packed {
  /** u8 [out, blocks, bytes per block]. */
  readonly values: Uint8Array;
  readonly zeroPoints: Uint8Array;
  readonly scales: Float32Array;
}

export interface Build {
  /** Changes a weight before it is used; matrices are [in, out]. */
  readonly alter?: (name: string, weights: Float32Array) => void;
  /** Writes the matrices as MatMulNBits of so many bits, blocks of 16. */
  readonly bits?: 4 | 8;
  /** Writes what the packed matrices stand for as plain float32 matrices. */
  readonly dequantized?: boolean;
  readonly accuracyLevel?: number;
  /** Changes packed bytes. */
  readonly corrupt?: (name: string, packed: Packed) => void;
  /** Changes the finished graph. */
  readonly finish?: (id: string, model: Model) => void;
}

export type TinyVlm = ReadonlyMap<string, Model>;

/** The three graphs, by component. */
export async function makeTinyVlm(build: Build = {}): Promise<TinyVlm> {
  const models = new Map<string, Model>();
  for (const [id, make] of [
    ['vision', vision],
    ['embed', embed],
    ['decoder', decoder],
  ] as const) {
    const model = await make(build);
    build.finish?.(id, model);
    models.set(id, model);
  }
  return models;
}

/** Writes them into `folder`. */
export async function writeTinyVlm(folder: string): Promise<ComponentFiles> {
  await mkdir(folder, { recursive: true });
  const files: Record<string, string> = {};
  for (const [id, model] of await makeTinyVlm()) files[id] = await writeModelFile(folder, id, model);
  return files;
}

/** Builds of it for a check in which every component is one part. */
export function streamOf(
  builds: Readonly<Record<'reference' | 'plain' | 'converted', TinyVlm>> &
    Readonly<Partial<Record<BuildName, TinyVlm>>>,
): StreamedBuilds {
  const own = (id: string) =>
    Object.fromEntries(
      Object.entries(builds).flatMap(([name, models]) => {
        const model = models.get(id);
        return model === undefined ? [] : [[name, model]];
      }),
    ) as Record<'reference' | 'plain' | 'converted', Model>;
  return {
    builds: new Map([...builds.reference.keys()].map((id) => [id, own(id)])),
    cut: uncut,
    continuation: 'picked',
    place: (_component, models) => placeInMemory(models),
  };
}

/** Writes a model with all weights inside. */
async function writeModelFile(folder: string, name: string, model: Model): Promise<string> {
  const layout = layoutModel(model, { fileName: name, inlineLimit: 2 ** 30 });
  const path = join(folder, layout.modelFile);
  await writeFile(path, await encodeModel(model, layout));
  return path;
}

/** Values of a weight, by name: each has its own generator, so that no weight depends on the order of calls. */
function draw(name: string, count: number, scale: number, build: Build): Float32Array {
  const seed = [...name].reduce((sum, char) => Math.imul(sum, 31) + char.charCodeAt(0), 7);
  const random = new Random(seed);
  const out = Float32Array.from({ length: count }, () => {
    // A sum of uniforms: bell shaped, as weights are.
    const sum = random.unit() + random.unit() + random.unit() + random.unit() - 2;
    return sum * scale * Math.sqrt(3);
  });
  build.alter?.(name, out);
  return out;
}

function float32(shape: readonly number[], data: Float32Array): Tensor {
  return inlineTensor('float32', shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** x [.., rows] times a drawn matrix [rows, columns]. */
async function linear(
  b: GraphBuilder,
  x: Value,
  name: string,
  rows: number,
  columns: number,
  build: Build,
): Promise<Value> {
  const data = draw(name, rows * columns, 1 / Math.sqrt(rows), build);
  // The same values have the same names however the product is spelled, as after passes.
  if (build.bits === undefined) {
    return b.op('MatMul', [x, b.weight(name, float32([rows, columns], data))], { name });
  }
  const transposed = new Float32Array(data.length);
  for (let i = 0; i < rows; i += 1) {
    for (let j = 0; j < columns; j += 1) transposed[j * rows + i] = data[i * columns + j] ?? 0;
  }
  const block = 16;
  const made = quantizeBlocks(float32([columns, rows], transposed), {
    bits: build.bits,
    block,
    symmetric: false,
  });
  if (build.dequantized === true) {
    const plain = transpose2d(dequantizeBlocks(made, [columns, rows]));
    return b.op('MatMul', [x, b.weight(name, plain)], { name });
  }
  if (made.zeroPoints === undefined) throw new Error('asymmetric quantization gives zero points');
  const values = Uint8Array.from(await made.values.read(0, made.values.byteLength));
  const zeroPoints = Uint8Array.from(await made.zeroPoints.read(0, made.zeroPoints.byteLength));
  const scales = new Float32Array(Uint8Array.from(await made.scales.read(0, made.scales.byteLength)).buffer);
  build.corrupt?.(name, { values, zeroPoints, scales });
  return b.op(
    'MatMulNBits',
    [
      x,
      b.weight(`${name}_q`, inlineTensor('uint8', made.values.shape, values)),
      b.weight(`${name}_s`, float32(made.scales.shape, scales)),
      b.weight(`${name}_z`, inlineTensor('uint8', made.zeroPoints.shape, zeroPoints)),
    ],
    {
      name,
      domain: 'com.microsoft',
      attributes: {
        K: rows,
        N: columns,
        bits: build.bits,
        block_size: block,
        ...(build.accuracyLevel === undefined ? {} : { accuracy_level: build.accuracyLevel }),
      },
    },
  );
}

function finishModel(b: GraphBuilder): Model {
  const model = createModel(b.graph, 20);
  model.opsetImports.set('com.microsoft', 1);
  return model;
}

async function vision(build: Build): Promise<Model> {
  const b = new GraphBuilder('vision', inferNode);
  const pixels = b.input('pixel_values', tensorType('float32', [1, 3, side, side]));
  const kernel = draw('vision.conv', hidden * 3 * patch * patch, 1 / Math.sqrt(3 * patch * patch), build);
  const conv = b.op('Conv', [pixels, b.weight('vision.conv', float32([hidden, 3, patch, patch], kernel))], {
    attributes: { kernel_shape: [patch, patch], strides: [patch, patch] },
  });
  const flat = b.op('Reshape', [conv, b.int64([1, hidden, patches])]);
  const tokens = b.op('Transpose', [flat], { attributes: { perm: [0, 2, 1] } });
  const views: Value[] = [];
  for (const view of ['tile', 'global']) {
    const inner = b.op('Tanh', [await linear(b, tokens, `vision.${view}.up`, hidden, hidden, build)]);
    views.push(await linear(b, inner, `vision.${view}.down`, hidden, hidden, build));
  }
  b.output('image_features', b.op('Concat', views, { attributes: { axis: 1 } }));
  return finishModel(b);
}

async function embed(build: Build): Promise<Model> {
  const b = new GraphBuilder('embed', inferNode);
  const ids = b.input('input_ids', tensorType('int64', ['batch_size', 'sequence_length']));
  const table = b.weight(
    'embed.table',
    float32([vocab, hidden], draw('embed.table', vocab * hidden, 1, build)),
  );
  b.output('inputs_embeds', b.op('Gather', [table, ids]));
  return finishModel(b);
}

async function decoder(build: Build): Promise<Model> {
  const b = new GraphBuilder('decoder', inferNode);
  let x = b.input('inputs_embeds', tensorType('float32', ['batch_size', 'sequence_length', hidden]));
  const attention = b.input('attention_mask', tensorType('int64', ['batch_size', 'total_sequence_length']));
  const length = b.input('rope_length', tensorType('int64', []));
  const slots = (value: Value): Value =>
    b.op('Squeeze', [b.op('Gather', [b.op('Shape', [value]), b.int64([1])]), b.int64([0])]);
  const total = slots(attention);
  const zero = b.int64([0], []);
  const one = b.int64([1], []);
  const keys = b.op('Range', [zero, total, one]);
  const queries = b.op('Range', [b.op('Sub', [total, slots(x)]), total, one]);
  const seen = b.op('LessOrEqual', [
    b.op('Unsqueeze', [keys, b.int64([0])]),
    b.op('Unsqueeze', [queries, b.int64([1])]),
  ]);
  const mask = b.op('Where', [seen, b.scalar(0), b.scalar(-1e9)]);
  // The prefill's length reaches the numbers, as the NTK base does: forgetting it in decode shows.
  const longer = b.op('Add', [
    b.scalar(1),
    b.op('Mul', [b.op('Cast', [length], { attributes: { to: 1 } }), b.scalar(0.01)]),
  ]);
  const presents: [string, Value][] = [];
  for (let layer = 0; layer < layers; layer += 1) {
    const part = async (input: Value, name: string): Promise<Value> => {
      const y = await linear(b, input, `decoder.${layer}.${name}`, hidden, hidden, build);
      const split = b.op('Reshape', [y, b.int64([0, 0, heads, headDim])]);
      return b.op('Transpose', [split], { attributes: { perm: [0, 2, 1, 3] } });
    };
    const normed = norm(b, x);
    const q = b.op('Mul', [b.op('Mul', [await part(normed, 'q'), longer]), b.scalar(1 / Math.sqrt(headDim))]);
    const joined: Value[] = [];
    for (const [kind, name] of [
      ['key', 'k'],
      ['value', 'v'],
    ] as const) {
      const past = b.input(
        `past_key_values.${layer}.${kind}`,
        tensorType('float32', ['batch_size', heads, 'past_sequence_length', headDim]),
      );
      const all = b.op('Concat', [past, await part(normed, name)], { attributes: { axis: 2 } });
      presents.push([`present.${layer}.${kind}`, all]);
      joined.push(all);
    }
    const [k, v] = joined;
    if (k === undefined || v === undefined) throw new Error('no cache');
    const scores = b.op('MatMul', [q, b.op('Transpose', [k], { attributes: { perm: [0, 1, 3, 2] } })]);
    const weights = b.op('Softmax', [b.op('Add', [scores, mask])], { attributes: { axis: -1 } });
    const mixed = b.op('Transpose', [b.op('MatMul', [weights, v])], { attributes: { perm: [0, 2, 1, 3] } });
    const merged = b.op('Reshape', [mixed, b.int64([0, 0, hidden])]);
    x = b.op('Add', [x, await linear(b, merged, `decoder.${layer}.out`, hidden, hidden, build)]);
    const up = b.op('Tanh', [await linear(b, norm(b, x), `decoder.${layer}.up`, hidden, 2 * hidden, build)]);
    x = b.op('Add', [x, await linear(b, up, `decoder.${layer}.down`, 2 * hidden, hidden, build)]);
  }
  b.output('logits', await linear(b, norm(b, x), 'decoder.head', hidden, vocab, build));
  for (const [name, value] of presents) b.output(name, value);
  return finishModel(b);
}

function norm(b: GraphBuilder, x: Value): Value {
  const ones = b.weight('norm.ones', onesTensor);
  return b.op('LayerNormalization', [x, ones], { attributes: { axis: -1, epsilon: float(1e-6) } });
}

const onesTensor = float32([hidden], new Float32Array(hidden).fill(1));
