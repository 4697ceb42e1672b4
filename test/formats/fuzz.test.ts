/**
 * Damaged files: 25,000 flips, cuts and splices of valid ones. Each is read, or refused with a code; nothing else is
 * thrown, and memory stays bounded. What still is a model goes through the verifier and inference, a part of it
 * through the default passes.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeModel } from '../../src/formats/onnx/decode.ts';
import { folderFiles } from '../../src/formats/onnx/external-data.ts';
import { modelTensors } from '../../src/formats/onnx/layout.ts';
import { openSafetensors } from '../../src/formats/safetensors/read.ts';
import { cloneModel } from '../../src/graph/clone.ts';
import { printModel } from '../../src/graph/print.ts';
import { problemsOf, verifyAndInfer } from '../../src/graph/verify.ts';
import { optimizePasses } from '../../src/pipeline/optimize-passes.ts';
import { VlmError } from '../../src/report/diagnostics.ts';
import { memorySource } from '../../src/tensor/byte-source.ts';
import { fixtures } from '../golden-folders.ts';
import { onnxCases } from '../graph/onnx-cases.ts';
import { runPasses } from '../passes/run-pass.ts';
import { damaged, randomInts } from '../support/mutate.ts';
import { damagedWire, encodeWire, parseWire } from '../support/mutate-wire.ts';

interface Seed {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Offsets that are no data of weights. */
  readonly structure: readonly (readonly [begin: number, end: number])[];
  readonly fields: NonNullable<ReturnType<typeof parseWire>>;
}

/** What all cases of a test may add to the memory of the process. */
const mostMemory = 300 * 2 ** 20;

async function seedOf(path: string): Promise<Seed> {
  const bytes = new Uint8Array(readFileSync(path));
  const files = folderFiles(dirname(path));
  const model = await decodeModel(memorySource(basename(path), bytes), files);
  const data = [...modelTensors(model)]
    .flatMap(({ tensor }) =>
      tensor.origin.kind === 'source' && tensor.origin.source.name === basename(path)
        ? [[tensor.origin.offset, tensor.origin.offset + tensor.byteLength] as const]
        : [],
    )
    .sort(([a], [b]) => a - b);
  await files.close();
  const begins = [0, ...data.map(([, end]) => end)];
  const ends = [...data.map(([begin]) => begin), bytes.length];
  const structure = begins.map((begin, i) => [begin, ends[i] ?? begin] as const);
  return { path, bytes, structure, fields: parseWire(bytes) ?? [] };
}

function placeIn({ structure }: Seed, random: (below: number) => number): number {
  let at = random(structure.reduce((sum, [begin, end]) => sum + end - begin, 0));
  for (const [begin, end] of structure) {
    if (at < end - begin) return begin + at;
    at -= end - begin;
  }
  return 0;
}

/** Runs `attempt`, and says what was thrown that is no refusal. */
async function crash(attempt: () => Promise<void>): Promise<string | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    if (error instanceof VlmError && error.code !== 'VC3201') return undefined;
    return error instanceof Error ? `${error.stack}` : String(error);
  }
}

/** How far damaged models came. */
interface Survivors {
  decoded: number;
  sound: number;
  folded: number;
}

/** Every other round damages bytes, the rest fields. */
async function damageModels(
  paths: readonly string[],
  rounds: number,
  foldEvery: number,
  seed: number,
): Promise<Survivors> {
  const seeds = await Promise.all(paths.map(seedOf));
  const random = randomInts(seed);
  const counts: Survivors = { decoded: 0, sound: 0, folded: 0 };
  const before = process.resourceUsage().maxRSS * 1024;
  for (let round = 0; round < rounds; round += 1) {
    const picked = seeds[round % seeds.length];
    const other = seeds[random(seeds.length)];
    if (picked === undefined || other === undefined) throw new Error('no seeds');
    const bytes =
      random(2) === 0
        ? damaged(picked.bytes, other.bytes, random, () => placeIn(picked, random))
        : encodeWire(damagedWire(picked.fields, other.fields, random));
    const found = await crash(async () => {
      const files = folderFiles(dirname(picked.path));
      try {
        const model = await decodeModel(memorySource('m', bytes), files);
        counts.decoded += 1;
        printModel(cloneModel(model));
        problemsOf(model);
        verifyAndInfer(model);
        counts.sound += 1;
        if (counts.sound % foldEvery !== 0) return;
        counts.folded += 1;
        await runPasses(model, optimizePasses);
      } finally {
        await files.close();
      }
    });
    expect(found, `round ${round}: ${picked.path}`).toBeUndefined();
  }
  expect(process.resourceUsage().maxRSS * 1024 - before).toBeLessThan(mostMemory);
  return counts;
}

const models = onnxCases().flatMap(({ name, folder, models }) =>
  models.map((file) => ({ name, path: join(folder, file) })),
);
const inFixtures = models.filter(({ path }) => path.startsWith(fixtures));

it('small models of every kind', async () => {
  const small = inFixtures.filter(({ name }) => name.startsWith('edge/')).map(({ path }) => path);
  const { decoded, sound, folded } = await damageModels(small, 18_000, 10, 1);
  expect(decoded).toBeGreaterThan(4000);
  expect(sound).toBeGreaterThan(1500);
  expect(folded).toBeGreaterThan(150);
});

it('models of exporters', async () => {
  const large = inFixtures.filter(({ name }) => !name.startsWith('edge/')).map(({ path }) => path);
  const { decoded, sound, folded } = await damageModels(large, 1_500, 20, 2);
  expect(decoded).toBeGreaterThan(300);
  expect(sound).toBeGreaterThan(100);
  expect(folded).toBeGreaterThan(5);
});

it('headers of safetensors files', async () => {
  const seeds = inFixtures
    .map(({ path }) => join(dirname(path), 'io.safetensors'))
    .filter((path) => existsSync(path))
    .map((path) => new Uint8Array(readFileSync(path)));
  const random = randomInts(3);
  const before = process.resourceUsage().maxRSS * 1024;
  let read = 0;
  for (let round = 0; round < 6000; round += 1) {
    const bytes = seeds[round % seeds.length];
    const other = seeds[random(seeds.length)];
    if (bytes === undefined || other === undefined) throw new Error('no seeds');
    const header = 8 + new DataView(bytes.buffer).getUint32(0, true);
    const file = damaged(bytes, other, random, () => random(Math.min(header, bytes.length)));
    const found = await crash(async () => {
      await openSafetensors(memorySource('s', file));
      read += 1;
    });
    expect(found, `round ${round}`).toBeUndefined();
  }
  expect(read).toBeGreaterThan(50);
  expect(process.resourceUsage().maxRSS * 1024 - before).toBeLessThan(mostMemory);
});
