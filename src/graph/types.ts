/** Types of values: what ONNX's TypeProto can say, with dimensions that are static, symbolic or unknown. */
import type { DType } from '../tensor/dtype.ts';

/** A number is static, a string is a symbol (`batch_size`), null is unknown. */
export type Dim = number | string | null;

export interface TensorType {
  readonly kind: 'tensor' | 'sparse-tensor';
  readonly dtype: DType;
  /** Undefined: unknown rank. */
  readonly shape?: readonly Dim[];
}

export type ValueType =
  | TensorType
  | { readonly kind: 'sequence' | 'optional'; readonly element: ValueType }
  | { readonly kind: 'map'; readonly key: DType; readonly value: ValueType };

export function tensorType(dtype: DType, shape?: readonly Dim[]): TensorType {
  return shape === undefined ? { kind: 'tensor', dtype } : { kind: 'tensor', dtype, shape };
}

/** The shape when every dimension is static, else undefined. */
export function staticShape(type: ValueType | undefined): readonly number[] | undefined {
  if (type?.kind !== 'tensor' || type.shape === undefined) return undefined;
  return type.shape.every((dim) => typeof dim === 'number') ? (type.shape as readonly number[]) : undefined;
}

/** `float32[batch_size,?,4096]`, as messages and the printer show types. */
export function formatType(type: ValueType | undefined): string {
  if (type === undefined) return '?';
  switch (type.kind) {
    case 'tensor':
    case 'sparse-tensor': {
      const shape = type.shape === undefined ? '[...]' : `[${type.shape.map((dim) => dim ?? '?').join(',')}]`;
      return `${type.kind === 'tensor' ? '' : 'sparse '}${type.dtype}${shape}`;
    }
    case 'map':
      return `map(${type.key},${formatType(type.value)})`;
    default:
      return `${type.kind}(${formatType(type.element)})`;
  }
}
