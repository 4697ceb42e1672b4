/**
 * TensorProto to a lazy tensor. Data that stands in files stays there; number lists become raw bytes. The amount of
 * data is checked against dtype and shape before a tensor exists.
 */
import { fail } from '../../report/diagnostics.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { byteLengthOf, type DType, elementCount } from '../../tensor/dtype.ts';
import { stringTensor } from '../../tensor/string-tensor.ts';
import { inlineTensor, sourceTensor, type Tensor } from '../../tensor/tensor.ts';
import { dtypeOf } from './data-types.ts';
import { externalRange } from './external-data.ts';
import { toInt } from './int64.ts';
import type { TensorProto, WireInt } from './proto.ts';
import { fixedLists, readCut } from './scan.ts';
import { listFor, numberLists, rawFromList, TypedDataError } from './typed-data.ts';

export interface TensorSources {
  /** The model file, in which cut data stands. */
  readonly model: ByteSource;
  /** Data files by location; holds every location that a tensor names. */
  readonly external: ReadonlyMap<string, ByteSource>;
  /** External tensors met so far: the same range of a file is the same Tensor. */
  readonly shared: Map<string, Tensor>;
}

/** True where a tensor's data stands in another file. */
export function isExternal(proto: TensorProto): boolean {
  return proto.dataLocation === 1;
}

/** Throws VC21xx for broken tensors, VC22xx for broken external data. */
export function decodeTensor(proto: TensorProto, sources: TensorSources, place: string): Tensor {
  const name = proto.name ?? '';
  const where = `${sources.model.name}, ${name === '' ? place : `tensor ${name}`}`;
  const dtype = dtypeOf(proto.dataType ?? 0);
  if (dtype === undefined) throw fail('VC2101', { where, found: `data type ${proto.dataType ?? 0}` });
  const shape = decodeShape(proto.dims ?? [], where);
  const form = dataForm(proto, where);
  if (dtype === 'string') {
    if (form !== undefined && form !== 'stringData')
      throw fail('VC2104', { where, found: `strings in ${form}` });
    const strings = proto.stringData ?? [];
    if (strings.length !== elementCount(shape)) {
      throw fail('VC2103', { where, found: `${strings.length} strings`, expected: `${elementCount(shape)}` });
    }
    return stringTensor(shape, strings);
  }
  const byteLength = byteLengthFor(dtype, shape, where);
  const expect = (found: number): void => {
    if (found === byteLength) return;
    throw fail('VC2103', {
      where,
      found: `${found} bytes of data`,
      expected: `${byteLength} for ${dtype}[${shape}]`,
    });
  };
  switch (form) {
    case undefined:
      expect(0);
      return inlineTensor(dtype, shape, new Uint8Array(0));
    case 'externalData':
      return externalTensor(proto, dtype, shape, sources, where);
    case 'cut': {
      const cut = readCut(proto.cut ?? new Uint8Array(24));
      const list = fixedLists.get(cut.field);
      if (list !== undefined && list !== listFor(dtype)) {
        throw fail('VC2104', { where, found: `${dtype} in ${list}` });
      }
      expect(cut.length);
      return sourceTensor({ dtype, shape }, sources.model, cut.offset, name);
    }
    case 'rawData': {
      const raw = proto.rawData ?? new Uint8Array(0);
      expect(raw.byteLength);
      return inlineTensor(dtype, shape, raw);
    }
    default: {
      if (form !== listFor(dtype)) throw fail('VC2104', { where, found: `${dtype} in ${form}` });
      try {
        return inlineTensor(dtype, shape, rawFromList(proto, dtype, shape));
      } catch (cause) {
        if (!(cause instanceof TypedDataError)) throw cause;
        throw fail('VC2103', {
          where,
          found: `${cause.found} in ${form}`,
          expected: `${cause.expected} for ${dtype}[${shape}]`,
        });
      }
    }
  }
}

/** The dims of a tensor. Throws VC2102 where they are no shape. */
export function decodeShape(dims: readonly WireInt[], where: string): number[] {
  const shape = dims.map((dim) => Number(toInt(dim)));
  try {
    elementCount(shape);
  } catch (cause) {
    throw fail('VC2102', { where, found: `[${dims.map((dim) => toInt(dim))}]`, cause });
  }
  return shape;
}

function byteLengthFor(dtype: DType, shape: readonly number[], where: string): number {
  try {
    return byteLengthOf(dtype, shape);
  } catch (cause) {
    throw fail('VC2102', { where, found: `${dtype}[${shape}]`, cause });
  }
}

const dataForms = ['rawData', 'cut', 'stringData', ...numberLists] as const;
type DataForm = (typeof dataForms)[number] | 'externalData';

/** The one field that holds data. Throws VC2104 where two do. */
function dataForm(proto: TensorProto, where: string): DataForm | undefined {
  const forms: DataForm[] = dataForms.filter(
    (form) => Object.hasOwn(proto, form) && (proto[form]?.length ?? 0) > 0,
  );
  if (isExternal(proto)) forms.push('externalData');
  if (forms.length > 1) throw fail('VC2104', { where, found: forms.join(' and ') });
  return forms[0];
}

function externalTensor(
  proto: TensorProto,
  dtype: DType,
  shape: readonly number[],
  sources: TensorSources,
  where: string,
): Tensor {
  const range = externalRange(proto, where);
  const source = sources.external.get(range.location);
  if (source === undefined) throw new RangeError(`${range.location} was not opened`);
  const byteLength = byteLengthOf(dtype, shape);
  if (range.length !== undefined && range.length !== byteLength) {
    throw fail('VC2205', {
      where,
      found: `length ${range.length}`,
      expected: `${byteLength} for ${dtype}[${shape}]`,
    });
  }
  if (range.offset + byteLength > source.size) {
    throw fail('VC2205', {
      where,
      found: `bytes ${range.offset}..${range.offset + byteLength}`,
      expected: `within ${range.location} of ${source.size} bytes`,
    });
  }
  const key = JSON.stringify([range.location, range.offset, dtype, shape]);
  const tensor =
    sources.shared.get(key) ?? sourceTensor({ dtype, shape }, source, range.offset, proto.name ?? '');
  sources.shared.set(key, tensor);
  return tensor;
}
