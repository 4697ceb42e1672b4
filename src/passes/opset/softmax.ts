/**
 * Softmax, LogSoftmax and Hardmax before operator set 13: the value is a matrix, axes before `axis` its rows, those
 * from `axis` on its columns, and the operator works on rows. From 13 on it works along one axis.
 */
import { dimsOf } from '../../graph/value.ts';
import type { UpgradeRule } from './rule.ts';
import { renew } from './rule.ts';

export const alongOneAxis: UpgradeRule = (node) => {
  const input = node.input(0);
  if (input === undefined) return 'no input';
  const axis = node.int('axis') ?? 1;
  const shape = dimsOf(input);
  const single = shape && columns(shape, axis);
  if (single !== undefined) return () => node.graph.setAttribute(node, 'axis', single);
  return (rewriter) => {
    node.graph.setAttribute(node, 'axis', -1);
    const matrix = rewriter.op('Flatten', [input], { attributes: { axis } });
    renew(rewriter, node, node.opType, [matrix], (rows) =>
      rewriter.op('Reshape', [rows, rewriter.op('Shape', [input])]),
    );
  };
};

/** The only axis from `axis` on that is longer than one; undefined where there may be several. */
function columns(shape: readonly unknown[], axis: number): number | undefined {
  const first = axis < 0 ? axis + shape.length : axis;
  const long = [...shape.keys()].filter((each) => each >= first && shape[each] !== 1);
  if (long.length > 1 || first >= shape.length) return undefined;
  const found = long[0] ?? shape.length - 1;
  return found === shape.length - 1 ? -1 : found;
}
