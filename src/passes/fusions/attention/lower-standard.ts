/**
 * The internal node as Attention of ai.onnx 23: the same operands, heads apart; the bias as attn_mask. A cache stays
 * outside.
 */
import { float } from '../../../graph/attribute.ts';
import { dtypeOf } from '../../../graph/value.ts';
import { nodeRule, type Rule } from '../../../rewrite/rule.ts';
import { internalDomain, internalOp } from './internal.ts';
import { floatConstant } from './mask.ts';
import type { Shared } from './shared.ts';

export const standardAttention = 'Attention';

export function lowerToStandard(shared: Shared): Rule {
  return nodeRule({
    name: 'lower-to-standard-attention',
    roots: [`${internalDomain}::${internalOp}`],
    inspect: (node) => ({ node }),
    rewrite: ({ node }, rewriter) => {
      const attributes = { scale: float(node.float('scale') ?? 1) };
      const operands = [0, 1, 2, 3].map((index) => node.input(index) ?? null);
      const attended = rewriter.op(standardAttention, operands, { attributes });
      const live = node.input(4);
      if (live === undefined) {
        rewriter.replace(node.output, attended);
        return;
      }
      const dtype = dtypeOf(attended) ?? 'float32';
      const zero = shared.once(rewriter, `number ${dtype} 0`, [], () => floatConstant(rewriter, dtype, 0));
      rewriter.replace(node.output, rewriter.op('Where', [live, attended, zero]));
    },
  });
}
