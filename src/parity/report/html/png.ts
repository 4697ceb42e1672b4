/** A PNG file of one channel in 16 levels of grey: small enough to stand inside a page. */
import { constants, crc32, deflateSync } from 'node:zlib';

/** `levels`: [height, width], 0 (black) to 15 (white). */
export function encodeGreyPng(width: number, height: number, levels: Uint8Array): Uint8Array {
  if (levels.length !== width * height) throw new RangeError(`${levels.length} is not ${width} x ${height}`);
  const stride = 1 + Math.ceil(width / 2);
  const rows = new Uint8Array(height * stride);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * stride + 1 + (x >> 1);
      rows[at] = (rows[at] ?? 0) | ((levels[y * width + x] ?? 0) << (x % 2 === 0 ? 4 : 0));
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Four bits, greyscale.
  header.set([4, 0, 0, 0, 0], 8);
  // Runs only: the search for longer matches differs between builds of zlib, and so would the bytes.
  const data = deflateSync(rows, { level: 9, memLevel: 8, strategy: constants.Z_RLE });
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', new Uint8Array()),
  ]);
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

function chunk(type: string, data: Uint8Array): Uint8Array {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}
