/**
 * Recorded ONNX files through every precision: the result loads and gives nearly the recorded outputs. Nearly is in
 * standard deviations of an output, root mean square: a few times what was seen, by how coarse the weights become.
 * The recorded models have weights drawn at random, which lose more to rounding than trained ones.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type QuantizeOptions, quantize } from '../../src/index.ts';
import { deviations, type RecordedRun, recordedRuns, runOn } from '../formats/onnx/recorded-runs.ts';
import { onnxCases } from '../graph/onnx-cases.ts';

interface Way extends Pick<QuantizeOptions, 'precision' | 'passes' | 'blockSize'> {
  readonly name: string;
  readonly limit: number;
}

const ways: readonly Way[] = [
  { name: 'int4', precision: 'int4', blockSize: 16, limit: 0.5 },
  { name: 'int8', precision: 'int8', blockSize: 16, limit: 0.06 },
  { name: 'fp16', precision: 'fp16', limit: 0.005 },
  { name: 'int8-channel', passes: 'fold,int8-channel,dead-code', limit: 0.06 },
];

/** Outputs that rounding moves further. */
const exceptions: readonly { readonly case: RegExp; readonly output: RegExp; readonly factor: number }[] = [
  // Four cosines that differ by little.
  { case: /^(optimum-clip|clip-full)/, output: /^logits_per/, factor: 3 },
  // The largest float32 is beyond float16 and becomes its largest.
  { case: /^edge\/integer-storage/, output: /^f32_o$/, factor: 300 },
  // Activations are rounded to 8 bits, and a value on the border to either side.
  { case: /^ort-(qdq|dynamic-int8)/, output: /./, factor: 15 },
];

function limitOf(name: string, output: string, { limit }: Way): number {
  const found = exceptions.find((one) => one.case.test(name) && one.output.test(output));
  return limit * (found?.factor ?? 1);
}

/** Root mean square of the difference, in standard deviations. NaN where only one side has a NaN. */
function distance(found: ArrayLike<unknown>, expected: ArrayLike<number | bigint>): number {
  const values = Array.from(expected, Number);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let [squares, errors] = [0, 0];
  values.forEach((value, i) => {
    const actual = Number(found[i]);
    if (Object.is(actual, value)) return;
    errors += (actual - value) ** 2;
    squares += (value - mean) ** 2;
  });
  return errors === 0 ? 0 : Math.sqrt(errors / Math.max(squares, 1e-12));
}

async function check(output: string, name: string, run: RecordedRun, way: Way): Promise<void> {
  for (const [port, { data, shape }] of await runOn(output, run)) {
    const expected = run.outputs.get(port)?.value;
    expect(shape).toEqual(expected?.shape);
    const moved = distance(data, expected?.data ?? []);
    expect(moved, `${run.prefix}${port}`).toBeLessThan(limitOf(name, port, way));
  }
}

const files = onnxCases().flatMap(({ name, folder, models }) =>
  models.map((model) => ({ name, folder, model, label: `${name}/${model}` })),
);

describe.each(files)('$label', ({ name, folder, model }) => {
  it.each(ways)('$name', async (way) => {
    const root = await mkdtemp(join(tmpdir(), 'vlm-imported-'));
    try {
      const output = join(root, 'out');
      const { name: _, limit: __, ...options } = way;
      const { plan } = await quantize({ model: join(folder, model), output, ...options });
      const unchanged = plan.warnings.some(({ code }) => code === 'VC3301');
      for (const run of await recordedRuns(folder, model)) {
        // Nothing that bears on numbers changed: they are the recorded ones.
        if (unchanged) expect(await deviations(join(output, model), run)).toEqual([]);
        else await check(join(output, model), name, run, way);
      }
    } finally {
      await rm(root, { recursive: true });
    }
  });
});

it('quantizes what an exporter writes', async () => {
  const [bert] = files.filter(({ name }) => name === 'bert-ts14-eager-mask');
  if (bert === undefined) throw new Error('bert-ts14-eager-mask is missing');
  const root = await mkdtemp(join(tmpdir(), 'vlm-imported-'));
  try {
    const stats = async (way: Way | undefined) => {
      const { name: _, limit: __, ...options } = way ?? { name: '', limit: 0 };
      const made = await quantize({
        model: join(bert.folder, bert.model),
        output: join(root, 'out'),
        ...options,
      });
      return Object.fromEntries(
        made.plan.components.flatMap(({ records }) => records.map((r) => [r.name, r.stats])),
      );
    };
    expect((await stats(ways[0])).int4).toMatchObject({ matmul: 13, biases: 13 });
    expect((await stats(ways[2])).float16?.weights).toBe(26);
    expect((await stats(ways[3]))['int8-channel']).toMatchObject({ matmul: 13 });
  } finally {
    await rm(root, { recursive: true });
  }
});
