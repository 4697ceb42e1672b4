/**
 * Rotary position embedding in halves (NeoX): channel i of the first half turns with channel i of the second.
 * x is [N, S, heads, headDim]; cos and sin are [S, 1, rotaryDim / 2] where all rows of the batch have the same
 * positions, else [N, S, 1, rotaryDim / 2]; they broadcast over the rest. Angles are float32: position · inverse
 * frequency.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { codeOfDType } from '../../tensor/dtype.ts';

export interface RotaryTables {
  readonly cos: Value;
  readonly sin: Value;
}

/** float32 [rotaryDim / 2]: 1 / base^(2i / rotaryDim), every step rounded to float32 as torch does it. */
export function inverseFrequencies(base: number, rotaryDim: number): Float32Array {
  const rounded = Math.fround(base);
  return Float32Array.from({ length: rotaryDim / 2 }, (_, i) => {
    const exponent = Math.fround((2 * i) / rotaryDim);
    return 1 / Math.fround(rounded ** exponent);
  });
}

/** Positions int64 [..., S], inverse frequencies float32 [rotaryDim / 2] → cos and sin [..., S, 1, rotaryDim / 2]. */
export function rotaryTables(b: GraphBuilder, positions: Value, frequencies: Value): RotaryTables {
  const slots = b.op('Cast', [positions], { attributes: { to: codeOfDType('float32') } });
  const columns = b.op('Unsqueeze', [slots, b.int64([-2, -1])]);
  const angles = b.op('Mul', [columns, frequencies]);
  return { cos: b.op('Cos', [angles]), sin: b.op('Sin', [angles]) };
}

/**
 * Tables where a token has several positions, one per axis (time, row, column), and each channel turns by that of its
 * section: positions int64 [axes, N, S], float32 frequencies [rotaryDim / 2] of which the first `sections[0]` go by axis
 * 0, the next `sections[1]` by axis 1, … → cos and sin [N, S, 1, rotaryDim / 2].
 */
export function sectionedRotaryTables(
  b: GraphBuilder,
  positions: Value,
  frequencies: Float32Array,
  sections: readonly number[],
): RotaryTables {
  const axes = sections.flatMap((length, axis) => Array.from({ length }, () => axis));
  if (axes.length !== frequencies.length) {
    throw new RangeError(`sections [${sections}] for ${frequencies.length} frequencies`);
  }
  const chosen = b.op('Gather', [positions, b.int64(axes)], { attributes: { axis: 0 } });
  const perToken = b.op('Transpose', [chosen], { attributes: { perm: [1, 2, 0] } });
  const slots = b.op('Cast', [perToken], { attributes: { to: codeOfDType('float32') } });
  const angles = b.op('Mul', [b.op('Unsqueeze', [slots, b.int64([2])]), b.float32(frequencies)]);
  return { cos: b.op('Cos', [angles]), sin: b.op('Sin', [angles]) };
}

/** Rotates the first `rotaryDim` channels of each head; the others pass. */
export function rotate(
  b: GraphBuilder,
  x: Value,
  { cos, sin }: RotaryTables,
  { rotaryDim, headDim }: { readonly rotaryDim: number; readonly headDim: number },
): Value {
  const half = rotaryDim / 2;
  const rest = headDim - rotaryDim;
  const sizes = rest === 0 ? [half, half] : [half, half, rest];
  const [first, second, ...passed] = b.ops('Split', [x, b.int64(sizes)], sizes.length, {
    attributes: { axis: -1 },
  });
  if (first === undefined || second === undefined) throw new RangeError('Split made no two outputs');
  const turned = [
    b.op('Sub', [b.op('Mul', [first, cos]), b.op('Mul', [second, sin])]),
    b.op('Add', [b.op('Mul', [second, cos]), b.op('Mul', [first, sin])]),
  ];
  return b.op('Concat', [...turned, ...passed], {
    attributes: { axis: -1 },
    metadata: [[metadataKeys.calls, 'rotary']],
  });
}
