/** A checkpoint of some hundred megabytes: a tiny one with a vocabulary of random embeddings. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../tensor/derived/samples.ts';

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** Tensors with a row per token. */
const perToken = ['transformer.wte.weight', 'lm_head.weight'] as const;

/** Copies the checkpoint `from`, of the Qwen family in one bf16 file, with `tokens` tokens. */
export function enlargeVocabulary(from: string, to: string, tokens: number, seed: number): void {
  mkdirSync(to, { recursive: true });
  cpSync(from, to, { recursive: true });
  const config = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8')) as object;
  writeFileSync(join(to, 'config.json'), JSON.stringify({ ...config, vocab_size: tokens }));
  const file = readFileSync(join(from, 'model.safetensors'));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata, ...tensors } = JSON.parse(
    file.toString('utf8', 8, 8 + headerBytes),
  ) as Header;
  const parts: Uint8Array[] = [];
  const header: Header = {};
  let offset = 0;
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [begin, end],
    },
  ] of Object.entries(tensors)) {
    const large = perToken.some((known) => known === name);
    const [, width = 0] = shape;
    const bytes = large
      ? randomFloats(tokens * width, dtype, seed + offset)
      : file.subarray(8 + headerBytes + begin, 8 + headerBytes + end);
    parts.push(bytes);
    header[name] = {
      dtype,
      shape: large ? [tokens, width] : shape,
      data_offsets: [offset, offset + bytes.byteLength],
    };
    offset += bytes.byteLength;
  }
  const text = JSON.stringify(metadata === undefined ? header : { __metadata__: metadata, ...header });
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.byteLength));
  writeFileSync(join(to, 'model.safetensors'), Buffer.concat([length, head, ...parts]));
}

/** In [-1, 1); pieces of one pool. */
function randomFloats(count: number, dtype: string, seed: number): Uint8Array {
  const next = random(seed);
  const pool = Uint16Array.from({ length: 65521 }, () => {
    const bits = new Uint32Array(Float32Array.of(next()).buffer)[0] ?? 0;
    return bits >>> 16;
  });
  if (dtype !== 'BF16') throw new RangeError(`random ${dtype} is not made here`);
  const all = new Uint16Array(count);
  for (let at = 0; at < count; at += pool.length) all.set(pool.subarray(0, count - at), at);
  return new Uint8Array(all.buffer);
}
