/** PNG files small enough to stand inside a page, with the same bytes on every machine. */
import { constants, crc32, deflateSync } from 'node:zlib';

/** One channel in 16 levels of grey. `levels`: [height, width], 0 (black) to 15 (white). */
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
  // Four bits, greyscale.
  return encodePng(width, height, [4, 0], rows);
}

/** `rgb`: [height, width, 3]. */
export function encodeRgbPng(width: number, height: number, rgb: Uint8Array): Uint8Array {
  if (rgb.length !== 3 * width * height)
    throw new RangeError(`${rgb.length} is not ${width} x ${height} x 3`);
  const stride = 1 + 3 * width;
  const rows = new Uint8Array(height * stride);
  for (let y = 0; y < height; y += 1)
    rows.set(rgb.subarray(y * 3 * width, (y + 1) * 3 * width), y * stride + 1);
  // Eight bits, three colours.
  return encodePng(width, height, [8, 2], rows);
}

/** `rows` begin with their filter each, which is none; `kind`: bits per channel and the kind of colours. */
function encodePng(
  width: number,
  height: number,
  kind: readonly [number, number],
  rows: Uint8Array,
): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([...kind, 0, 0, 0], 8);
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
