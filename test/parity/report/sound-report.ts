/** A report of a model that takes sounds, with the errors of their frames. All numbers are made up. */
import type { TokenMap } from '../../../src/parity/metrics.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { fullReport } from './full-report.ts';

export const sound = (index: number, errors: readonly number[]): TokenMap => ({
  ...{ view: `sound ${index}`, rows: 1, columns: errors.length, seconds: 0.04 },
  errors,
});
export const quiet = Array.from({ length: 18 }, () => 1e-6);
/** A frame is off. */
export const loud = Array.from({ length: 41 }, (_, frame) => (frame === 12 ? 1e-2 : 1e-4));

export function soundReport(tokens: readonly TokenMap[]): ParityReport {
  const { image, ...report } = fullReport();
  return {
    ...report,
    audio: { seconds: 2, tokens: 50, summary: 'sounds of up to 2 s → 200 frames → 50 tokens' },
    sample: {
      ...{ seed: 1, source: 'drawn', decodeSteps: 8, prompts: [{ tokens: 60, imageTokens: 41 }] },
      sounds: [{ frames: 166, tokens: 41, sha256: 'a'.repeat(64) }],
    },
    levels: report.levels.map((level) => ({
      ...level,
      outputs: level.outputs.map((one) => {
        const { tokens: _, ...metrics } = one.metrics;
        return { ...one, metrics: one.output === 'features' ? { ...metrics, tokens } : metrics };
      }),
    })),
  };
}
