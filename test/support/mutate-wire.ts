/**
 * Damages protobuf messages where a reader of the wire form does not notice: numbers, texts and whole fields change,
 * the lengths around them fit. So faults come as far as graphs, types and shapes.
 */

interface Field {
  readonly number: number;
  /** Varint, eight bytes, length-delimited, four bytes. */
  readonly wire: 0 | 1 | 2 | 5;
  readonly value: bigint;
  /** Of what is delimited and is no message, or has a fixed width. */
  readonly bytes: Uint8Array;
  /** Where the bytes read as a message. They may be a text all the same: that is written back as it was. */
  readonly fields: readonly Field[] | undefined;
}

type Random = (below: number) => number;

const none = new Uint8Array(0);

/** Larger payloads are data of weights. */
const largestText = 4096;

/** The fields of a message; undefined where the bytes are none. */
export function parseWire(bytes: Uint8Array, depth = 0): readonly Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) return undefined;
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined || tag > 0xffffn) return undefined;
    const [number, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    if (number === 0 || (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5)) return undefined;
    const value = wire === 0 || wire === 2 ? varint() : 0n;
    if (value === undefined) return undefined;
    const length = wire === 0 ? 0 : wire === 1 ? 8 : wire === 5 ? 4 : Number(value);
    if (length > bytes.length - at) return undefined;
    const body = bytes.subarray(at, at + length);
    at += length;
    const message = wire === 2 && depth < 12 && length > 1 ? parseWire(body, depth + 1) : undefined;
    fields.push({ number, wire, value, bytes: message === undefined ? body : none, fields: message });
  }
  return fields;
}

export function encodeWire(fields: readonly Field[]): Uint8Array {
  return new Uint8Array(Buffer.concat(fields.flatMap(encodeField)));
}

function encodeField({ number, wire, value, bytes, fields }: Field): Uint8Array[] {
  const tag = varintBytes(BigInt(number * 8 + wire));
  if (wire === 0) return [tag, varintBytes(value)];
  const body = fields === undefined ? bytes : encodeWire(fields);
  return wire === 2 ? [tag, varintBytes(BigInt(body.length)), body] : [tag, body];
}

function varintBytes(value: bigint): Uint8Array {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return Uint8Array.from(out);
}

const tellingNumbers = [
  0n,
  1n,
  2n,
  3n,
  7n,
  -1n,
  255n,
  2n ** 31n,
  2n ** 31n - 1n,
  2n ** 40n,
  2n ** 53n,
  2n ** 63n - 1n,
];

/** A copy of `fields` with one field of it, or of a message inside, changed; `other` lends fields. */
export function damagedWire(
  fields: readonly Field[],
  other: readonly Field[],
  random: Random,
): readonly Field[] {
  if (fields.length === 0) return fields;
  // Larger messages come more often: every field is about as likely.
  const weights = fields.map(sizeOf);
  let at = random(weights.reduce((sum, weight) => sum + weight, 0));
  const index = weights.findIndex((weight) => {
    at -= weight;
    return at < 0;
  });
  const field = fields[index];
  if (field === undefined) return fields;
  if (field.fields !== undefined && random(sizeOf(field)) > 0) {
    const inner = damagedWire(field.fields, other, random);
    return fields.with(index, { ...field, fields: inner });
  }
  switch (random(6)) {
    case 0:
      return fields.toSpliced(index, 1);
    case 1:
      return fields.toSpliced(random(fields.length + 1), 0, field);
    case 2:
      return fields.toSpliced(index, 1).toSpliced(random(fields.length), 0, field);
    case 3: {
      const lent = allFields(other).filter(({ number }) => number === field.number);
      return fields.with(index, lent[random(lent.length)] ?? field);
    }
    default:
      return fields.with(index, damagedLeaf(field, other, random));
  }
}

function damagedLeaf(field: Field, other: readonly Field[], random: Random): Field {
  if (field.wire === 0) {
    const near = field.value + BigInt(random(5) - 2);
    return {
      ...field,
      value: random(2) === 0 ? near : (tellingNumbers[random(tellingNumbers.length)] ?? 0n),
    };
  }
  if (field.fields !== undefined || field.bytes.length === 0) {
    const texts = allFields(other).filter(({ wire, bytes }) => wire === 2 && bytes.length > 0);
    return { ...field, fields: undefined, bytes: texts[random(texts.length)]?.bytes ?? none };
  }
  const bytes = field.bytes.slice();
  for (let left = 1 + random(2); left > 0; left -= 1) {
    const place = random(Math.min(bytes.length, largestText));
    bytes[place] = random(2) === 0 ? random(256) : (bytes[place] ?? 0) ^ (1 << random(8));
  }
  const fixed = field.wire !== 2 || random(3) > 0;
  return { ...field, bytes: fixed ? bytes : bytes.subarray(0, random(bytes.length + 1)) };
}

function sizeOf({ fields }: Field): number {
  return 1 + (fields ?? []).reduce((sum, field) => sum + sizeOf(field), 0);
}

function allFields(fields: readonly Field[]): Field[] {
  return fields.flatMap((field) => [field, ...allFields(field.fields ?? [])]);
}
