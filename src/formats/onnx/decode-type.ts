/** TypeProto to ValueType. What ValueType cannot say (denotations, opaque types) is carried with the value. */
import type { Dim, ValueType } from '../../graph/types.ts';
import { fail } from '../../report/diagnostics.ts';
import type { DType } from '../../tensor/dtype.ts';
import { dtypeOf } from './data-types.ts';
import { toInt } from './int64.ts';
import type { DimensionProto, TensorTypeProto, TypeProto } from './proto.ts';

/**
 * The type, or undefined where the proto names none that the IR has (nothing, element type 0, opaque).
 * Throws VC2304 for numbers that are no element type and dimensions beyond 2^53.
 */
export function decodeType(proto: TypeProto | null | undefined, where: string): ValueType | undefined {
  if (proto === null || proto === undefined) return undefined;
  const { tensorType, sparseTensorType, sequenceType, optionalType, mapType } = proto;
  if (tensorType) return tensor('tensor', tensorType, where);
  if (sparseTensorType) return tensor('sparse-tensor', sparseTensorType, where);
  if (sequenceType) return wrapped('sequence', sequenceType.elemType, where);
  if (optionalType) return wrapped('optional', optionalType.elemType, where);
  if (mapType) {
    const key = elementType(mapType.keyType ?? 0, where);
    const value = decodeType(mapType.valueType, where);
    return key === undefined || value === undefined ? undefined : { kind: 'map', key, value };
  }
  return undefined;
}

function wrapped(
  kind: 'sequence' | 'optional',
  proto: TypeProto | null | undefined,
  where: string,
): ValueType | undefined {
  const element = decodeType(proto, where);
  return element === undefined ? undefined : { kind, element };
}

function tensor(
  kind: 'tensor' | 'sparse-tensor',
  proto: TensorTypeProto,
  where: string,
): ValueType | undefined {
  const dtype = elementType(proto.elemType ?? 0, where);
  if (dtype === undefined) return undefined;
  if (!proto.shape) return { kind, dtype };
  return { kind, dtype, shape: (proto.shape.dim ?? []).map((dim) => decodeDim(dim, where)) };
}

function elementType(number: number, where: string): DType | undefined {
  const dtype = dtypeOf(number);
  if (dtype === undefined && number !== 0) throw fail('VC2304', { where, found: `element type ${number}` });
  return dtype;
}

/** A negative size means unknown, as the runtimes read it. */
function decodeDim(proto: DimensionProto, where: string): Dim {
  if (Object.hasOwn(proto, 'dimValue') && proto.dimValue !== undefined) {
    const size = toInt(proto.dimValue);
    if (typeof size === 'bigint') throw fail('VC2304', { where, found: `a dimension of ${size}` });
    return size < 0 ? null : size;
  }
  return proto.dimParam === undefined || proto.dimParam === '' ? null : proto.dimParam;
}
