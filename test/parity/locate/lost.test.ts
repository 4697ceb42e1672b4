/** What is not finite on the output's own way only, each block being right by itself: the node is named all the same. */
import { expect, it } from 'vitest';
import { runParity } from '../../../src/parity/index.ts';
import { drawSample } from '../../../src/parity/inputs/sample.ts';
import { locate } from '../../../src/parity/locate/locate.ts';
import { findingText } from '../../../src/parity/report/finding.ts';
import { pictureCalls } from '../../../src/parity/stream/calls.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { withStreamedCheck } from '../../support/streamed-check.ts';
import { changeConstant, nodesOf } from '../faults/plant.ts';

const golden = goldenCase('qwen-vl/tiny-long');

it('names the node whose result the output loses, where only what has added up is not finite', async () => {
  let planted = '';
  await withStreamedCheck(
    {
      golden,
      options: { precision: 'fp16' },
      change: async (id, { converted }) => {
        if (id !== 'vision') return;
        const [node] = nodesOf(converted, 'block.1', 'MatMul');
        planted = node?.name ?? '';
        await changeConstant(node?.input(1), (bytes) =>
          new DataView(bytes.buffer).setUint16(6, 0x7c00, true),
        );
      },
    },
    async (request) => {
      const { gates, curves, precision } = await runParity(request);
      const { recipe, image } = request;
      const sample = drawSample(recipe, image, 1);
      // As if each block had been right on the original's values.
      const added = (curves ?? []).map(({ component, blocks }) => ({
        component,
        blocks: blocks.map(({ implementation, rewrite, local, ...block }) => ({
          ...block,
          local: { ...local, nonFinite: 0, relative: 0, max: 0 },
        })),
      }));
      const findings = await locate({
        ...request.stream,
        recipe,
        sample,
        decodeSteps: 0,
        devices: { reference: 'cpu', converted: 'cpu' },
        signal: undefined,
        calls: new Map([['vision', pictureCalls(sample.media)]]),
        report: { gates: gates.filter(({ level }) => level === 'fidelity'), curves: added, precision },
      });
      const [finding] = findings;
      expect(finding).toMatchObject({
        level: 'fidelity',
        component: 'vision',
        kind: 'overflow',
        block: { name: 'block.1' },
        node: { name: planted, operator: 'MatMul' },
      });
      // One column of all patches.
      expect(finding?.detail).toMatch(/^(\d+) of \d+ elements are not finite, the first at \[0, 0, 0, 3\]$/);
      expect(finding && findingText(finding)).toContain(`MatMul ${planted}`);
    },
  );
});
