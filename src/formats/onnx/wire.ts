/**
 * Protobuf wire format, read by positioned reads through one window of the file. Every length is checked against
 * the end of the message around it before anything is done with it.
 *
 * Walkers are generators that yield only when they need bytes that are not in the window, so walking costs no
 * promise per field; `drive` runs them.
 */
import { fail, type VlmError } from '../../report/diagnostics.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';

/** A request: bytes from this file offset on. */
export type Walk<T> = Generator<number, T, void>;

export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const;

export interface Field {
  readonly number: number;
  readonly wireType: number;
  /** File offset of the tag. */
  readonly begin: number;
  /** The payload; for a group, the fields between its tags. */
  readonly dataBegin: number;
  readonly dataEnd: number;
  /** File offset behind the field. */
  readonly end: number;
}

/** protobuf's own limit on messages inside messages. */
export const depthLimit = 100;

/** Bytes fetched at a time: few reads on skeletons of megabytes, little waste between weights. */
const windowBytes = 64 * 1024;
/** A tag and a length take at most this many bytes. */
const headBytes = 20;

export class WireReader {
  readonly #source: ByteSource;
  #window: Uint8Array = new Uint8Array(0);
  #windowBegin = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get size(): number {
    return this.#source.size;
  }

  async drive<T>(walk: Walk<T>): Promise<T> {
    for (;;) {
      const step = walk.next();
      if (step.done) return step.value;
      const begin = step.value;
      this.#window = await this.#source.read(begin, Math.min(begin + windowBytes, this.#source.size));
      this.#windowBegin = begin;
    }
  }

  /** The field at `begin` of a message that ends at `end`. `depth` counts the messages and groups around it. */
  *field(begin: number, end: number, depth: number): Walk<Field> {
    const field = yield* this.#anyField(begin, end, depth);
    if (field.wireType === wireTypes.endGroup)
      throw this.malformed(begin, 'the end of a group that never began');
    return field;
  }

  malformed(at: number, found: string): VlmError {
    return fail('VC2003', { where: `${this.#source.name}, byte ${at}`, found });
  }

  tooDeep(at: number): VlmError {
    return fail('VC2006', {
      where: `${this.#source.name}, byte ${at}`,
      expected: `at most ${depthLimit} messages inside each other`,
    });
  }

  *#anyField(begin: number, end: number, depth: number): Walk<Field> {
    const headEnd = Math.min(begin + headBytes, end);
    if (!this.#holds(begin, headEnd)) yield begin;
    const [tag, tagEnd] = this.#varint(begin, end);
    // A tag is 32 bits: 29 of number, 3 of wire type.
    if (tag > 0xffff_ffffn) throw this.malformed(begin, `tag ${tag}`);
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (number === 0) throw this.malformed(begin, 'field number 0');
    let dataBegin = tagEnd;
    let dataEnd: number;
    switch (wireType) {
      case wireTypes.varint:
        [, dataEnd] = this.#varint(tagEnd, end);
        break;
      case wireTypes.fixed64:
        dataEnd = tagEnd + 8;
        break;
      case wireTypes.fixed32:
        dataEnd = tagEnd + 4;
        break;
      case wireTypes.bytes: {
        const [length, lengthEnd] = this.#varint(tagEnd, end);
        if (length > BigInt(end - lengthEnd)) {
          throw this.malformed(begin, `field ${number} of ${length} bytes where ${end - lengthEnd} are left`);
        }
        dataBegin = lengthEnd;
        dataEnd = lengthEnd + Number(length);
        break;
      }
      case wireTypes.startGroup: {
        const last = yield* this.#groupEnd(tagEnd, end, number, depth + 1);
        return { number, wireType, begin, dataBegin, dataEnd: last.begin, end: last.end };
      }
      case wireTypes.endGroup:
        dataEnd = tagEnd;
        break;
      default:
        throw this.malformed(begin, `wire type ${wireType}`);
    }
    if (dataEnd > end) throw this.malformed(begin, `field ${number} is cut off`);
    return { number, wireType, begin, dataBegin, dataEnd, end: dataEnd };
  }

  *#groupEnd(begin: number, end: number, number: number, depth: number): Walk<Field> {
    if (depth > depthLimit) throw this.tooDeep(begin);
    for (let at = begin; at < end; ) {
      const field = yield* this.#anyField(at, end, depth);
      if (field.wireType === wireTypes.endGroup) {
        if (field.number === number) return field;
        throw this.malformed(at, `the end of group ${field.number} inside group ${number}`);
      }
      at = field.end;
    }
    throw this.malformed(begin, `group ${number} never ends`);
  }

  /** A varint inside the window, and the offset behind it. */
  #varint(begin: number, end: number): [value: bigint, end: number] {
    let low = 0;
    for (let i = 0; i < 4; i += 1) {
      const byte = this.#byte(begin + i, end);
      low |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return [BigInt(low), begin + i + 1];
    }
    let value = BigInt(low);
    for (let i = 4; i < 10; i += 1) {
      const byte = this.#byte(begin + i, end);
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return [BigInt.asUintN(64, value), begin + i + 1];
    }
    throw this.malformed(begin, 'a varint of more than ten bytes');
  }

  #byte(at: number, end: number): number {
    const byte = at < end ? this.#window[at - this.#windowBegin] : undefined;
    if (byte === undefined) throw this.malformed(at, 'the end of the message inside a field');
    return byte;
  }

  #holds(begin: number, end: number): boolean {
    return this.#windowBegin <= begin && end <= this.#windowBegin + this.#window.byteLength;
  }
}

/** Tag and length of a length-delimited field, as bytes. */
export function fieldHead(number: number, length: number): Uint8Array {
  return Uint8Array.from([...varintBytes(number * 8 + wireTypes.bytes), ...varintBytes(length)]);
}

function varintBytes(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}
