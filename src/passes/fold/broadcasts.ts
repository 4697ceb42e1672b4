/** Values that are repeated only for operators that would repeat them themselves. */
import type { Attribute } from '../../graph/attribute.ts';
import { broadcastShapes } from '../../graph/infer/dims.ts';
import type { Node } from '../../graph/node.ts';
import type { Dim } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { inlineTensor, type Tensor } from '../../tensor/tensor.ts';

/** Operators that broadcast all their inputs. */
const elementwise = (
  'Add And BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or Pow ' +
  'Sub Where Xor'
).split(' ');

interface Repeated {
  readonly node: Node;
  readonly index: number;
  /** What is repeated, or the number that a tensor is filled with. */
  readonly by: Value | Tensor;
}

const repeated = nodeRule<Repeated>({
  name: 'repeat-nothing-twice',
  roots: [...elementwise, 'MatMul'],
  inspect: (node) => {
    const shapes = node.inputs.map((input) => dimsOf(input));
    const output = dimsOf(node.output);
    if (output === undefined) return 'the shape is not known';
    for (const [index, input] of node.inputs.entries()) {
      const by = input === null ? undefined : before(input);
      if (by === undefined || input?.producer?.graph !== node.graph) continue;
      const shape = 'origin' in by ? by.shape : dimsOf(by);
      if (gives(node, shapes.with(index, shape), output)) return { node, index, by };
    }
    return 'nothing that is repeated, or the result would be smaller';
  },
  rewrite: ({ node, index, by }, rewriter) => {
    const value = 'origin' in by ? rewriter.constant(`${rewriter.root.name}/filled`, by) : by;
    const attributes: Record<string, Attribute> = Object.fromEntries(node.attributes);
    rewriter.replace(node.output, rewriter.op(node.opType, node.inputs.with(index, value), { attributes }));
  },
});

export const broadcastFolds: readonly Rule[] = [repeated];

/** What an Expand repeats, and a ConstantOfShape. */
function before(value: Value): Value | Tensor | undefined {
  const node = value.producer;
  if (node?.op === 'Expand') return node.input(0);
  if (node?.op !== 'ConstantOfShape') return undefined;
  const fill = node.attributes.get('value');
  if (fill === undefined) return inlineTensor('float32', [], new Uint8Array(4));
  return fill.kind === 'tensor' ? reshape(fill.value, []) : undefined;
}

/** The operator gives its output's shape of inputs of these shapes, too. */
function gives(node: Node, inputs: readonly (readonly Dim[] | undefined)[], output: readonly Dim[]): boolean {
  const shapes = inputs.filter((shape) => shape !== undefined);
  if (shapes.length < inputs.length) return false;
  if (node.op !== 'MatMul') return same(broadcastShapes(shapes), output);
  const [left, right] = shapes;
  if (left === undefined || right === undefined || left.length < 2 || right.length < 2) return false;
  const batch = broadcastShapes([left.slice(0, -2), right.slice(0, -2)]);
  return (
    batch !== undefined &&
    same([...batch, left.at(-2) ?? null, right.at(-1) ?? null], output) &&
    fits(left, right)
  );
}

/** What a product sums over is not repeated. */
function fits(left: readonly Dim[], right: readonly Dim[]): boolean {
  return left.at(-1) !== null && left.at(-1) === right.at(-2);
}

function same(a: readonly Dim[] | undefined, b: readonly Dim[]): boolean {
  return a?.length === b.length && a.every((dim, axis) => dim !== null && dim === b[axis]);
}
