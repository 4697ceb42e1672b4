/** AttributeProto to attributes. Proto3-style writers leave zero scalars out, so an absent scalar is zero. */
import type { Attribute, AttributeKind, SparseTensor } from '../../graph/attribute.ts';
import type { Graph } from '../../graph/graph.ts';
import type { ValueType } from '../../graph/types.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { attributeKindOf } from './attribute-types.ts';
import { carry, restOf, tensorRest } from './carry.ts';
import { decodeType } from './decode-type.ts';
import { toInt } from './int64.ts';
import type { AttributeProto, GraphProto, SparseTensorProto, TensorProto, TypeProto } from './proto.ts';

export interface PartDecoders {
  tensor(proto: TensorProto): Tensor;
  sparse(proto: SparseTensorProto): SparseTensor;
  graph(proto: GraphProto): Graph;
}

/** The field that holds the value of each kind. */
const valueFields = {
  float: 'f',
  int: 'i',
  string: 's',
  tensor: 't',
  graph: 'g',
  'sparse-tensor': 'sparseTensor',
  type: 'tp',
  floats: 'floats',
  ints: 'ints',
  strings: 'strings',
  tensors: 'tensors',
  graphs: 'graphs',
  'sparse-tensors': 'sparseTensors',
  types: 'typeProtos',
} as const satisfies Record<AttributeKind, keyof AttributeProto>;

const empty = new Uint8Array(0);

const kinds = Object.keys(valueFields) as readonly AttributeKind[];

/** Throws VC2303 where type and value disagree or a value is missing. */
export function decodeAttribute(proto: AttributeProto, where: string, parts: PartDecoders): Attribute {
  const kind = kindOf(proto, where);
  const ref = proto.refAttrName ?? '';
  if (ref !== '') {
    const rest = restOf(proto, ['name', 'type', 'refAttrName']);
    return { kind: 'ref', ref, of: kind, carry: carry({ rest }) };
  }
  const carried = { rest: restOf(proto, ['name', 'type', ...Object.values(valueFields)]) };
  const plain = { carry: carry(carried) };
  const missing = (): never => {
    throw fail('VC2303', { where, found: `no value of type ${kind}` });
  };
  switch (kind) {
    case 'float':
      return { kind, value: proto.f ?? 0, ...plain };
    case 'int':
      return { kind, value: toInt(proto.i ?? 0), ...plain };
    case 'string':
      return { kind, value: isSet(proto, kind) ? (proto.s ?? empty) : empty, ...plain };
    case 'tensor': {
      if (!proto.t) return missing();
      const tensor = tensorRest(proto.t);
      return { kind, value: parts.tensor(proto.t), carry: carry({ ...carried, tensor }) };
    }
    case 'graph':
      return proto.g ? { kind, value: parts.graph(proto.g), ...plain } : missing();
    case 'sparse-tensor':
      return proto.sparseTensor ? { kind, value: parts.sparse(proto.sparseTensor), ...plain } : missing();
    case 'type': {
      if (!proto.tp) return missing();
      const value = typeOf(proto.tp, where);
      return { kind, value, carry: carry({ ...carried, type: { decoded: value, proto: proto.tp } }) };
    }
    case 'floats':
      return { kind, value: proto.floats ?? [], ...plain };
    case 'ints':
      return { kind, value: (proto.ints ?? []).map(toInt), ...plain };
    case 'strings':
      return { kind, value: proto.strings ?? [], ...plain };
    case 'tensors':
      return { kind, value: (proto.tensors ?? []).map((tensor) => parts.tensor(tensor)), ...plain };
    case 'graphs':
      return { kind, value: (proto.graphs ?? []).map((graph) => parts.graph(graph)), ...plain };
    case 'sparse-tensors':
      return { kind, value: (proto.sparseTensors ?? []).map((sparse) => parts.sparse(sparse)), ...plain };
    case 'types':
      return { kind, value: (proto.typeProtos ?? []).map((type) => typeOf(type, where)), ...plain };
  }
}

/** The declared kind, or that of the one field that is set (writers before IR 3 declared none). */
function kindOf(proto: AttributeProto, where: string): AttributeKind {
  const set = kinds.filter((kind) => isSet(proto, kind));
  const type = proto.type ?? 0;
  const kind = type === 0 && set.length === 1 ? set[0] : attributeKindOf(type);
  if (kind === undefined) throw fail('VC2303', { where, found: `attribute type ${type}` });
  const others = set.filter((other) => other !== kind);
  if (others.length > 0) {
    throw fail('VC2303', { where, found: `a value of type ${others.join(', ')}`, expected: kind });
  }
  return kind;
}

/** Whether a field holds more than its default: some writers write zeros and empty strings beside the value. */
function isSet(proto: AttributeProto, kind: AttributeKind): boolean {
  const field = valueFields[kind];
  if (!Object.hasOwn(proto, field)) return false;
  const value = proto[field];
  if (value === null || value === undefined) return false;
  if (typeof value === 'number') return value !== 0;
  if ('length' in value) return value.length > 0;
  return !('high' in value) || value.low !== 0 || value.high !== 0;
}

function typeOf(proto: TypeProto, where: string): ValueType {
  const type = decodeType(proto, where);
  if (type === undefined) throw fail('VC2303', { where, found: 'a type that says nothing' });
  return type;
}
