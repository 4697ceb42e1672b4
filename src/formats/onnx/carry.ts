/**
 * What the graph IR has no place for (doc strings, denotations, device configurations, unknown fields, …) travels
 * in the `carry` of the object that it stood on: the message less the fields that the IR holds. Encoding starts
 * from it, so it comes out again where it stood.
 */
import type { ValueType } from '../../graph/types.ts';
import type { TensorProto, TypeProto, ValueInfoProto } from './proto.ts';

/** A message less the fields that the IR holds; undefined when nothing is left. */
export type Rest = object;

export class OnnxCarry {
  /** Of the object's own message. */
  readonly rest: Rest | undefined;
  /** Of the type: written again as long as the value still has the type that was read with it. */
  readonly type: CarriedType | undefined;
  /** Of the initializer's TensorProto. */
  readonly tensor: Rest | undefined;
  /** By domain: what stood on operator set imports (models, functions). */
  readonly imports: ReadonlyMap<string, Rest> | undefined;
  /** value_info of names that no value has (graphs). */
  readonly strayInfos: readonly ValueInfoProto[] | undefined;

  constructor(parts: Partial<OnnxCarry>) {
    this.rest = parts.rest;
    this.type = parts.type;
    this.tensor = parts.tensor;
    this.imports = parts.imports;
    this.strayInfos = parts.strayInfos;
  }
}

export interface CarriedType {
  readonly decoded: ValueType | undefined;
  readonly proto: TypeProto;
}

/** A carry when there is anything to carry. */
export function carry(
  parts: {
    [K in keyof OnnxCarry]?: OnnxCarry[K] | undefined;
  },
): OnnxCarry | undefined {
  const some = Object.values(parts).some((part) => part !== undefined);
  return some ? new OnnxCarry(parts as Partial<OnnxCarry>) : undefined;
}

export function carryOf(object: { readonly carry?: unknown }): OnnxCarry | undefined {
  return object.carry instanceof OnnxCarry ? object.carry : undefined;
}

/** The fields of a message but `held`, unknown ones included; undefined when there are none. */
export function restOf<M extends object>(
  message: M,
  held: readonly Exclude<keyof M, '$unknowns'>[],
): Rest | undefined {
  const rest = Object.fromEntries(
    Object.entries(message).filter(
      ([key, value]) => value !== null && !(held as readonly string[]).includes(key),
    ),
  );
  const unknowns = (message as { $unknowns?: readonly Uint8Array[] }).$unknowns;
  if (unknowns !== undefined) rest.$unknowns = unknowns;
  return Object.keys(rest).length === 0 ? undefined : rest;
}

/** What a tensor's message holds beyond dtype, shape and data. `segment` says nothing about whole tensors. */
export function tensorRest(proto: TensorProto, held: readonly 'name'[] = []): Rest | undefined {
  return restOf(proto, [
    ...held,
    'dims',
    'dataType',
    'segment',
    'rawData',
    'cut',
    'floatData',
    'int32Data',
    'int64Data',
    'doubleData',
    'uint64Data',
    'stringData',
    'externalData',
    'dataLocation',
  ]);
}
