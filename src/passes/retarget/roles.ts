/**
 * What a constant with one row per patch is for: followed through the operators that only rearrange it to those that
 * combine it with the tokens.
 */
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { constantTensor } from '../../rewrite/constants.ts';
import type { Leaf } from './flow.ts';

/** Operators that rearrange their first input, or join inputs. */
const rearranging: ReadonlySet<string> = new Set([
  'Cast',
  'Concat',
  'Expand',
  'Gather',
  'Identity',
  'Reshape',
  'Resize',
  'Slice',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
]);

/** Operators that take a mask, or a constant of ones or zeros. */
const elementwise: ReadonlySet<string> = new Set([
  'And',
  'Attention',
  'Div',
  'Equal',
  'Greater',
  'Less',
  'Max',
  'Min',
  'Mul',
  'Not',
  'Or',
  'Pow',
  'Sub',
  'Where',
  'com.microsoft::MultiHeadAttention',
]);

/** `positions`: nothing but added to the tokens. `uniform`: only a constant of one value has another size. */
export function roleOf(leaf: Leaf, refuse: (reason: string) => never): 'positions' | 'uniform' {
  const memo = new Map<Value, boolean>();
  let role: 'positions' | 'uniform' = 'positions';
  const pending: { readonly node: Node; readonly index: number }[] = [{ node: leaf.node, index: leaf.index }];
  const seen = new Set<Node>();
  for (let use = pending.pop(); use !== undefined; use = pending.pop()) {
    const { node, index } = use;
    const constant = node.outputs.every((output) => output === null || isConstant(output, memo));
    const passes = rearranging.has(node.op) && (index === 0 || node.op === 'Concat' || node.op === 'Gather');
    if (!passes && !constant) {
      if (node.op === 'Add' || node.op === 'Sum') continue;
      if (!elementwise.has(node.op)) refuse(`${node.name} (${node.op}) takes it as a weight`);
      role = 'uniform';
      continue;
    }
    if (constant && !passes && node.op !== 'Add') role = 'uniform';
    if (seen.has(node)) continue;
    seen.add(node);
    for (const output of node.outputs) pending.push(...(output?.uses ?? []));
  }
  return role;
}

/** True where nothing that goes into the graph has a part in a value. */
function isConstant(value: Value, memo: Map<Value, boolean>): boolean {
  const known = memo.get(value);
  if (known !== undefined) return known;
  const { producer } = value;
  if (producer === undefined || constantTensor(value) !== undefined) {
    const constant = constantTensor(value) !== undefined;
    memo.set(value, constant);
    return constant;
  }
  // What its shape is may be read from the tokens.
  if (producer.op === 'Shape' || producer.op === 'Size') return true;
  memo.set(value, false);
  const constant =
    producer.inputs.every((input) => input === null || isConstant(input, memo)) &&
    [...producer.subgraphs()].length === 0;
  memo.set(value, constant);
  return constant;
}
