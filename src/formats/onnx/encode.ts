/**
 * A model to the bytes of its ONNX file, after a layout. Tensors that the layout places in data files appear by
 * location, offset and length; the others are read and stand as raw_data (strings as string_data).
 * The bytes are a function of model and layout alone.
 */
import type { Attribute, SparseTensor } from '../../graph/attribute.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Model, ModelFunction } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { ValueType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { fail } from '../../report/diagnostics.ts';
import { unpackStrings } from '../../tensor/string-tensor.ts';
import { readAll, type Tensor } from '../../tensor/tensor.ts';
import { attributeTypes } from './attribute-types.ts';
import { type CarriedType, carryOf, type Rest } from './carry.ts';
import { numberOf } from './data-types.ts';
import { docField } from './doc-string.ts';
import { wireInt } from './int64.ts';
import { lowestIrVersion } from './ir-version.ts';
import { type ModelLayout, modelTensors } from './layout.ts';
import type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  SparseTensorProto,
  StringStringEntryProto,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from './proto.ts';
import { loadCodec } from './schema.ts';

/** A protobuf message must stay below 2 GiB. */
const protobufLimit = 2 ** 31 - 1;

/**
 * The bytes of `<fileName>.onnx`. Reads the tensors that stay inline. Throws VC2050 when they exceed 2 GiB,
 * VC2051 where a node's domain is not imported and, unless they are kept, VC3901 for weights that are not finite.
 */
export async function encodeModel(
  model: Model,
  layout: ModelLayout,
  nonFinite: 'keep' | 'unquantized' = 'unquantized',
): Promise<Uint8Array> {
  const inline = new Map<Tensor, Uint8Array>();
  let inlineBytes = 0;
  for (const { tensor } of modelTensors(model)) {
    if (layout.placement.has(tensor) || inline.has(tensor)) continue;
    inlineBytes += tensor.byteLength;
    checkSize(layout, inlineBytes);
    inline.set(tensor, await readAll(tensor, nonFinite));
  }
  const codec = await loadCodec();
  const bytes = codec.encode(new Encoder(model, layout, inline).model());
  checkSize(layout, bytes.byteLength);
  return bytes;
}

function checkSize(layout: ModelLayout, bytes: number): void {
  if (bytes > protobufLimit) {
    throw fail('VC2050', {
      where: layout.modelFile,
      found: `${bytes} bytes or more`,
      expected: 'below 2 GiB',
    });
  }
}

class Encoder {
  readonly #model: Model;
  readonly #layout: ModelLayout;
  readonly #inline: ReadonlyMap<Tensor, Uint8Array>;

  constructor(model: Model, layout: ModelLayout, inline: ReadonlyMap<Tensor, Uint8Array>) {
    this.#model = model;
    this.#layout = layout;
    this.#inline = inline;
  }

  model(): ModelProto {
    const model = this.#model;
    return {
      ...carryOf(model)?.rest,
      irVersion: Math.max(model.irVersion, lowestIrVersion(model)),
      opsetImport: opsetImports(model.opsetImports, carryOf(model)?.imports),
      ...text('producerName', model.producerName),
      ...text('producerVersion', model.producerVersion),
      ...text('domain', model.domain),
      ...(model.modelVersion === 0 ? {} : { modelVersion: wireInt(model.modelVersion) }),
      ...docField(model.docString),
      graph: this.#graph(model.graph, model.opsetImports),
      metadataProps: entries(model.metadata),
      functions: model.functions.map((local) => this.#function(local)),
    };
  }

  #function(local: ModelFunction): FunctionProto {
    const { body } = local;
    for (const value of body.initializers()) {
      throw new RangeError(
        `function ${local.name} holds initializer ${value.name}: ONNX has no place for it`,
      );
    }
    const ends = new Set<Value>([...body.inputs, ...body.outputs]);
    return {
      ...carryOf(local)?.rest,
      name: local.name,
      ...text('domain', local.domain),
      ...text('overload', local.overload),
      opsetImport: opsetImports(local.opsetImports, carryOf(local)?.imports),
      input: body.inputs.map((value) => value.name),
      output: body.outputs.map((value) => value.name),
      attribute: local.attributes,
      attributeProto: [...local.attributeDefaults].map(([name, attribute]) =>
        this.#attribute(name, attribute, local.opsetImports),
      ),
      node: [...body.nodes()].map((node) => this.#node(node, local.opsetImports)),
      valueInfo: [
        ...[...body.values()].filter((value) => ends.has(value) || hasInfo(value)).flatMap(typedInfo),
        ...(carryOf(body)?.strayInfos ?? []),
      ],
      ...docField(body.docString),
      metadataProps: entries(body.metadata),
    };
  }

  #graph(graph: Graph, imports: ReadonlyMap<string, number>): GraphProto {
    const ends = new Set<Value>([...graph.inputs, ...graph.outputs]);
    const inner = [...graph.values()].filter(
      (value) => !ends.has(value) && !graph.sparseInitializers.has(value.name) && hasInfo(value),
    );
    return {
      ...carryOf(graph)?.rest,
      ...text('name', graph.name),
      node: [...graph.nodes()].map((node) => this.#node(node, imports)),
      initializer: [...graph.initializers()].map((value) =>
        this.#tensor(value.initializer, value.name, carryOf(value)?.tensor),
      ),
      sparseInitializer: [...graph.sparseInitializers].map(([name, sparse]) => this.#sparse(sparse, name)),
      ...docField(graph.docString),
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
      valueInfo: [...inner.map(valueInfo), ...(carryOf(graph)?.strayInfos ?? [])],
      metadataProps: entries(graph.metadata),
    };
  }

  #node(node: Node, imports: ReadonlyMap<string, number>): NodeProto {
    if (!imports.has(node.domain)) {
      throw fail('VC2051', {
        where: `node ${node.name} (${node.op})`,
        found: `domain "${node.domain}"`,
        expected: `one of ${[...imports.keys()].map((domain) => `"${domain}"`).join(', ')}`,
      });
    }
    return {
      ...carryOf(node)?.rest,
      input: node.inputs.map((value) => value?.name ?? ''),
      output: node.outputs.map((value) => value?.name ?? ''),
      name: node.name,
      opType: node.opType,
      ...text('domain', node.domain),
      ...text('overload', node.overload),
      attribute: [...node.attributes].map(([name, attribute]) => this.#attribute(name, attribute, imports)),
      metadataProps: entries(node.metadata),
    };
  }

  #attribute(name: string, attribute: Attribute, imports: ReadonlyMap<string, number>): AttributeProto {
    const carried = carryOf(attribute);
    const head = { ...carried?.rest, name };
    if (attribute.kind === 'ref') {
      return { ...head, refAttrName: attribute.ref, type: attributeTypes[attribute.of] };
    }
    const typed = { ...head, type: attributeTypes[attribute.kind] };
    switch (attribute.kind) {
      case 'float':
        return { ...typed, f: attribute.value };
      case 'int':
        return { ...typed, i: wireInt(attribute.value) };
      case 'string':
        return { ...typed, s: attribute.value };
      case 'tensor':
        return { ...typed, t: this.#tensor(attribute.value, undefined, carried?.tensor) };
      case 'graph':
        return { ...typed, g: this.#graph(attribute.value, imports) };
      case 'sparse-tensor':
        return { ...typed, sparseTensor: this.#sparse(attribute.value) };
      case 'type':
        return { ...typed, tp: typeProto(attribute.value, carried?.type) ?? {} };
      case 'floats':
        return { ...typed, floats: attribute.value };
      case 'ints':
        return { ...typed, ints: attribute.value.map(wireInt) };
      case 'strings':
        return { ...typed, strings: attribute.value };
      case 'tensors':
        return { ...typed, tensors: attribute.value.map((tensor) => this.#tensor(tensor)) };
      case 'graphs':
        return { ...typed, graphs: attribute.value.map((graph) => this.#graph(graph, imports)) };
      case 'sparse-tensors':
        return { ...typed, sparseTensors: attribute.value.map((sparse) => this.#sparse(sparse)) };
      case 'types':
        return { ...typed, typeProtos: attribute.value.map((type) => typeProto(type) ?? {}) };
    }
  }

  #sparse(sparse: SparseTensor, name?: string): SparseTensorProto {
    return {
      values: this.#tensor(sparse.values, name),
      indices: this.#tensor(sparse.indices),
      dims: sparse.shape,
    };
  }

  #tensor(tensor: Tensor, name?: string, rest?: Rest): TensorProto {
    return {
      ...rest,
      dims: tensor.shape,
      dataType: numberOf(tensor.dtype),
      ...(name === undefined ? {} : { name }),
      ...this.#data(tensor),
    };
  }

  #data(tensor: Tensor): Partial<TensorProto> {
    const entry = this.#layout.placement.get(tensor);
    if (entry !== undefined) {
      return {
        externalData: [
          { key: 'location', value: entry.file },
          { key: 'offset', value: String(entry.offset) },
          { key: 'length', value: String(entry.byteLength) },
        ],
        dataLocation: 1,
      };
    }
    const bytes = this.#inline.get(tensor);
    if (bytes === undefined) throw new RangeError('a tensor is neither in the layout nor inline');
    return tensor.dtype === 'string' ? { stringData: unpackStrings(bytes) } : { rawData: bytes };
  }
}

function opsetImports(
  imports: ReadonlyMap<string, number>,
  rests: ReadonlyMap<string, Rest> | undefined,
): OperatorSetIdProto[] {
  return [...imports].map(([domain, version]) => ({ ...rests?.get(domain), domain, version }));
}

/** Whether a value has anything to say in value_info. An initializer's own type is said by the initializer. */
function hasInfo(value: Value): boolean {
  if (value.metadata.size > 0) return true;
  const carried = carryOf(value);
  if (carried?.rest !== undefined || carried?.type !== undefined) return true;
  return value.type !== undefined && value.initializer === undefined;
}

function valueInfo(value: Value): ValueInfoProto {
  const carried = carryOf(value);
  const type = typeProto(value.type, carried?.type);
  return {
    ...carried?.rest,
    name: value.name,
    ...(type === undefined ? {} : { type }),
    metadataProps: entries(value.metadata),
  };
}

/** The value_info of a function's value: none when there is nothing but a name. */
function typedInfo(value: Value): ValueInfoProto[] {
  return value.type === undefined && !hasInfo(value) ? [] : [valueInfo(value)];
}

function typeProto(type: ValueType | undefined, carried?: CarriedType): TypeProto | undefined {
  if (carried !== undefined && carried.decoded === type) return carried.proto;
  if (type === undefined) return undefined;
  switch (type.kind) {
    case 'tensor':
    case 'sparse-tensor': {
      const dim = type.shape?.map((size) =>
        typeof size === 'number' ? { dimValue: size } : typeof size === 'string' ? { dimParam: size } : {},
      );
      const proto = { elemType: numberOf(type.dtype), ...(dim === undefined ? {} : { shape: { dim } }) };
      return type.kind === 'tensor' ? { tensorType: proto } : { sparseTensorType: proto };
    }
    case 'sequence':
      return { sequenceType: { elemType: typeProto(type.element) ?? {} } };
    case 'optional':
      return { optionalType: { elemType: typeProto(type.element) ?? {} } };
    case 'map':
      return { mapType: { keyType: numberOf(type.key), valueType: typeProto(type.value) ?? {} } };
  }
}

function entries(metadata: ReadonlyMap<string, string>): StringStringEntryProto[] {
  return [...metadata].map(([key, value]) => ({ key, value }));
}

/** A string field, left out when empty. */
function text<K extends string>(key: K, value: string): { [P in K]?: string } {
  return value === '' ? {} : ({ [key]: value } as { [P in K]: string });
}
