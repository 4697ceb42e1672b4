/** What the runtime would not compute stays, and costs no more than a few runs to find. */
import { expect, it } from 'vitest';
import type { Model } from '../../../src/graph/model.ts';
import { fold } from '../../../src/passes/fold.ts';
import type { PassContext } from '../../../src/passes/pass.ts';
import { evaluateModel } from '../../../src/pipeline/evaluate.ts';
import { fail } from '../../../src/report/diagnostics.ts';
import { build } from './folded.ts';

const sines = (count: number): Model =>
  build({
    make: (b, x) => {
      let sum = x;
      for (let index = 0; index < count; index += 1) {
        const op = index === 5 ? 'Cos' : 'Sin';
        sum = b.op('Add', [sum, b.op(op, [b.scalar(index)])]);
      }
      return sum;
    },
  });

async function run(model: Model, refuses: (model: Model) => boolean) {
  const calls = { runs: 0, notes: [] as string[] };
  const cx: PassContext = {
    targets: [],
    warn: () => undefined,
    note: (text) => calls.notes.push(text),
    coverage: () => undefined,
    substitute: () => undefined,
    evaluate: async (closed) => {
      calls.runs += 1;
      if (refuses(closed)) throw fail('VC6003', { found: 'no kernel' });
      return await evaluateModel(closed);
    },
  };
  await fold.run(model, { weights: true }, cx);
  const left = [...model.graph.nodes()].map(({ op }) => op).filter((op) => op !== 'Add');
  return { ...calls, left };
}

const holds = (op: string) => (model: Model) => [...model.graph.nodes()].some((node) => node.op === op);

it('runs everything at once', async () => {
  expect(await run(sines(40), () => false)).toEqual({ runs: 1, notes: [], left: [] });
});

it('leaves the one that is refused, and says so', async () => {
  const { left, notes } = await run(sines(40), holds('Cos'));
  expect(left).toEqual(['Cos']);
  expect(notes).toEqual([expect.stringMatching(/^Cos_out is not computed at compile time: no kernel/)]);
});

it('gives up where everything is refused', async () => {
  const { runs, left } = await run(sines(400), () => true);
  expect(runs).toBeLessThanOrEqual(40);
  expect(left).toHaveLength(400);
});

it('does not hide faults of its own', async () => {
  const broken = run(sines(2), () => {
    throw new RangeError('broken');
  });
  await expect(broken).rejects.toThrow('broken');
});
