/**
 * The header of a safetensors file. Layout of the file: u64 little endian header length N, N bytes of JSON
 * (an object, first byte `{`, spaces after it allowed), then the data, row major and little endian, without
 * holes: `{name: {dtype, shape, data_offsets: [begin, end]}, __metadata__?: {string: string}}`, offsets relative
 * to the data. Rules: https://github.com/huggingface/safetensors#format
 */
import { fail } from '../../report/diagnostics.ts';
import { quote, show } from '../../report/show.ts';
import { byteLengthOf, type DType } from '../../tensor/dtype.ts';
import type { JsonValue, TensorSpec } from '../../tensor/tensor.ts';
import { isJsonObject, JsonError, parseJson } from '../json.ts';

/** The format's own limit, in bytes. */
export const maxHeaderBytes = 100_000_000;

export interface HeaderEntry extends TensorSpec {
  readonly name: string;
  /** Byte range in the data part. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their data. */
  readonly entries: readonly HeaderEntry[];
}

/** Every dtype of the format, in the order in which its official writer ranks them (the last come first). */
const dtypeNames = [
  ['BOOL', 'bool'],
  ['F4', 'float4e2m1'],
  ['F6_E2M3', 'float6e2m3'],
  ['F6_E3M2', 'float6e3m2'],
  ['U8', 'uint8'],
  ['I8', 'int8'],
  ['F8_E5M2', 'float8e5m2'],
  ['F8_E4M3', 'float8e4m3fn'],
  ['F8_E8M0', 'float8e8m0'],
  ['F8_E4M3FNUZ', 'float8e4m3fnuz'],
  ['F8_E5M2FNUZ', 'float8e5m2fnuz'],
  ['I16', 'int16'],
  ['U16', 'uint16'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I32', 'int32'],
  ['U32', 'uint32'],
  ['F32', 'float32'],
  ['C64', 'complex64'],
  ['F64', 'float64'],
  ['I64', 'int64'],
  ['U64', 'uint64'],
] as const satisfies readonly (readonly [string, DType])[];

const fromName = new Map<string, DType>(dtypeNames);
const ranks = new Map<DType, number>(dtypeNames.map(([, dtype], rank) => [dtype, rank]));
const toName = new Map<DType, string>(dtypeNames.map(([name, dtype]) => [dtype, name]));

/**
 * Parses and checks the JSON of a header against the length of the data part.
 *
 * @param where the file, for messages
 * @throws VlmError VC1004 to VC1010
 */
export function parseHeader(json: Uint8Array, dataBytes: number, where: string): Header {
  if (json[0] !== 0x7b) {
    throw fail('VC1004', {
      where,
      found: `it begins with byte 0x${(json[0] ?? 0).toString(16).padStart(2, '0')}`,
      expected: 'an opening brace {',
    });
  }
  let value: JsonValue;
  try {
    value = parseJson(json, { maxBytes: maxHeaderBytes, integersOnly: true });
  } catch (cause) {
    if (cause instanceof JsonError) throw fail('VC1004', { where, found: cause.message, cause });
    throw cause;
  }
  if (!isJsonObject(value)) throw fail('VC1004', { where, found: show(value), expected: 'an object' });

  const { __metadata__: metadata, ...tensors } = value;
  const entries = Object.entries(tensors).map(([name, info]) => parseEntry(name, info, where));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(entries, dataBytes, where);
  return { metadata: parseMetadata(metadata, where), entries };
}

/** The JSON of a header, padded with spaces to 8 bytes. The entries must cover the data in their order. */
export function encodeHeader(header: Header): Uint8Array {
  const metadata = [...header.metadata].sort(([a], [b]) => compareUtf8(a, b));
  const parts = header.entries.map((entry) => {
    const { name, shape, begin, end } = entry;
    const info = { dtype: nameOf(entry.dtype), shape, data_offsets: [begin, end] };
    return `${JSON.stringify(name)}:${JSON.stringify(info)}`;
  });
  if (metadata.length > 0) parts.unshift(`"__metadata__":${JSON.stringify(Object.fromEntries(metadata))}`);
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const padded = new Uint8Array(Math.ceil(json.byteLength / 8) * 8).fill(0x20);
  padded.set(json);
  return padded;
}

/**
 * Places tensors as the official writer does: widest dtypes first, so that all are aligned, then by name.
 *
 * @throws RangeError for a dtype that the format lacks and for sub-byte tensors that end inside a byte
 */
export function layOut(tensors: ReadonlyMap<string, TensorSpec>): HeaderEntry[] {
  const sorted = [...tensors].sort(
    ([aName, a], [bName, b]) => rankOf(b.dtype) - rankOf(a.dtype) || compareUtf8(aName, bName),
  );
  let offset = 0;
  return sorted.map(([name, { dtype, shape }]) => {
    const begin = offset;
    offset += byteLengthOf(dtype, shape);
    return { name, dtype, shape, begin, end: offset };
  });
}

function parseEntry(name: string, info: JsonValue, where: string): HeaderEntry {
  const at = `${where}: tensor ${quote(name)}`;
  if (!isJsonObject(info)) {
    throw fail('VC1005', { where: at, found: show(info), expected: 'an object' });
  }
  const { dtype: dtypeName, shape, data_offsets: offsets } = info;
  if (typeof dtypeName !== 'string') {
    throw fail('VC1005', { where: at, found: `dtype: ${show(dtypeName)}`, expected: 'a dtype name' });
  }
  const dtype = fromName.get(dtypeName);
  if (dtype === undefined) {
    throw fail('VC1006', {
      where: at,
      found: quote(dtypeName),
      expected: `one of ${[...fromName.keys()].join(' ')}`,
    });
  }
  if (!isCounts(shape)) {
    throw fail('VC1005', {
      where: at,
      found: `shape: ${show(shape)}`,
      expected: 'a list of dimensions, whole numbers from 0 to 2^53 - 1',
    });
  }
  const [begin, end] = isCounts(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || end < begin) {
    throw fail('VC1005', {
      where: at,
      found: `data_offsets: ${show(offsets)}`,
      expected: '[begin, end], whole numbers from 0 to 2^53 - 1, begin not after end',
    });
  }
  const bytes = sizeOf(dtype, shape);
  if (bytes !== end - begin) {
    throw fail('VC1007', {
      where: at,
      found: `data_offsets span ${end - begin} bytes`,
      expected: `${dtypeName} ${show(shape)}: ${bytes ?? 'no whole number of bytes below 2^53'}${bytes === undefined ? '' : ' bytes'}`,
    });
  }
  return { name, dtype, shape, begin, end };
}

/** Undefined on overflow. A sub-byte tensor that ends inside a byte gives no whole number either. */
function sizeOf(dtype: DType, shape: readonly number[]): number | undefined {
  try {
    const bytes = byteLengthOf(dtype, shape);
    return byteLengthOf(dtype, [...shape, 8]) === bytes * 8 ? bytes : undefined;
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

/** `entries` sorted by begin: each starts where the one before ends, the last ends with the data. */
function checkCover(entries: readonly HeaderEntry[], dataBytes: number, where: string): void {
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== covered) {
      throw fail('VC1008', {
        where: `${where}: tensor ${quote(name)}`,
        found: `it begins at byte ${begin} of the data`,
        expected: `byte ${covered}, where the tensor before it ends`,
      });
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw fail('VC1009', {
      where,
      found: `${dataBytes} bytes of data`,
      expected: `${covered}, by the header`,
    });
  }
}

function parseMetadata(value: JsonValue | undefined, where: string): Map<string, string> {
  const metadata = new Map<string, string>();
  if (value === undefined) return metadata;
  if (!isJsonObject(value)) {
    throw fail('VC1010', { where, found: show(value), expected: 'an object of strings' });
  }
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw fail('VC1010', { where, found: `${quote(key)}: ${show(text)}`, expected: 'a string' });
    }
    metadata.set(key, text);
  }
  return metadata;
}

function isCounts(value: JsonValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0));
}

function rankOf(dtype: DType): number {
  const rank = ranks.get(dtype);
  if (rank === undefined) throw new RangeError(`safetensors has no dtype ${dtype}`);
  return rank;
}

function nameOf(dtype: DType): string {
  const name = toName.get(dtype);
  if (name === undefined) throw new RangeError(`safetensors has no dtype ${dtype}`);
  return name;
}

/** Byte order of the UTF-8 text, which differs from that of UTF-16 beyond the basic plane. */
function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
