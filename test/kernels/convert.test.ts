import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/kernels/bytes.ts';
import { type Convertible, convert } from '../../src/kernels/convert.ts';

/** Values of bytes, read one by one with DataView: independent of the typed views of the kernel. */
function values(bytes: Uint8Array, type: Convertible): (number | bigint)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const readers: Partial<Record<Convertible, [number, (at: number) => number | bigint]>> = {
    float32: [4, (at) => view.getFloat32(at, true)],
    float64: [8, (at) => view.getFloat64(at, true)],
    int8: [1, (at) => view.getInt8(at)],
    uint8: [1, (at) => view.getUint8(at)],
    int16: [2, (at) => view.getInt16(at, true)],
    uint16: [2, (at) => view.getUint16(at, true)],
    int32: [4, (at) => view.getInt32(at, true)],
    uint32: [4, (at) => view.getUint32(at, true)],
    int64: [8, (at) => view.getBigInt64(at, true)],
    uint64: [8, (at) => view.getBigUint64(at, true)],
    bool: [1, (at) => view.getUint8(at)],
  };
  const [size, read] = readers[type] ?? [1, () => NaN];
  return Array.from({ length: bytes.byteLength / size }, (_, i) => read(i * size));
}

const floats = (list: number[]) => bytesOf(Float32Array.from(list));

describe('convert', () => {
  const wild = [0, -0.5, 0.5, 1.5, 2.5, -2.5, 127.5, 300, -300, 1e10, -1e10, 1e30, -1e30, NaN, -Infinity];

  it.each([
    ['int8', [0, 0, 0, 2, 2, -2, 127, 127, -128, 127, -128, 127, -128, 0, -128]],
    ['uint8', [0, 0, 0, 2, 2, 0, 128, 255, 0, 255, 0, 255, 0, 0, 0]],
    ['int16', [0, 0, 0, 2, 2, -2, 128, 300, -300, 32767, -32768, 32767, -32768, 0, -32768]],
    ['uint16', [0, 0, 0, 2, 2, 0, 128, 300, 0, 65535, 0, 65535, 0, 0, 0]],
    [
      'int32',
      [0, 0, 0, 2, 2, -2, 128, 300, -300, 2147483647, -2147483648, 2147483647, -2147483648, 0, -2147483648],
    ],
    ['uint32', [0, 0, 0, 2, 2, 0, 128, 300, 0, 4294967295, 0, 4294967295, 0, 0, 0]],
    ['bool', [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
  ] as const)('float32 to %s: nearest even, saturating, NaN is 0', (type, expected) => {
    expect(values(convert(floats(wild), 'float32', type), type)).toEqual(expected);
  });

  it('float32 to 64-bit integers saturates at their own bounds', () => {
    const big = floats([2.5, -2.5, 2 ** 40, 1e30, -1e30, NaN]);
    expect(values(convert(big, 'float32', 'int64'), 'int64')).toEqual([
      2n,
      -2n,
      2n ** 40n,
      2n ** 63n - 1n,
      -(2n ** 63n),
      0n,
    ]);
    expect(values(convert(big, 'float32', 'uint64'), 'uint64')).toEqual([
      2n,
      0n,
      2n ** 40n,
      2n ** 64n - 1n,
      0n,
      0n,
    ]);
  });

  it('integers and float64 to float32 round once, to nearest', () => {
    const ints = bytesOf(Int32Array.from([16777217, 16777219, -2147483648]));
    expect(values(convert(ints, 'int32', 'float32'), 'float32')).toEqual([16777216, 16777220, -2147483648]);
    const longs = bytesOf(BigInt64Array.from([-5n, 2n ** 62n]));
    expect(values(convert(longs, 'int64', 'float32'), 'float32')).toEqual([-5, 2 ** 62]);
    const doubles = bytesOf(Float64Array.from([0.1, 1e300, -1e300]));
    expect(values(convert(doubles, 'float64', 'float32'), 'float32')).toEqual([
      Math.fround(0.1),
      Infinity,
      -Infinity,
    ]);
  });

  it('reads from unaligned bytes', () => {
    const padded = new Uint8Array(9);
    padded.set(floats([1.25, -3]), 1);
    expect(values(convert(padded.subarray(1), 'float32', 'float64'), 'float64')).toEqual([1.25, -3]);
  });

  it('clamps a copy, not the bytes it was given', () => {
    const source = floats([1e9, 1e-20]);
    const before = source.slice();
    const clamped = convert(source, 'float32', 'float16', true);
    expect([...new Uint16Array(clamped.buffer)]).toEqual([0x7bff, 1]);
    expect(source).toEqual(before);
    // Without the clamp both are lost.
    expect([...new Uint16Array(convert(source, 'float32', 'float16').buffer)]).toEqual([0x7c00, 0]);
  });

  it('rounds float64 to float16 once', () => {
    const bytes = bytesOf(Float64Array.of(1 + 2 ** -11 + 2 ** -40));
    expect([...new Uint16Array(convert(bytes, 'float64', 'float16').buffer)]).toEqual([0x3c01]);
  });
});
