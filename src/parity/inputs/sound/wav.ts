/**
 * Reads WAV files: PCM of 8 to 32 bits and floating point, any number of channels, which are averaged. Integers become
 * n / 2^(bits - 1). No more is read than was asked for, whatever the header says, and nothing is allocated by its say-so.
 *
 * Layout: RIFF <size> WAVE, then chunks of a name, a size and so many bytes (and one more where they are odd): `fmt `
 * says how `data` is stored, little endian, channel by channel in each frame.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { fail } from '../../../report/diagnostics.ts';
import { systemReason } from '../../../report/show.ts';

export interface WavSound {
  /** Hz. */
  readonly sampleRate: number;
  /** From -1 to 1, one channel. */
  readonly samples: Float32Array;
  /** Samples of the whole file, of which `samples` holds the first. */
  readonly length: number;
}

/** Extensions of what is taken for a sound. */
export const soundExtensions: ReadonlySet<string> = new Set(['.wav', '.wave']);

interface Format {
  readonly kind: 'integer' | 'float';
  readonly channels: number;
  readonly sampleRate: number;
  readonly bytes: number;
}

const expected = 'WAV with PCM of 8, 16, 24 or 32 bits, or floating point of 32 or 64';
const mostChannels = 64;
/** A file has a handful: what has more is no sound. */
const mostChunks = 1024;
/** Size of a chunk whose writer did not know it yet, or could not go back to say. */
const unknownSize = 0xffffffff;

/** At most the first `most` samples of a file. Throws VC6109 when it is no WAV file that can be read. */
export async function readWav(path: string, most: number): Promise<WavSound> {
  const where = basename(path);
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    throw fail('VC6109', { where, found: systemReason(cause), expected, cause });
  }
  try {
    return await readFrames(file, where, most);
  } finally {
    await file.close();
  }
}

async function readFrames(file: FileHandle, where: string, most: number): Promise<WavSound> {
  const stat = await file.stat();
  if (!stat.isFile()) throw wrong(where, 'not a file');
  const { format, begin, size } = await findData(file, stat.size, where);
  const frame = format.channels * format.bytes;
  if (size % frame !== 0 && size !== stat.size - begin) {
    throw wrong(where, `${size} bytes of sound`, `a multiple of ${frame}`);
  }
  const length = Math.floor(size / frame);
  if (length === 0) throw wrong(where, 'no sound', 'at least one sample');
  const count = Math.min(length, most);
  const bytes = await readAt(file, begin, count * frame, where);
  return { sampleRate: format.sampleRate, samples: decode(bytes, format, count, where), length };
}

/** Where sound begins, how many bytes it has and what they are. */
async function findData(
  file: FileHandle,
  size: number,
  where: string,
): Promise<{ readonly format: Format; readonly begin: number; readonly size: number }> {
  const head = await readAt(file, 0, Math.min(12, size), where);
  if (ascii(head, 0) !== 'RIFF' || ascii(head, 8) !== 'WAVE') {
    throw wrong(where, `a file that begins with ${JSON.stringify(ascii(head, 0))}`);
  }
  let format: Format | undefined;
  let at = 12;
  for (let chunk = 0; chunk < mostChunks && at + 8 <= size; chunk += 1) {
    const header = await readAt(file, at, 8, where);
    const name = ascii(header, 0);
    const claimed = header.readUInt32LE(4);
    const begin = at + 8;
    if (name === 'data') {
      if (format === undefined) throw wrong(where, 'sound before its format', 'a fmt chunk before it');
      const left = size - begin;
      if (claimed !== unknownSize && claimed > left) {
        throw wrong(where, `${left} bytes of sound`, `${claimed}, as its header says: it is cut off`);
      }
      return { format, begin, size: Math.min(claimed, left) };
    }
    if (name === 'fmt ') {
      if (claimed < 16 || claimed > 4096) throw wrong(where, `a format of ${claimed} bytes`);
      format = readFormat(await readAt(file, begin, claimed, where), where);
    }
    at = begin + claimed + (claimed % 2);
  }
  throw wrong(where, 'no sound', 'a data chunk');
}

/** Tag 1: integers, 3: floating point, 0xfffe: one of these by a GUID further on. */
function readFormat(bytes: Buffer, where: string): Format {
  const own = bytes.readUInt16LE(0);
  const tag = own === 0xfffe && bytes.length >= 26 ? bytes.readUInt16LE(24) : own;
  const channels = bytes.readUInt16LE(2);
  const sampleRate = bytes.readUInt32LE(4);
  const frame = bytes.readUInt16LE(12);
  const bits = bytes.readUInt16LE(14);
  const kind = tag === 1 ? 'integer' : tag === 3 ? 'float' : undefined;
  const known = kind === 'float' ? [32, 64] : [8, 16, 24, 32];
  if (kind === undefined || !known.includes(bits)) {
    throw wrong(where, `format ${tag} of ${bits} bits`);
  }
  if (channels < 1 || channels > mostChannels || sampleRate < 1 || frame !== (channels * bits) / 8) {
    throw wrong(where, `${channels} channels at ${sampleRate} Hz, ${frame} bytes a frame`);
  }
  return { kind, channels, sampleRate, bytes: bits / 8 };
}

const readers: Readonly<Record<string, (bytes: Buffer, at: number) => number>> = {
  // The only one without a sign.
  integer1: (bytes, at) => (bytes.readUInt8(at) - 128) / 2 ** 7,
  integer2: (bytes, at) => bytes.readInt16LE(at) / 2 ** 15,
  integer3: (bytes, at) => bytes.readIntLE(at, 3) / 2 ** 23,
  integer4: (bytes, at) => bytes.readInt32LE(at) / 2 ** 31,
  float4: (bytes, at) => bytes.readFloatLE(at),
  float8: (bytes, at) => bytes.readDoubleLE(at),
};

function decode(bytes: Buffer, { kind, channels, bytes: each }: Format, count: number, where: string) {
  const read = readers[`${kind}${each}`];
  if (read === undefined) throw new RangeError(`${kind} of ${each} bytes`);
  const samples = new Float32Array(count);
  for (let frame = 0; frame < count; frame += 1) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) {
      sum += read(bytes, (frame * channels + channel) * each);
    }
    samples[frame] = sum / channels;
    if (!Number.isFinite(sum)) throw wrong(where, `sample ${frame}: ${sum}`, 'numbers that are finite');
  }
  return samples;
}

async function readAt(file: FileHandle, at: number, length: number, where: string): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, at);
  if (bytesRead === length) return bytes;
  throw wrong(where, `${at + bytesRead} bytes`, `at least ${at + length}: it is cut off`);
}

function ascii(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, at + 4);
}

function wrong(where: string, found: string, wanted = expected) {
  return fail('VC6109', { where, found, expected: wanted });
}
