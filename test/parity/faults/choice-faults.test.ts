/**
 * Faults of a choice, which a gate finds that is about nothing else: from equal scores another choice, another order, and
 * another one where scores tie, which no picture of a test does; and faults of the scores, which are numbers.
 */
import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/graph/model.ts';
import type { Node } from '../../../src/graph/node.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { check, constant, int64, nodeOf, nodesOf } from './plant.ts';

const golden = goldenCase('textmonkey/resized-896');
const size = { width: 896, height: 896 };
const scope = 'resampler/select';
/** Features of four tiles, and how many are kept. */
const tokens = 1024;
const kept = 30;

/** The Slice of the order of all tokens takes these places of it. */
function takes(model: Model, from: number, to: number): void {
  const [slice] = nodesOf(model, scope, 'Slice');
  if (slice === undefined) throw new Error('nothing is cut from the order');
  model.graph.setInput(slice, 1, int64(model, 'from', [from]));
  model.graph.setInput(slice, 2, int64(model, 'to', [to]));
}

/** TopK that sorts all scores, and the one that sorts what is kept. */
const ordering = (model: Model): Node => nodeOf(model, scope, 'TopK', 0);
const restoring = (model: Model): Node => nodeOf(model, scope, 'TopK', 1);

const faults: Readonly<Record<string, (model: Model) => void>> = {
  'one place beside': (model) => takes(model, tokens - kept - 1, tokens - 1),
  'the most alike': (model) => takes(model, 0, kept),
  'from the last to the first': (model) => {
    model.graph.setAttribute(restoring(model), 'largest', 1);
  },
  // The same tokens where no two scores are equal.
  'of equal ones the first': (model) => {
    model.graph.setAttribute(ordering(model), 'largest', 0);
    takes(model, 0, kept);
  },
};

describe('a choice', () => {
  it.each(Object.entries(faults))('%s fails the gate of choices', async (_name, plant) => {
    const report = await check({
      golden,
      options: { precision: 'fp32', resolution: size },
      change: async (id, { converted }) => {
        if (id === 'vision') plant(converted);
      },
    });
    const failed = report.gates.filter(({ passed }) => !passed);
    expect(failed.map(({ output }) => output)).toContain('choices');
    expect(failed.every(({ output, level }) => output === 'choices' && level === 'implementation')).toBe(
      true,
    );
    expect(report.passed).toBe(false);
  });

  it('by other scores fails the gate of blocks, where they are made', async () => {
    const report = await check({
      golden,
      options: { precision: 'fp32', resolution: size },
      change: async (id, { converted }) => {
        if (id !== 'vision') return;
        // Of a token and those before it, too.
        const lowered = nodeOf(converted, scope, 'Sub');
        converted.graph.setInput(lowered, 1, constant(converted, 'nothing', [0], []));
      },
    });
    const failed = report.gates.filter(({ passed }) => !passed);
    expect(failed.map(({ output }) => output)).toContain('blocks');
    expect(failed.map(({ output }) => output)).not.toContain('choices');
    expect(report.findings[0]).toMatchObject({ component: 'vision', block: { name: /^resampler/ } });
  });
});
