/**
 * Components in the forms that transformers.js drives for `multi_modality`: one graph from ids and pictures to
 * embeddings, the decoder without its head, and that head alone, for another one stands beside it. Clones of graphs that
 * stay what they are; tensors are shared.
 *
 * Its way to guide a picture is not the one of the models: the unconditional row is all padding there, and hidden from
 * the decoder by the mask. The graphs here put it right, for nothing else fills a row with padding or hides a token:
 * rows are never padded there.
 */
import type { Size } from '../architectures/media.ts';
import type { GenerationRecipe, PictureGeneration } from '../architectures/recipe.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { cloneModel } from '../graph/clone.ts';
import { extractModel, readsOf } from '../graph/extract.ts';
import { Graph } from '../graph/graph.ts';
import { inferNode } from '../graph/infer/infer.ts';
import { inlineModel } from '../graph/inline.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { tensorType } from '../graph/types.ts';
import { dtypeOf, type Value } from '../graph/value.ts';
import { fail } from '../report/diagnostics.ts';
import { codeOfDType } from '../tensor/dtype.ts';
import { mergedFeatures } from './adapted-graphs.ts';

/**
 * input_ids i64 [rows, sequence], pixel_values f32 [1, pictures, 3, H, W] → inputs_embeds f32 [rows, sequence, hidden].
 * Without pictures, pixel_values holds no number, whatever its size: vision does not run then.
 */
export function preparedEmbeddings(
  models: { readonly vision: Model; readonly embed: Model },
  { encoder, splice, pictures, hiddenSize }: GenerationRecipe,
  { width, height }: Size,
): Model {
  if (encoder === undefined || splice === undefined) throw new RangeError('a model without pictures');
  const b = new GraphBuilder('prepare_inputs_embeds', inferNode);
  const ids = b.input('input_ids', tensorType('int64', ['batch_size', 'sequence_length']));
  const pixels = b.input(
    'pixel_values',
    tensorType('float32', ['picture_rows', 'pictures', 3, 'height', 'width']),
  );
  const fed = pictures === undefined ? ids : b.scope('guide', () => unconditionalIds(b, ids, pictures));
  const embeds = output(inlineModel(models.embed, b.graph, new Map([['input_ids', fed]])), 'inputs_embeds');
  b.graph.renameValue(embeds, b.graph.freshName('text_embeds'));

  const seen = new Graph('with_pictures', b.graph);
  const inner = new GraphBuilder(seen, inferNode);
  const views = inner.op('Reshape', [pixels, inner.int64([-1, 3, height, width])]);
  const given = new Map([[encoder.input, views]]);
  const features = output(inlineModel(models.vision, seen, given, b.graph), encoder.output);
  inner.output('picture_features', inner.op('Reshape', [features, inner.int64([-1, hiddenSize])]));

  const blind = new Graph('without_pictures', b.graph);
  const empty = new GraphBuilder(blind, inferNode);
  empty.output('no_features', empty.op('ConstantOfShape', [empty.int64([0, hiddenSize])]));

  const some = b.op('Greater', [b.op('Size', [pixels]), b.int64([0], [])]);
  const rows = b.op('If', [some], {
    attributes: { then_branch: { kind: 'graph', value: seen }, else_branch: { kind: 'graph', value: blind } },
  });
  b.graph.setType(rows, tensorType('float32', ['image_tokens', hiddenSize]));
  const merged = b.scope('merge', () => mergedFeatures(b, { ids: fed, embeds, features: rows }, splice));
  b.output('inputs_embeds', merged);
  b.graph.setType(merged, tensorType('float32', ['batch_size', 'sequence_length', hiddenSize]));
  return { ...modelOf(models.embed, b.graph), opsetImports: imports(models.embed, models.vision) };
}

/**
 * inputs_embeds f32 [rows, sequence, hidden], past_key_values → `hidden` f32 [rows, sequence, hidden], present: the
 * decoder without logits, in which every token sees all before it.
 */
export function headlessDecoder(decoder: Model): Model {
  const { graph } = decoder;
  const outputs = graph.outputs.filter(({ name }) => name !== 'logits');
  const body = extractModel(decoder, { nodes: behind(outputs), inputs: graph.inputs, outputs });
  const b = new GraphBuilder('language_model', inferNode);
  const inputs = new Map(
    graph.inputs
      .filter(({ name }) => name !== 'attention_mask')
      .map(({ name, type }) => [name, b.graph.addInput(name, type)]),
  );
  const past = inputs.get('past_key_values.0.key');
  const embeds = inputs.get('inputs_embeds');
  if (past === undefined || embeds === undefined) throw new RangeError('a decoder without a cache');
  const mask = b.scope('mask', () => {
    const dim = (value: Value, axis: number): Value =>
      b.op('Shape', [value], { attributes: { start: axis, end: axis + 1 } });
    const total = b.op('Add', [dim(past, 2), dim(embeds, 1)]);
    return b.op('Expand', [
      b.int64([1]),
      b.op('Concat', [dim(embeds, 0), total], { attributes: { axis: 0 } }),
    ]);
  });
  b.graph.setType(mask, tensorType('int64', ['batch_size', 'total_sequence_length']));
  const made = inlineModel(body, b.graph, new Map([...inputs, ['attention_mask', mask]]));
  for (const { name } of outputs) b.output(name, output(made, name));
  return modelOf(decoder, b.graph);
}

/** `hidden` f32 [rows, sequence, hidden] → logits f32 [rows, sequence, vocabulary]: what `headlessDecoder` leaves out. */
export function decoderHead(decoder: Model, hidden: string): Model {
  const { graph } = decoder;
  const [state, logits] = [hidden, 'logits'].map((name) => graph.outputs.find((each) => each.name === name));
  if (state === undefined || logits === undefined) throw new RangeError(`a decoder without ${hidden}`);
  const body = behind(graph.outputs.filter((each) => each !== logits));
  const nodes = new Set([...behind([logits])].filter((node) => !body.has(node)));
  const read = [...nodes].flatMap((node) => readsOf(node).filter((value) => value.initializer === undefined));
  const [cut, ...more] = new Set(
    read.filter(({ producer }) => producer === undefined || !nodes.has(producer)),
  );
  // In a graph of halves the head reads what is widened for the output.
  const widened = state.producer?.opType === 'Cast' ? state.producer.input(0) : undefined;
  if (cut === undefined || more.length > 0 || (cut !== state && cut !== widened)) {
    throw fail('VC4502', {
      where: 'decoder',
      found: `logits that hang on ${cut?.name ?? 'nothing'}${more.map(({ name }) => `, ${name}`).join('')}`,
      expected: `logits that hang on ${hidden} alone, which two heads read`,
      hint: 'leave --passes out',
    });
  }
  const head = extractModel(decoder, { nodes, inputs: [cut], outputs: [logits] });
  const b = new GraphBuilder('lm_head', inferNode);
  const input = b.input(hidden, state.type ?? tensorType('float32', ['batch_size', 'sequence_length', null]));
  const to = dtypeOf(cut) ?? 'float32';
  const fed = cut === state ? input : b.op('Cast', [input], { attributes: { to: codeOfDType(to) } });
  const made = inlineModel(head, b.graph, new Map([[cut.name, fed]]));
  b.output('logits', output(made, 'logits'));
  return modelOf(decoder, b.graph);
}

/** The same graph, with another name for its one input. */
export function withInput(model: Model, name: string): Model {
  const copy = cloneModel(model);
  const [input, ...more] = copy.graph.inputs;
  if (input === undefined || more.length > 0) throw new RangeError('not one input');
  copy.graph.renameValue(input, name);
  return copy;
}

/**
 * generated_tokens i64 [N, T] → decoded_image f32 [N, 3, H, W], of which a byte is 255 (y + 1) / 2, clipped and cut,
 * as transformers.js has it.
 */
export function decodedImage(model: Model, { mean, std }: PictureGeneration): Model {
  const copy = withInput(model, 'generated_tokens');
  const { graph } = copy;
  const [pixels, ...more] = graph.outputs;
  if (pixels === undefined || more.length > 0) throw new RangeError('not one output');
  const [scale, shift] = [std.map((each) => 2 * each), mean.map((each) => 2 * each - 1)];
  if (scale.every((each) => each === 1) && shift.every((each) => each === 0)) {
    graph.renameValue(pixels, 'decoded_image');
    return copy;
  }
  graph.setOutputs([]);
  const b = new GraphBuilder(graph, inferNode);
  const channels = (values: readonly number[]): Value => b.float32(values, [1, values.length, 1, 1]);
  b.output('decoded_image', b.op('Add', [b.op('Mul', [pixels, channels(scale)]), channels(shift)]));
  return copy;
}

/**
 * i64 [rows, sequence] of the client → of the model. The second half of the rows is padding throughout where a picture
 * is guided; of such rows the tokens that the model keeps come from their counterpart in the first half.
 */
function unconditionalIds(b: GraphBuilder, ids: Value, { padId, kept }: PictureGeneration): Value {
  const same = (value: Value, id: number): Value => b.op('Equal', [value, b.int64([id])]);
  const dim = (axis: number): Value => {
    const shape = b.op('Shape', [ids], { attributes: { start: axis, end: axis + 1 } });
    return b.op('Squeeze', [shape]);
  };
  const count = (size: Value): Value => b.op('Range', [b.int64([0], []), size, b.int64([1], [])]);
  const padding = b.op('Cast', [same(ids, padId)], { attributes: { to: codeOfDType('int64') } });
  const all = b.op('ReduceMin', [padding, b.int64([1])], { attributes: { keepdims: 1 } });
  const blank = b.op('Equal', [all, b.int64([1])]);
  const rows = dim(0);
  const half = b.op('Div', [rows, b.int64([2], [])]);
  const counterpart = b.op('Max', [b.op('Sub', [count(rows), half]), b.int64([0], [])]);
  const full = b.op('Gather', [ids, counterpart], { attributes: { axis: 0 } });
  const positions = (): Value => {
    const length = dim(1);
    const each = count(length);
    return b.op('Or', [
      b.op('Equal', [each, b.int64([0], [])]),
      b.op('Equal', [each, b.op('Sub', [length, b.int64([1], [])])]),
    ]);
  };
  const stays =
    kept === 'ends' ? positions() : kept.map((id) => same(full, id)).reduce((a, c) => b.op('Or', [a, c]));
  return b.op('Where', [b.op('And', [blank, stays]), full, ids]);
}

/** The nodes of a graph that values hang on. */
function behind(values: readonly Value[]): ReadonlySet<Node> {
  const found = new Set<Node>();
  const pending = [...values];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const { producer } = value;
    if (producer === undefined || found.has(producer)) continue;
    found.add(producer);
    pending.push(...readsOf(producer));
  }
  return found;
}

function output(outputs: ReadonlyMap<string, Value>, name: string): Value {
  const value = outputs.get(name);
  if (value === undefined) throw new RangeError(`no output ${name}`);
  return value;
}

/** A graph with all that is said of the model whose nodes it has. */
function modelOf(model: Model, graph: Graph): Model {
  return { ...model, opsetImports: new Map(model.opsetImports), metadata: new Map(), graph, functions: [] };
}

function imports(...models: readonly Model[]): Map<string, number> {
  const versions = new Map<string, number>();
  for (const [domain, version] of models.flatMap(({ opsetImports }) => [...opsetImports])) {
    if ((versions.get(domain) ?? version) !== version) throw new RangeError(`two versions of ${domain}`);
    versions.set(domain, version);
  }
  return versions;
}
