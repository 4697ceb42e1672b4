/** A gate that fails though no block is off: what is said depends on whether anything was rounded. */
import { describe, expect, it } from 'vitest';
import { runParity } from '../../../src/parity/index.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { withStreamedCheck } from '../../support/streamed-check.ts';

const golden = goldenCase('llava/hf-tiny');
const gates = [{ level: 'fidelity', output: 'logits', metric: 'mean', limit: 0 }] as const;

describe('a limit that nothing can keep', () => {
  it.each([
    ['fp32', 'unknown'],
    ['int8', 'rounding'],
  ] as const)('is for %s a finding of kind %s', async (precision, kind) => {
    const { findings } = await withStreamedCheck({ golden, options: { precision } }, (request) =>
      runParity({ ...request, gates }),
    );
    expect(findings.map((finding) => [finding.level, finding.component, finding.kind])).toEqual([
      ['fidelity', 'decoder', kind],
    ]);
  });
});
