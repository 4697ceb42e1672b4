/**
 * Where every tensor of a model goes: inside the model file, or at an offset of a data file beside it. Planned
 * from shapes alone, so all offsets are known before any byte is computed.
 *
 * Data files are `<fileName>.onnx_data`, `<fileName>.onnx_data_1`, …; entries do not overlap, are ordered by offset in
 * every file, and the bytes between them are zero.
 */
import type { Attribute } from '../../graph/attribute.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { bitsOf } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export interface LayoutOptions {
  /** Without extension and folder: `vision_encoder`. */
  readonly fileName: string;
  /** Tensors of at most this many bytes stay in the model file, where shape inference can see them. */
  readonly inlineLimit?: number;
  /** Offsets are multiples of this many bytes: memory mapping needs the page size. */
  readonly alignment?: number;
  /** A data file is closed before it would grow beyond this many bytes; a larger tensor gets a file of its own. */
  readonly maxFileBytes?: number;
  /**
   * Files that the model may read where tensors stand already, with their names beside the model file: a tensor that
   * is stored as it is stays in its file.
   */
  readonly linked?: ReadonlyMap<ByteSource, string>;
  /** Tensors whose data file is named after another model file than `fileName`: without extension, as that. */
  readonly dataNames?: ReadonlyMap<Tensor, string>;
  /** How many data files are called after a name, in layouts of one folder: this one counts on, and adds its own. */
  readonly standing?: Map<string, number>;
}

export interface LayoutEntry {
  readonly tensor: Tensor;
  /** Name of the first initializer (or `<node>:<attribute>`) that holds the tensor. */
  readonly name: string;
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

export interface ModelLayout {
  /** `<fileName>.onnx` */
  readonly modelFile: string;
  readonly dataFiles: readonly { readonly name: string; readonly byteLength: number }[];
  readonly entries: readonly LayoutEntry[];
  /** Names of the files that hold tensors as they are and that somebody else puts beside the model file. */
  readonly linkedFiles: readonly string[];
  /** Tensors that are not here are inline. */
  readonly placement: ReadonlyMap<Tensor, LayoutEntry>;
}

const defaultInlineLimit = 1024;
/** The page size of every platform that we know of but large-page ARM, which maps in multiples of it. */
const defaultAlignment = 4096;
/** Just under 2 GiB, the largest buffer that browsers allocate. */
const defaultMaxFileBytes = 2 ** 31 - 4096;

/** Plans the files of a model. Reads nothing. One Tensor object is stored once, however many names it has. */
export function layoutModel(model: Model, options: LayoutOptions): ModelLayout {
  return layoutModels([model], options);
}

/** The same for models that share their data files. */
export function layoutModels(models: readonly Model[], options: LayoutOptions): ModelLayout {
  const inlineLimit = options.inlineLimit ?? defaultInlineLimit;
  const alignment = options.alignment ?? defaultAlignment;
  const maxFileBytes = options.maxFileBytes ?? defaultMaxFileBytes;
  const placement = new Map<Tensor, LayoutEntry>();
  const files: { name: string; byteLength: number }[] = [];
  /** The file that grows, by what it is called after. */
  const growing = new Map<string, { name: string; byteLength: number }>();
  const counts = options.standing ?? new Map<string, number>();
  const entries: LayoutEntry[] = [];
  const linked = new Set<string>();
  for (const { name, tensor, movable } of models.flatMap((model) => [...modelTensors(model)])) {
    if (!movable || tensor.dtype === 'string' || tensor.byteLength <= inlineLimit) continue;
    if (placement.has(tensor)) continue;
    const standing = linkedEntry(tensor, name, options.linked);
    if (standing !== undefined) {
      linked.add(standing.file);
      placement.set(tensor, standing);
      continue;
    }
    const stem = options.dataNames?.get(tensor) ?? options.fileName;
    let file = growing.get(stem);
    let offset = file === undefined ? 0 : Math.ceil(file.byteLength / alignment) * alignment;
    if (file === undefined || offset + tensor.byteLength > maxFileBytes) {
      const before = counts.get(stem) ?? 0;
      counts.set(stem, before + 1);
      file = { name: `${stem}.onnx_data${before === 0 ? '' : `_${before}`}`, byteLength: 0 };
      growing.set(stem, file);
      files.push(file);
      offset = 0;
    }
    file.byteLength = offset + tensor.byteLength;
    const entry = { tensor, name, file: file.name, offset, byteLength: tensor.byteLength };
    entries.push(entry);
    placement.set(tensor, entry);
  }
  return {
    modelFile: `${options.fileName}.onnx`,
    dataFiles: files,
    entries,
    linkedFiles: [...linked],
    placement,
  };
}

/** Another graph over the weights of models: it reads the data files of those, and has none of its own. */
export function sharedLayout(fileName: string, ...layouts: readonly ModelLayout[]): ModelLayout {
  return {
    modelFile: `${fileName}.onnx`,
    dataFiles: [],
    entries: [],
    linkedFiles: [...new Set(layouts.flatMap(({ linkedFiles }) => linkedFiles))],
    placement: new Map(layouts.flatMap(({ placement }) => [...placement])),
  };
}

/** Runtimes read elements where they stand, so they must not be split by what a processor loads at once. */
function linkedEntry(tensor: Tensor, name: string, linked: LayoutOptions['linked']): LayoutEntry | undefined {
  const { origin, dtype, byteLength } = tensor;
  if (origin.kind !== 'source' || origin.offset % Math.ceil(bitsOf(dtype) / 8) !== 0) return undefined;
  const file = linked?.get(origin.source);
  return file === undefined ? undefined : { tensor, name, file, offset: origin.offset, byteLength };
}

export interface ModelTensor {
  readonly name: string;
  readonly tensor: Tensor;
  /** Whether runtimes read it from a data file: initializers and the values of Constant nodes. */
  readonly movable: boolean;
}

/** Every tensor of a model in the order of the file, subgraphs and functions included. */
export function* modelTensors(model: Model): Generator<ModelTensor> {
  yield* graphTensors(model.graph, true);
  for (const local of model.functions) {
    for (const [name, attribute] of local.attributeDefaults) {
      yield* attributeTensors(`${local.name}:${name}`, attribute, false);
    }
    yield* graphTensors(local.body, false);
  }
}

function* graphTensors(graph: Graph, movable: boolean): Generator<ModelTensor> {
  for (const value of graph.initializers()) yield { name: value.name, tensor: value.initializer, movable };
  for (const [name, sparse] of graph.sparseInitializers) {
    yield { name, tensor: sparse.values, movable: false };
    yield { name, tensor: sparse.indices, movable: false };
  }
  for (const node of graph.nodes()) yield* nodeTensors(node, movable);
}

function* nodeTensors(node: Node, movable: boolean): Generator<ModelTensor> {
  for (const [name, attribute] of node.attributes) {
    const constant = node.op === 'Constant' && name === 'value';
    yield* attributeTensors(`${node.name}:${name}`, attribute, movable && constant);
    if (attribute.kind === 'graph') yield* graphTensors(attribute.value, movable);
    if (attribute.kind === 'graphs') {
      for (const graph of attribute.value) yield* graphTensors(graph, movable);
    }
  }
}

function* attributeTensors(name: string, attribute: Attribute, movable: boolean): Generator<ModelTensor> {
  switch (attribute.kind) {
    case 'tensor':
      yield { name, tensor: attribute.value, movable };
      return;
    case 'tensors':
      for (const tensor of attribute.value) yield { name, tensor, movable: false };
      return;
    case 'sparse-tensor':
    case 'sparse-tensors':
      for (const sparse of attribute.kind === 'sparse-tensor' ? [attribute.value] : attribute.value) {
        yield { name, tensor: sparse.values, movable: false };
        yield { name, tensor: sparse.indices, movable: false };
      }
      return;
    default:
      return;
  }
}
