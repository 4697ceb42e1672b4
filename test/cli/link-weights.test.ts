/** `--link-weights`: tensors that stay as they are, read by the runtime in the checkpoint's own file. */
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/pipeline/manifest.ts';
import { fixtures } from '../golden-folders.ts';
import { runMain } from './run-main.ts';

let root = '';
let checkpoint = '';
const weights = (): string => join(checkpoint, 'model.safetensors');

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-link-')));
  checkpoint = join(root, 'model');
  cpSync(join(fixtures, 'llava/hf-tiny/checkpoint'), checkpoint, { recursive: true });
  writeFileSync(weights(), widened(readFileSync(weights())));
});
afterAll(() => rmSync(root, { recursive: true }));

/** A bf16 safetensors file in float32, the type in which references are built. */
function widened(file: Buffer): Buffer {
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  delete header.__metadata__;
  for (const tensor of Object.values(header)) {
    expect(tensor.dtype).toBe('BF16');
    tensor.dtype = 'F32';
    tensor.data_offsets = [tensor.data_offsets[0] * 2, tensor.data_offsets[1] * 2];
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.byteLength));
  const narrow = file.subarray(8 + headerBytes);
  const wide = Buffer.alloc(narrow.byteLength * 2);
  for (let at = 0; at < narrow.byteLength; at += 2) wide.writeUInt16LE(narrow.readUInt16LE(at), at * 2 + 2);
  return Buffer.concat([length, head, wide]);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'vlm-convert.json'), 'utf8')) as Manifest;
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('--link-weights', () => {
  it('gives graphs that compute the same out of the linked file, and a smaller output', async () => {
    const [linked, whole] = [join(root, 'linked'), join(root, 'whole')];
    expect((await runMain([checkpoint, whole, '--no-parity', '--quiet'])).code).toBe(0);
    const ran = await runMain([checkpoint, linked, '--link-weights']);
    expect(ran.err).toBe('');
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/all \d+ gates passed/);
    const path = join(linked, 'onnx/linked_model.safetensors');
    expect(statSync(path).ino).toBe(statSync(weights()).ino);
    const files = manifestOf(linked).files.filter(({ link }) => link === true);
    expect(files).toEqual([
      { path: 'onnx/linked_model.safetensors', bytes: statSync(path).size, sha256: sha256(path), link: true },
    ]);
    const dataBytes = (folder: string): number =>
      readdirSync(join(folder, 'onnx'))
        .filter((name) => name.includes('onnx_data'))
        .reduce((sum, name) => sum + statSync(join(folder, 'onnx', name)).size, 0);
    // The embedding table, at least, stays where it is.
    expect(dataBytes(linked)).toBeLessThan(dataBytes(whole) - 100_000);
    expect(readdirSync(join(linked, 'onnx'))).not.toContain('embed_tokens.onnx_data');
  });

  it('plans what it does, takes an earlier output over, and leaves the checkpoint as it is', async () => {
    const out = join(root, 'again');
    const before = sha256(weights());
    const dry = await runMain([checkpoint, out, '--link-weights', '--no-parity', '--dry-run', '--json']);
    const { plan } = JSON.parse(dry.out) as {
      plan: { files: { path: string; bytes: number; link?: true }[]; bytes: { output: number } };
    };
    for (let time = 0; time < 2; time++) {
      expect((await runMain([checkpoint, out, '--link-weights', '--no-parity', '--quiet'])).code).toBe(0);
      const files = manifestOf(out).files.map(({ sha256: _, ...file }) => file);
      const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);
      expect([...plan.files].sort(byPath)).toEqual(files);
    }
    const own = plan.files.filter(({ link }) => link === undefined);
    expect(plan.bytes.output).toBe(own.reduce((sum, { bytes }) => sum + bytes, 0));
    rmSync(out, { recursive: true });
    expect(sha256(weights())).toBe(before);
    expect(statSync(weights()).nlink).toBeLessThanOrEqual(2);
  });

  it('does nothing where no tensor stays as it is', async () => {
    const out = join(root, 'none');
    const bf16 = join(fixtures, 'llava/hf-tiny/checkpoint');
    expect((await runMain([bf16, out, '--link-weights', '--no-parity', '--quiet'])).code).toBe(0);
    expect(manifestOf(out).files.filter(({ link }) => link === true)).toEqual([]);
  });
});
