/**
 * Cuts large tensors out of an ONNX file before protobufjs sees it. The file is walked structurally by positioned
 * reads; what remains is the skeleton: the same ModelProto, in which each raw_data above 64 KiB, and each packed
 * float_data or double_data (whose bytes are those of raw_data), is replaced by a cut mark (file offset, length and
 * field). Memory follows the skeleton, not the file. Lists of varints stay: their bytes are no tensor's.
 *
 * One more thing is put right on the way: unpacked elements of a tensor's number lists become packed chunks, the
 * only form that the codec knows (schema.ts).
 */
import { fail } from '../../report/diagnostics.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { cutField, packedTensorFields } from './schema.ts';
import type { NumberList } from './typed-data.ts';
import { depthLimit, type Field, fieldHead, type Walk, WireReader, wireTypes } from './wire.ts';

/** Data of more bytes stays on disk. */
const residentLimit = 64 * 1024;

/** A protobuf message must stay below 2 GiB. */
const skeletonLimit = 2 ** 31 - 1;

const rawDataField = 9;

/** Number lists whose packed bytes are those of the tensor, where one field holds them all. */
export const fixedLists: ReadonlyMap<number, NumberList> = new Map([
  [4, 'floatData'],
  [10, 'doubleData'],
]);

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'function' | 'sparse' | 'tensor';

/** The ways from ModelProto to TensorProto: message -> field number -> message. training_info is carried whole. */
const paths: Readonly<Record<Message, ReadonlyMap<number, Message>>> = {
  model: new Map([
    [7, 'graph'],
    [25, 'function'],
  ]),
  graph: new Map([
    [1, 'node'],
    [5, 'tensor'],
    [15, 'sparse'],
  ]),
  node: new Map([[5, 'attribute']]),
  attribute: new Map([
    [5, 'tensor'],
    [6, 'graph'],
    [10, 'tensor'],
    [11, 'graph'],
    [22, 'sparse'],
    [23, 'sparse'],
  ]),
  function: new Map([
    [7, 'node'],
    [11, 'attribute'],
  ]),
  sparse: new Map([
    [1, 'tensor'],
    [2, 'tensor'],
  ]),
  tensor: new Map(),
};

/** A stretch of the file, or bytes that replace one. */
type Piece = { begin: number; end: number } | Uint8Array;

/**
 * The skeleton of the ModelProto in `source`. Throws VC2003 on malformed wire format, VC2006 on too deep nesting,
 * VC2007 on a skeleton of 2 GiB.
 */
export async function scanModel(source: ByteSource): Promise<Uint8Array> {
  const reader = new WireReader(source);
  const pieces = (await reader.drive(scan(reader, 'model', 0, reader.size, 0))) ?? [
    { begin: 0, end: reader.size },
  ];
  const length = lengthOf(pieces);
  if (length > skeletonLimit) {
    throw fail('VC2007', {
      where: source.name,
      found: `${length} bytes beside raw tensor data`,
      expected: 'below 2 GiB',
    });
  }
  const skeleton = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    const bytes = piece instanceof Uint8Array ? piece : await source.read(piece.begin, piece.end);
    skeleton.set(bytes, at);
    at += bytes.byteLength;
  }
  return skeleton;
}

/** Where cut data stands in the file: the payload of a cut mark. */
export interface Cut {
  readonly offset: number;
  readonly length: number;
  /** Field of TensorProto that holds it. */
  readonly field: number;
}

function cutMark(cut: Cut): Uint8Array {
  const mark = new Uint8Array(24);
  const view = new DataView(mark.buffer);
  view.setFloat64(0, cut.offset, true);
  view.setFloat64(8, cut.length, true);
  view.setFloat64(16, cut.field, true);
  return mark;
}

export function readCut(mark: Uint8Array): Cut {
  const view = new DataView(mark.buffer, mark.byteOffset, mark.byteLength);
  return {
    offset: view.getFloat64(0, true),
    length: view.getFloat64(8, true),
    field: view.getFloat64(16, true),
  };
}

/** The pieces that replace the message at [begin, end); undefined where it stays as it is. */
function* scan(
  reader: WireReader,
  message: Message,
  begin: number,
  end: number,
  depth: number,
): Walk<Piece[] | undefined> {
  if (depth > depthLimit) throw reader.tooDeep(begin);
  const pieces: Piece[] = [];
  const whole = message === 'tensor' ? yield* wholeLists(reader, begin, end, depth) : noLists;
  let changed = false;
  for (let at = begin; at < end; ) {
    const field = yield* reader.field(at, end, depth);
    const replacement =
      message === 'tensor'
        ? tensorField(reader, field, whole)
        : yield* child(reader, paths[message].get(field.number), field, depth);
    if (replacement !== undefined) changed = true;
    for (const piece of replacement ?? [{ begin: field.begin, end: field.end }]) append(pieces, piece);
    at = field.end;
  }
  return changed ? pieces : undefined;
}

function* child(
  reader: WireReader,
  message: Message | undefined,
  field: Field,
  depth: number,
): Walk<Piece[] | undefined> {
  if (message === undefined || field.wireType !== wireTypes.bytes) return undefined;
  const body = yield* scan(reader, message, field.dataBegin, field.dataEnd, depth + 1);
  return body === undefined ? undefined : [fieldHead(field.number, lengthOf(body)), ...body];
}

const noLists: ReadonlySet<number> = new Set();

/** The fixed lists of a large tensor that stand in one field: several would have to be joined. */
function* wholeLists(
  reader: WireReader,
  begin: number,
  end: number,
  depth: number,
): Walk<ReadonlySet<number>> {
  if (end - begin <= residentLimit) return noLists;
  const once = new Set<number>();
  const seen = new Set<number>();
  for (let at = begin; at < end; ) {
    const field = yield* reader.field(at, end, depth);
    if (fixedLists.has(field.number)) {
      if (seen.has(field.number)) once.delete(field.number);
      else once.add(field.number);
      seen.add(field.number);
    }
    at = field.end;
  }
  return once;
}

function tensorField(reader: WireReader, field: Field, whole: ReadonlySet<number>): Piece[] | undefined {
  if (field.number === cutField) throw reader.malformed(field.begin, `a tensor with field ${cutField}`);
  const length = field.dataEnd - field.dataBegin;
  const isData = field.number === rawDataField || whole.has(field.number);
  if (isData && field.wireType === wireTypes.bytes && length > residentLimit) {
    const mark = cutMark({ offset: field.dataBegin, length, field: field.number });
    return [fieldHead(cutField, mark.byteLength), mark];
  }
  const element = packedTensorFields.get(field.number);
  if (element !== undefined && field.wireType === wireTypes[element]) {
    return [fieldHead(field.number, length), { begin: field.dataBegin, end: field.dataEnd }];
  }
  return undefined;
}

function append(pieces: Piece[], piece: Piece): void {
  const last = pieces.at(-1);
  if (last !== undefined && !(last instanceof Uint8Array) && !(piece instanceof Uint8Array)) {
    if (last.end === piece.begin) {
      last.end = piece.end;
      return;
    }
  }
  pieces.push(piece instanceof Uint8Array ? piece : { ...piece });
}

function lengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce(
    (sum, piece) => sum + (piece instanceof Uint8Array ? piece.byteLength : piece.end - piece.begin),
    0,
  );
}
