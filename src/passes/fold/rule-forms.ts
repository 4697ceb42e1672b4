/**
 * The two forms that most folds have: readers of a node read something else, or the node's output is a constant.
 */
import type { Node } from '../../graph/node.ts';
import type { ValueType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import type { Rewriter } from '../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Readers of the node's output read `to` instead. */
interface Bypass {
  readonly from: Value;
  readonly to: Value;
}

/** `target` gives the value that stands for the node's first output, or says why there is none. */
export function bypass(name: string, roots: readonly string[], target: (node: Node) => Value | string): Rule {
  return nodeRule<Bypass>({
    name,
    roots,
    inspect: (node) => {
      const to = target(node);
      if (typeof to === 'string') return to;
      if (!canStandFor(to, node.output)) return `${to.name} cannot become the output ${node.output.name}`;
      return { from: node.output, to };
    },
    rewrite: ({ from, to }, rewriter) => rewriter.replace(from, to),
  });
}

/** An output of a graph can only take its value from a node that has no other name to keep. */
export function canStandFor(to: Value, from: Value): boolean {
  return !from.isOutput || (to.producer !== undefined && !to.isOutput && to.graph === from.graph);
}

/** The node's output becomes a constant that is made of the constant `source`. */
interface Derived {
  readonly from: Value;
  readonly source: Value;
  readonly tensor: Tensor;
}

/** `compute` derives a tensor from the node's first input. */
export function derive(
  name: string,
  roots: readonly string[],
  compute: (node: Node) => Tensor | string,
): Rule {
  return nodeRule<Derived>({
    name,
    roots,
    inspect: (node) => {
      const source = node.input(0);
      const tensor = compute(node);
      if (typeof tensor === 'string') return tensor;
      if (source === undefined || node.output.isOutput)
        return `${node.output.name} is an output of the graph`;
      return { from: node.output, source, tensor };
    },
    rewrite: ({ from, source, tensor }, rewriter) =>
      rewriter.replace(from, constantLike(source, tensor, rewriter)),
  });
}

/** `tensor` in the place of a constant that it is made of: one that nothing else reads keeps its name. */
export function constantLike(source: Value, tensor: Tensor, rewriter: Rewriter): Value {
  const alone = source.initializer !== undefined && source.uses.size === 1 && !source.isOutput;
  if (!alone) return rewriter.constant(source.name, tensor);
  source.graph.setInitializer(source, tensor);
  return source;
}

/** A constant in the place of a node's output, under its name. */
export function replaceByConstant(from: Value, tensor: Tensor, rewriter: Rewriter): void {
  const { graph, name } = from;
  graph.renameValue(from, graph.freshName(`${name}_computed`));
  rewriter.replace(from, rewriter.constant(name, tensor));
}

/** The shapes are known to be the same; dimensions that are not known are not. */
export function sameShapes(a: ValueType | undefined, b: ValueType | undefined): boolean {
  if (a?.kind !== 'tensor' || b?.kind !== 'tensor' || a.shape === undefined || b.shape === undefined)
    return false;
  const other = b.shape;
  return a.shape.length === other.length && a.shape.every((dim, axis) => dim !== null && dim === other[axis]);
}

/** The types are known to be the same. */
export function sameTypes(a: ValueType | undefined, b: ValueType | undefined): boolean {
  return a?.kind === 'tensor' && b?.kind === 'tensor' && a.dtype === b.dtype && sameShapes(a, b);
}
