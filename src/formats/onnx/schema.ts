/**
 * The protobufjs codec of ModelProto, built from messages.ts when first asked for (protobufjs takes time to load).
 *
 * What differs from the ONNX schema, none of it on the wire of a model:
 * - fields are in camelCase;
 * - strings must be UTF-8 or decoding fails, for names that are mended can collide; doc strings, which nobody
 *   looks up, are bytes and survive whatever they hold;
 * - TensorProto has a field for the cut marks of scan.ts, which stand in skeletons only;
 * - the number lists of TensorProto (float_data, int32_data, …) are lists of byte strings, one per packed chunk.
 *   A list of numbers would take a JavaScript number or object per element; typed-data.ts reads the bytes instead.
 *   We never write these fields. An unpacked element does not match the wire type of bytes and is kept as an
 *   unknown field, so carried messages survive too; scan.ts packs those of the tensors that we decode.
 */
import { type FieldSpec, messages } from './messages.ts';
import type { ModelProto } from './proto.ts';

/**
 * Field of TensorProto that holds a cut mark in a skeleton (scan.ts). ONNX has no such field and a file that does
 * is refused, so a file cannot forge a mark.
 */
export const cutField = 402_653_189;

export interface Codec {
  /** Throws what protobufjs throws on malformed input. Unknown fields are kept. */
  decode(bytes: Uint8Array): ModelProto;
  encode(model: ModelProto): Uint8Array;
}

/** Fields of TensorProto that hold packed numbers, by field number, with the wire type of one element. */
export const packedTensorFields: ReadonlyMap<number, 'varint' | 'fixed32' | 'fixed64'> = new Map([
  [4, 'fixed32'],
  [5, 'varint'],
  [7, 'varint'],
  [10, 'fixed64'],
  [11, 'varint'],
] as const);

let codec: Promise<Codec> | undefined;

export function loadCodec(): Promise<Codec> {
  codec ??= buildCodec();
  return codec;
}

async function buildCodec(): Promise<Codec> {
  const { default: protobuf } = await import('protobufjs/light.js');
  const root = protobuf.Root.fromJSON({ nested: descriptor() });
  const type = root.lookupType('ModelProto');
  return {
    decode: (bytes) => {
      const reader = protobuf.Reader.create(bytes);
      reader.discardUnknown = false;
      return type.decode(reader);
    },
    encode: (model) => type.encode(model as Record<string, unknown>).finish(),
  };
}

interface FieldDescriptor {
  id: number;
  type: string;
  rule?: 'repeated';
  options?: { packed: boolean };
}

interface MessageDescriptor {
  /** Types in JSON are proto3 unless they say otherwise: a dimension of 0 would not be written. */
  edition: 'proto2';
  options: { features: { utf8_validation: 'VERIFY' } };
  fields: Record<string, FieldDescriptor>;
}

/** messages.ts in protobufjs' JSON form. Oneofs are left out: they matter to nobody who writes one member. */
function descriptor(): Record<string, MessageDescriptor> {
  return Object.fromEntries(
    Object.entries(messages).map(([message, fields]) => [
      flat(message),
      {
        edition: 'proto2',
        options: { features: { utf8_validation: 'VERIFY' } },
        fields: {
          ...Object.fromEntries(
            Object.entries(fields).map(([name, spec]) => [camel(name), fieldOf(message, name, spec)]),
          ),
          ...(message === 'TensorProto' ? { cut: { id: cutField, type: 'bytes' } } : {}),
        },
      },
    ]),
  );
}

function fieldOf(message: string, name: string, [id, type, label]: FieldSpec): FieldDescriptor {
  if (message === 'TensorProto' && packedTensorFields.has(id)) return { id, type: 'bytes', rule: 'repeated' };
  return {
    id,
    type: name === 'doc_string' ? 'bytes' : flat(type),
    ...(label?.startsWith('repeated') ? { rule: 'repeated' } : {}),
    ...(label === 'repeated packed' ? { options: { packed: true } } : {}),
  };
}

const flat = (name: string): string => name.replaceAll('.', '');
const camel = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
