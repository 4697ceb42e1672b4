/**
 * Components in the forms that onnxruntime-genai drives: it runs vision once, embeds ids and features together, and
 * feeds a decoder nothing but embeddings, mask and cache. Clones of graphs that stay what they are; tensors are shared.
 */
import type { SpliceRule } from '../architectures/recipe.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { cloneModel } from '../graph/clone.ts';
import { inferNode } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import { tensorType } from '../graph/types.ts';
import { dimsOf, type Value } from '../graph/value.ts';
import { codeOfDType, type DType } from '../tensor/dtype.ts';

/** The name of the features' first axis, in what vision gives and in what the embedding takes. */
const featureRows = 'image_tokens';

/**
 * Features [pictures, tokens, hidden] or [tokens, hidden] → [tokens, hidden], those of all pictures. `names`: of inputs
 * that are called otherwise, by the name that they have. `lengths`: the output i64 [pictures] that says how many of the
 * first tokens of each count, where not all do.
 */
export function flatFeatures(
  model: Model,
  {
    output,
    hidden,
    names = {},
    lengths,
  }: {
    readonly output: string;
    readonly hidden: number;
    readonly names?: Readonly<Record<string, string>>;
    readonly lengths?: string | undefined;
  },
): Model {
  const copy = cloneModel(model);
  for (const [own, wanted] of Object.entries(names)) {
    const input = copy.graph.value(own);
    if (input === undefined) throw new RangeError(`no input ${own}`);
    copy.graph.renameValue(input, wanted);
  }
  const features = take(copy, output);
  const b = new GraphBuilder(copy.graph, inferNode);
  const flat = b.scope('flat', () => {
    const rows = b.op('Reshape', [features, b.int64([-1, hidden])]);
    if (lengths === undefined) return rows;
    return b.op('Compress', [rows, firstOf(b, copy.graph.value(lengths), features)], {
      attributes: { axis: 0 },
    });
  });
  give(b, output, flat);
  copy.graph.setType(flat, tensorType(dtypeOf(features), [featureRows, hidden]));
  return copy;
}

/** bool [pictures · tokens] of features [pictures, tokens, hidden]: the first ones of each. */
function firstOf(b: GraphBuilder, lengths: Value | undefined, features: Value): Value {
  const tokens = dimsOf(features)?.[1];
  if (lengths === undefined || typeof tokens !== 'number')
    throw new RangeError('features of unknown lengths');
  const index = b.int64(Array.from({ length: tokens }, (_, token) => token));
  const first = b.op('Less', [index, b.op('Unsqueeze', [lengths, b.int64([1])])]);
  return b.op('Reshape', [first, b.int64([-1])]);
}

/**
 * input_ids i64 [batch, sequence], image_features [image_tokens, hidden] → inputs_embeds [batch, sequence, hidden]: the
 * i-th place of a picture takes the i-th feature. Places beyond the last feature keep their own embedding, as every
 * place does while decoding.
 */
export function mergingEmbedding(model: Model, splice: SpliceRule, hidden: number): Model {
  const copy = cloneModel(model);
  const ids = copy.graph.value('input_ids');
  if (ids === undefined) throw new RangeError('an embedding without input_ids');
  const embeds = take(copy, 'inputs_embeds');
  const dtype = dtypeOf(embeds);
  const b = new GraphBuilder(copy.graph, inferNode);
  const features = b.input('image_features', tensorType(dtype, [featureRows, hidden]));
  const merged = b.scope('merge', () => mergedFeatures(b, { ids, embeds, features }, splice));
  give(b, 'inputs_embeds', merged);
  copy.graph.setType(merged, tensorType(dtype, ['batch_size', 'sequence_length', hidden]));
  return copy;
}

/**
 * ids i64 [batch, sequence], embeds [batch, sequence, hidden], features [image_tokens, hidden] → embeds with features in
 * their places, as `mergingEmbedding` says.
 */
export function mergedFeatures(
  b: GraphBuilder,
  { ids, embeds, features }: { readonly ids: Value; readonly embeds: Value; readonly features: Value },
  splice: SpliceRule,
): Value {
  const dtype = dtypeOf(embeds);
  const hidden = dimsOf(features)?.at(-1);
  if (typeof hidden !== 'number') throw new RangeError('features of an unknown width');
  const flatIds = b.op('Reshape', [ids, b.int64([-1])]);
  const isPlace = places(b, flatIds, splice);
  const ordinal = b.op('CumSum', [integers(b, isPlace), b.int64([0], [])]);
  const rows = b.op('Shape', [features], { attributes: { start: 0, end: 1 } });
  const index = b.op('Sub', [ordinal, b.int64([1])]);
  const taken = b.op('And', [isPlace, b.op('Less', [index, rows])]);
  // One row more than there are: what is not taken has to have an index, too.
  const zero = b.op('Cast', [b.float32([0], [1, 1])], { attributes: { to: codeOfDType(dtype) } });
  const spare = b.op('Expand', [zero, b.int64([1, hidden])]);
  const padded = b.op('Concat', [features, spare], { attributes: { axis: 0 } });
  const chosen = b.op('Gather', [padded, b.op('Where', [taken, index, rows])], { attributes: { axis: 0 } });
  const flat = b.op('Reshape', [embeds, b.int64([-1, hidden])]);
  const joined = b.op('Where', [b.op('Unsqueeze', [taken, b.int64([1])]), chosen, flat]);
  return b.op('Reshape', [joined, b.op('Shape', [embeds])]);
}

/** Inputs that nobody feeds, as the constants they are given: int64 scalars by name. */
export function fixedInputs(model: Model, values: Readonly<Record<string, number>>): Model {
  const copy = cloneModel(model);
  const b = new GraphBuilder(copy.graph, inferNode);
  for (const [name, value] of Object.entries(values)) {
    const input = copy.graph.value(name);
    if (input === undefined) throw new RangeError(`no input ${name}`);
    copy.graph.replaceAllUses(input, b.int64([value], []));
    copy.graph.removeInput(input);
  }
  return copy;
}

/** bool [ids]: where a feature stands. */
function places(b: GraphBuilder, ids: Value, splice: SpliceRule): Value {
  const is = (id: number): Value => b.op('Equal', [ids, b.int64([id])]);
  if (splice.rule === 'image-token') {
    const picture = is(splice.tokenId);
    return splice.videoTokenId === undefined ? picture : b.op('Or', [picture, is(splice.videoTokenId)]);
  }
  // Behind a start, and not behind or at its end.
  const begun = b.op('CumSum', [integers(b, is(splice.startId)), b.int64([0], [])], {
    attributes: { exclusive: 1 },
  });
  const ended = b.op('CumSum', [integers(b, is(splice.endId)), b.int64([0], [])]);
  return b.op('Greater', [begun, ended]);
}

function integers(b: GraphBuilder, flags: Value): Value {
  return b.op('Cast', [flags], { attributes: { to: codeOfDType('int64') } });
}

/** The output under another name, so that its own becomes free. */
function take({ graph }: Model, name: string): Value {
  const value = graph.value(name);
  if (value === undefined || !value.isOutput) throw new RangeError(`no output ${name}`);
  graph.setOutputs(graph.outputs.filter((output) => output !== value));
  graph.renameValue(value, graph.freshName(`${name}_plain`));
  return value;
}

function give(b: GraphBuilder, name: string, value: Value): void {
  b.graph.renameValue(value, name);
  b.graph.setOutputs([value, ...b.graph.outputs]);
}

function dtypeOf({ name, type }: Value): DType {
  if (type?.kind !== 'tensor' || type.dtype === undefined) throw new RangeError(`${name} has no type`);
  return type.dtype;
}
