/**
 * Gates of models whose adapters were drawn as large as the weights they change, so that a small change of a weight
 * moves what a component gives far: for that, they have limits of their own. Everything that passes prove of
 * themselves, and each block by itself, is held to the limits of all models.
 */
import type { ConvertResult, Precision } from '../../src/index.ts';

type Gate = NonNullable<ConvertResult['parity']>['gates'][number];

/** By output and metric; about twice the worst that was measured. */
const limits: Readonly<Partial<Record<Precision, Readonly<Record<string, number>>>>> = {
  int8: { 'logits.relative': 0.25, 'logits.kl': 0.1, 'features.relative': 0.1 },
  int4: { 'logits.relative': 1.2, 'logits.kl': 4, 'features.relative': 0.6 },
};

/** The gates that failed beyond these limits, and findings that are not the rounding of weights. */
export function failedBeyondRounding({ parity }: ConvertResult, precision: Precision): readonly unknown[] {
  if (parity === undefined || parity.gates.length === 0) throw new Error('nothing was checked');
  const within = ({ level, output, metric, value }: Gate): boolean => {
    const own = limits[precision]?.[`${output}.${metric}`];
    return level === 'fidelity' && own !== undefined && value <= own;
  };
  return [
    ...parity.gates.filter((gate) => !gate.passed && !within(gate)),
    ...parity.findings.filter(({ level, kind }) => level !== 'fidelity' || kind !== 'rounding'),
  ];
}
