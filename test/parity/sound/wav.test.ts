/** WAV files in every form that is read, and files that are none, or say what is not so. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWav } from '../../../src/parity/inputs/sound/wav.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-wav-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Wav {
  readonly tag?: number;
  readonly channels?: number;
  readonly sampleRate?: number;
  readonly bits?: number;
  readonly data: Buffer;
}

function chunk(name: string, body: Buffer, claimed = body.length): Buffer {
  const header = Buffer.alloc(8);
  header.write(name, 'latin1');
  header.writeUInt32LE(claimed, 4);
  return Buffer.concat([header, body, Buffer.alloc(body.length % 2)]);
}

function format({ tag = 1, channels = 1, sampleRate = 16000, bits = 16 }: Omit<Wav, 'data'>): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt16LE(tag, 0);
  body.writeUInt16LE(channels, 2);
  body.writeUInt32LE(sampleRate, 4);
  body.writeUInt32LE(Math.min(sampleRate * channels * (bits / 8), 0xffffffff), 8);
  body.writeUInt16LE(channels * (bits / 8), 12);
  body.writeUInt16LE(bits, 14);
  return body;
}

function riff(...chunks: readonly Buffer[]): Buffer {
  const body = Buffer.concat(chunks);
  const head = Buffer.from('RIFF\0\0\0\0WAVE', 'latin1');
  head.writeUInt32LE(body.length + 4, 4);
  return Buffer.concat([head, body]);
}

const wav = ({ data, ...of }: Wav): Buffer => riff(chunk('fmt ', format(of)), chunk('data', data));

let files = 0;
async function read(bytes: Buffer, most = 100) {
  files += 1;
  const path = join(folder, `${files}.wav`);
  await writeFile(path, bytes);
  return readWav(path, most);
}

const int16 = Buffer.from(Int16Array.of(0, 16384, -32768, 32767).buffer);

describe('samples', () => {
  it.each([
    ['16 bits', wav({ data: int16 }), [0, 0.5, -1, 32767 / 32768]],
    [
      '8 bits, without a sign',
      wav({ bits: 8, data: Buffer.from([128, 192, 0, 255]) }),
      [0, 0.5, -1, 127 / 128],
    ],
    ['24 bits', wav({ bits: 24, data: Buffer.from([0, 0, 0x40, 0, 0, 0x80, 1, 0, 0]) }), [0.5, -1, 2 ** -23]],
    ['32 bits', wav({ bits: 32, data: Buffer.from(Int32Array.of(2 ** 30, -(2 ** 31)).buffer) }), [0.5, -1]],
    ['float', wav({ tag: 3, bits: 32, data: Buffer.from(Float32Array.of(0.25, -1.5).buffer) }), [0.25, -1.5]],
    [
      'double',
      wav({ tag: 3, bits: 64, data: Buffer.from(Float64Array.of(0.25, -0.75).buffer) }),
      [0.25, -0.75],
    ],
    ['two channels, averaged', wav({ channels: 2, data: int16 }), [0.25, -1 / 65536]],
  ] as const)('of %s', async (_form, bytes, samples) => {
    const found = await read(bytes);
    expect([...found.samples]).toEqual([...samples]);
    expect(found).toMatchObject({ sampleRate: 16000, length: samples.length });
  });

  it('are found behind other chunks, of odd lengths too, and in the extensible form', async () => {
    const guid = Buffer.from('010000000000100080000' + '0aa00389b71', 'hex');
    const extension = Buffer.concat([Buffer.from([22, 0, 16, 0, 0, 0, 0, 0]), guid]);
    const extended = Buffer.concat([format({ tag: 0xfffe }), extension]);
    const note = chunk('LIST', Buffer.from('odd'));
    const { samples } = await read(riff(note, chunk('fmt ', extended), note, chunk('data', int16), note));
    expect([...samples]).toEqual([0, 0.5, -1, 32767 / 32768]);
  });

  it('are no more than asked for, and the rest is counted', async () => {
    const { samples, length } = await read(wav({ data: int16 }), 2);
    expect([...samples]).toEqual([0, 0.5]);
    expect(length).toBe(4);
  });

  it('go to the end of a file whose writer did not know its length', async () => {
    const stream = riff(chunk('fmt ', format({})), chunk('data', int16, 0xffffffff));
    expect((await read(stream)).length).toBe(4);
  });
});

describe('a file', () => {
  const data = chunk('data', int16);
  it.each([
    ['of nothing', Buffer.alloc(0), 'begins with ""'],
    ['of something else', Buffer.from('ID3 and more than twelve bytes'), 'begins with "ID3 "'],
    ['cut off in its header', riff(chunk('fmt ', format({}))).subarray(0, 26), 'cut off'],
    ['cut off in its sound', wav({ data: Buffer.alloc(64) }).subarray(0, 60), '64, as its header says'],
    [
      'with more sound than it has',
      riff(chunk('fmt ', format({})), chunk('data', int16, 0xfffffff0)),
      'as its header',
    ],
    ['without sound', riff(chunk('fmt ', format({}))), 'a data chunk'],
    ['of no samples', wav({ data: Buffer.alloc(0) }), 'at least one sample'],
    ['with sound before its format', riff(data, chunk('fmt ', format({}))), 'a fmt chunk before it'],
    ['with a format that is too short', riff(chunk('fmt ', Buffer.alloc(14)), data), 'a format of 14 bytes'],
    ['with a format that is too long', riff(chunk('fmt ', format({}), 0x7fffffff), data), 'a format of'],
    ['of mu-law', wav({ tag: 7, bits: 8, data: int16 }), 'format 7 of 8 bits'],
    ['of 12 bits', wav({ bits: 12, data: int16 }), 'format 1 of 12 bits'],
    ['of no channel', wav({ channels: 0, data: int16 }), '0 channels'],
    ['of very many channels', wav({ channels: 4096, data: int16 }), '4096 channels'],
    ['of no rate', wav({ sampleRate: 0, data: int16 }), 'at 0 Hz'],
    [
      'of half a sample',
      riff(chunk('fmt ', format({})), chunk('data', Buffer.alloc(3)), data),
      '3 bytes of sound',
    ],
    [
      'with what is no number',
      wav({ tag: 3, bits: 32, data: Buffer.from(Float32Array.of(0, Number.NaN).buffer) }),
      'sample 1: NaN',
    ],
  ] as const)('%s is refused', async (_what, bytes, says) => {
    await expect(read(bytes)).rejects.toThrow('VC6109');
    await expect(read(bytes)).rejects.toThrow(says);
  });

  it('of endless chunks is refused, not followed', async () => {
    const many = Array.from({ length: 3000 }, () => chunk('JUNK', Buffer.alloc(0)));
    await expect(read(riff(...many, chunk('fmt ', format({})), data))).rejects.toThrow('a data chunk');
  });

  it('that is not there, or a folder, is refused', async () => {
    await expect(readWav(join(folder, 'none.wav'), 1)).rejects.toThrow('VC6109');
    await expect(readWav(folder, 1)).rejects.toThrow('VC6109');
  });
});
