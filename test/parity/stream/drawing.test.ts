/**
 * The check of what draws pictures: the original's own codes go on, both rows are compared at every step, and its numbers
 * are those of both models run whole, as users run them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { drawSample, type ParityRequest, runParity } from '../../../src/parity/index.ts';
import { drawDrawing } from '../../../src/parity/inputs/drawing.ts';
import { pickContinuations } from '../../../src/parity/stream/continuations.ts';
import { int64Value } from '../../../src/runtime/values.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { type Drawn, drawRecipe } from '../../support/run-drawing.ts';
import { withStreamedCheck } from '../../support/streamed-check.ts';
import { writeModel } from '../../support/write-models.ts';

const golden = goldenCase('janus/tiny-hf');
const seed = 4;
const decodeSteps = 5;

/** The drawing of the check by one of the builds, loaded whole; with codes that are known, or its own. */
async function drawWhole(
  { recipe, stream }: ParityRequest,
  name: 'reference' | 'converted',
  codes?: readonly number[],
): Promise<Drawn> {
  const folder = await mkdtemp(join(tmpdir(), 'vlm-drawing-'));
  try {
    const files: Record<string, string> = {};
    for (const [id, builds] of stream.builds) {
      files[id] = await writeModel(folder, `${id}-${name}`, builds[name]);
    }
    const rows = drawDrawing(recipe, seed)?.rows ?? [[], []];
    return await drawRecipe({
      recipe,
      files,
      inputIds: int64Value([2, rows[0].length], rows.flat()),
      guidance: recipe.pictures?.guidance ?? 0,
      ...(codes === undefined ? {} : { codes }),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

function relative(wanted: readonly Float32Array[], found: readonly Float32Array[]): number {
  const all = (steps: readonly Float32Array[]): number[] =>
    steps.slice(0, decodeSteps + 1).flatMap((one) => [...one]);
  const [a, b] = [all(wanted), all(found)];
  const norm = (values: readonly number[]): number =>
    Math.sqrt(values.reduce((sum, one) => sum + one * one, 0));
  return norm(a.map((one, at) => (b[at] ?? 0) - one)) / norm(a);
}

describe('a drawing', () => {
  it('goes on with the codes that the original picks', async () => {
    await withStreamedCheck({ golden, options: { precision: 'int8' } }, async (request) => {
      const { recipe, image, stream } = request;
      const { drawing } = await pickContinuations(
        {
          ...stream,
          recipe,
          sample: { ...drawSample(recipe, image, seed), prompts: [] },
          decodeSteps,
          signal: undefined,
          devices: { reference: 'cpu', converted: 'cpu' },
          onPlacement: () => {},
          onStep: () => {},
        },
        [],
      );
      const own = await drawWhole(request, 'reference');
      expect(drawing?.codes.slice(0, decodeSteps + 1)).toEqual(own.ids.slice(0, decodeSteps + 1));
      expect(drawing?.codes.slice(decodeSteps + 1)).toEqual(
        drawDrawing(recipe, seed)?.codes.slice(decodeSteps + 1),
      );
    });
  });

  it('is compared at every step of both rows, by the numbers of both models run whole', async () => {
    await withStreamedCheck({ golden, options: { precision: 'int8' } }, async (request) => {
      const { levels } = await runParity({ ...request, seed, decodeSteps });
      const outputs = levels.find(({ level }) => level === 'fidelity')?.outputs ?? [];
      const of = (output: string) => outputs.find((one) => one.output === output)?.metrics;
      const { ids } = await drawWhole(request, 'reference');
      const drawn = drawDrawing(request.recipe, seed)?.codes ?? [];
      const codes = [...ids.slice(0, decodeSteps + 1), ...drawn.slice(decodeSteps + 1)];
      const [wanted, found] = [
        await drawWhole(request, 'reference', codes),
        await drawWhole(request, 'converted', codes),
      ];
      expect(of('code-logits')?.rows).toBe(2 * (decodeSteps + 1));
      expect(of('code-logits')?.relative).toBeCloseTo(relative(wanted.headLogits, found.headLogits), 5);
      expect(of('guided-logits')?.rows).toBe(decodeSteps + 1);
      expect(of('guided-logits')?.relative).toBeCloseTo(relative(wanted.guidedLogits, found.guidedLogits), 5);
      const agreed = found.ids.slice(0, decodeSteps + 1).filter((id, step) => id === ids[step]).length;
      expect(of('guided-logits')?.logits?.agreed).toBe(agreed);
      const steps = of('hidden')?.rows ?? 0;
      const tokens = drawDrawing(request.recipe, seed)?.rows[0].length ?? 0;
      expect(steps).toBe(2 * (tokens + decodeSteps));
      expect(of('code-embeds')?.rows).toBe(36);
      expect(of('pixels')?.elements).toBe(wanted.pixels.data.length);
    });
  });
});
