/** int64 between protobufjs (number or two halves) and the IR (number where safe, else bigint). */
import type { Int } from '../../graph/attribute.ts';
import type { WireInt } from './proto.ts';

export function wireInt(value: Int): WireInt {
  if (typeof value === 'number') return value;
  const bits = BigInt.asUintN(64, value);
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: false,
  };
}

export function toInt(value: WireInt): Int {
  if (typeof value === 'number') return value;
  const number = value.high * 2 ** 32 + (value.low >>> 0);
  if (Number.isSafeInteger(number)) return number;
  return BigInt.asIntN(64, (BigInt(value.high) << 32n) | BigInt(value.low >>> 0));
}
