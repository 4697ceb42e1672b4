/**
 * What an internal node can become, the best first: the operator of onnxruntime, which takes the cache inside, and that
 * of ai.onnx 23, for any runtime. Each says what targets have to run for it. Before these,
 * where it gives the same numbers, GroupQueryAttention: it is causal by itself, and leaves out later keys even in rows
 * that see nothing, where graphs weigh all keys alike.
 */
import { type Model, opsetOf } from '../../../graph/model.ts';
import type { Rule } from '../../../rewrite/rule.ts';
import { noKernel, type Target, unsupported } from '../../../targets/target.ts';
import { groupQueryAttention, lowerToGroupQuery } from './lower-group-query.ts';
import { lowerToMultiHead, multiHeadAttention } from './lower-multi-head.ts';
import { lowerToStandard, standardAttention } from './lower-standard.ts';
import type { Shared } from './shared.ts';

/** Why something does not take operands of a type, with a mask or without. */
export type Refusal = (dtype: string, masked: boolean) => string | undefined;

export interface Lowering {
  readonly refuses: Refusal;
  readonly rule: (shared: Shared) => Rule;
}

export function loweringsFor(model: Model, targets: readonly Target[]): readonly Lowering[] {
  const opset = opsetOf(model);
  return [
    {
      refuses: (dtype, masked) =>
        noKernel(targets, multiHeadAttention, { opset, dtype }) ??
        unsupported(targets, multiHeadAttention, (support) => {
          if (!support.dtypes.includes(dtype)) return `no kernel for ${dtype}`;
          return masked && !support.attentionBias ? 'no attention_bias' : undefined;
        }),
      rule: lowerToMultiHead,
    },
    {
      refuses: (dtype) => noKernel(targets, standardAttention, { opset, dtype }),
      rule: lowerToStandard,
    },
  ];
}

/** For attention over shared heads that is proven to be causal. */
export function groupedLowering(model: Model, targets: readonly Target[]): Lowering {
  const opset = opsetOf(model);
  const multiple = Math.max(
    1,
    ...targets.map(({ support }) => support[groupQueryAttention]?.headSizeMultiple ?? 1),
  );
  return {
    refuses: (dtype) =>
      noKernel(targets, groupQueryAttention, { opset, dtype }) ??
      unsupported(targets, groupQueryAttention, ({ dtypes }) =>
        dtypes.includes(dtype) ? undefined : `no kernel for ${dtype}`,
      ),
    rule: (shared) => lowerToGroupQuery(shared, multiple),
  };
}

/** Why none of them takes it: what stands against the best. */
export function refusalOf(lowerings: readonly Lowering[]): Refusal {
  return (dtype, masked) => {
    const reasons = lowerings.map(({ refuses }) => refuses(dtype, masked));
    return reasons.includes(undefined) ? undefined : reasons[0];
  };
}
