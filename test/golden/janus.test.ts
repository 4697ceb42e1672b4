/**
 * Pictures drawn by converted graphs of Janus, at every precision. In fp32 they are what was recorded, code for code.
 * Below it the best code of a step may be another one, so that the graphs go on with the recorded codes: what they would
 * have chosen by, and the picture of those codes, are held to the recorded ones.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodePicture } from '../../src/parity/inputs/decode-picture.ts';
import { openTokenizer } from '../../src/parity/inputs/tokenizer.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { caseOptions, type GoldenCase, goldenCases } from '../support/golden-cases.ts';
import { beyond } from '../support/golden-deviations.ts';
import { drawGolden, drawnDeviations } from '../support/golden-drawing.ts';
import { openCase } from '../support/open-case.ts';
import { readIo } from '../support/read-io.ts';
import { drawingOf, pictureBytes, unconditional } from '../support/run-drawing.ts';
import { withConverted } from './convert-case.ts';

const cases = goldenCases(['janus']).filter(({ name }) => !name.endsWith('/tiny-understand'));

/** The picture that the original wrote, of the codes that it recorded. */
async function recordedBytes({ folder, name }: GoldenCase): Promise<Uint8Array> {
  const file = name.endsWith('-hf') ? 'generated0.png' : 'generated.png';
  return (await decodePicture(join(folder, file))).rgb;
}

function differences(
  found: Uint8Array,
  wanted: Uint8Array,
): { readonly worst: number; readonly psnr: number } {
  expect(found.length).toBe(wanted.length);
  const errors = Array.from(wanted, (byte, i) => Math.abs(byte - (found[i] ?? Number.NaN)));
  const square = errors.reduce((sum, error) => sum + error * error, 0) / errors.length;
  return { worst: Math.max(...errors), psnr: 10 * Math.log10(255 ** 2 / square) };
}

/** Error of all logits together, in standard deviations of the recorded ones. */
function relativeError(steps: readonly Float32Array[], recorded: Float32Array): number {
  const found = steps.flatMap((step) => [...step]);
  const mean = recorded.reduce((sum, value) => sum + value, 0) / recorded.length;
  const variance = recorded.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = recorded.reduce((sum, value, i) => sum + (value - (found[i] ?? Number.NaN)) ** 2, 0);
  return Math.sqrt(error / variance);
}

describe.each(cases)('$name', (golden) => {
  it('makes the picture of the pixels that were recorded', async () => {
    const { source, architecture } = await openCase(golden);
    const { recipe } = architecture.build(source, caseOptions(golden));
    await source.close();
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const bytes = pictureBytes(io.get('out.pixels'), drawingOf(recipe));
    expect(differences(bytes, await recordedBytes(golden)).worst).toBe(0);
  });

  it('makes the two rows that were recorded of the words', async () => {
    const { source, architecture } = await openCase(golden);
    const { recipe, sideFiles } = architecture.build(source, caseOptions(golden));
    const made = sideFiles.flatMap((file) =>
      file.kind === 'json' ? [[file.name, file.value] as const] : [],
    );
    const tokenizer = await openTokenizer({ path: source.path, files: source.files, made: new Map(made) });
    await source.close();
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const rows = io.ints(io.has('in.gen_input_ids') ? 'in.gen_input_ids' : 'in.input_ids');
    const drawing = drawingOf(recipe);
    const ids = [...tokenizer.encode(drawing.prompt.replace('{text}', 'a red square on a blue field'))];
    expect([...ids, ...unconditional(ids, drawing)]).toEqual(rows);
    const weight = io.get(io.has('in.cfg_weight') ? 'in.cfg_weight' : 'in.gen_guidance_scale');
    expect(drawing.guidance).toBe(toFloat32(weight)[0]);
  });

  it('draws what the original drew, in fp32', async () => {
    await withConverted(golden, { parity: false }, async ({ recipe, files }) => {
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const drawn = await drawGolden({ recipe, files, io });
      expect(beyond(1e-4, drawnDeviations(drawn, io))).toEqual([]);
      const bytes = pictureBytes(drawn.pixels, drawingOf(recipe));
      const { worst, psnr } = differences(bytes, await recordedBytes(golden));
      // Cut to bytes, the last bit of a float may decide.
      expect(worst).toBeLessThanOrEqual(1);
      expect(psnr).toBeGreaterThan(80);
    });
  });

  it.each([
    ['fp16', 0.005, 50],
    // The generator's weights are those of convolutions, which stay as they are.
    ['int8', 0.08, 80],
    ['int4', 0.6, 80],
  ] as const)('would draw about the same in %s', async (precision, logits, decibels) => {
    await withConverted(golden, { precision, parity: false }, async ({ recipe, files }) => {
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      const drawn = await drawGolden({ recipe, files, io, forced: true });
      expect(relativeError(drawn.headLogits, io.float32('out.gen_head_logits'))).toBeLessThan(logits);
      const bytes = pictureBytes(drawn.pixels, drawingOf(recipe));
      expect(differences(bytes, await recordedBytes(golden)).psnr).toBeGreaterThan(decibels);
    });
  });
});
