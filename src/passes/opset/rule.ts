/** What rules that raise one node to the next form of its operator are made of. */
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { convert, isConvertible } from '../../kernels/convert.ts';
import type { Rewriter } from '../../rewrite/rewriter.ts';
import { inlineTensor } from '../../tensor/tensor.ts';

/**
 * Pure: gives what raises the node, or why nothing does. The rewriter stands at the node; a rule that puts another
 * node in its place removes it.
 */
export type UpgradeRule = (node: Node) => ((rewriter: Rewriter) => void) | string;

/** Every rule of the lot, one after the other; the first refusal is that of all. */
export function all(...rules: readonly UpgradeRule[]): UpgradeRule {
  return (node) => {
    const steps = rules.map((rule) => rule(node));
    const refusal = steps.find((step) => typeof step === 'string');
    if (refusal !== undefined) return refusal;
    return (rewriter) => {
      for (const step of steps) if (typeof step !== 'string') step(rewriter);
    };
  };
}

/** Integers that were attribute `name` become input `index`, as a list or as a scalar where the attribute is one. */
export function intsToInput(name: string, index: number, shape: 'list' | 'as-is' = 'list'): UpgradeRule {
  return (node) => {
    const attribute = node.attributes.get(name);
    if (attribute === undefined) return () => {};
    if (attribute.kind !== 'int' && attribute.kind !== 'ints') return `${name} is of kind ${attribute.kind}`;
    const values = attribute.kind === 'int' ? [attribute.value] : attribute.value;
    return (rewriter) => {
      node.graph.setAttribute(node, name, undefined);
      // No axes mean the same as no list of them; an empty list is read in several ways.
      if (values.length === 0) return;
      const data = BigInt64Array.from(values, (value) => BigInt(value));
      const dims = shape === 'as-is' && attribute.kind === 'int' ? [] : [values.length];
      const tensor = inlineTensor('int64', dims, new Uint8Array(data.buffer));
      place(node, index, rewriter.constant(`${node.name}/${name}`, tensor));
    };
  };
}

/** A number that was attribute `name` becomes input `index`, a scalar of the type of the first input. */
export function floatToInput(name: string, index: number): UpgradeRule {
  return (node) => {
    const value = node.float(name);
    if (value === undefined) return () => {};
    const type = node.input(0)?.type;
    if (type?.kind !== 'tensor' || !isConvertible(type.dtype)) return 'the element type is not known';
    const { dtype } = type;
    return (rewriter) => {
      node.graph.setAttribute(node, name, undefined);
      const bytes = convert(new Uint8Array(Float32Array.of(value).buffer), 'float32', dtype);
      place(node, index, rewriter.constant(`${node.name}/${name}`, inlineTensor(dtype, [], bytes)));
    };
  };
}

/** Gives a node input `index`, with inputs left out before it where it has none. */
export function place(node: Node, index: number, value: Value | null): void {
  for (let gap = node.inputs.length; gap < index; gap += 1) node.graph.setInput(node, gap, null);
  node.graph.setInput(node, index, value);
}

/**
 * Another node takes over the attributes and the first output of `node`, which goes; `finish` says what of the new
 * node's value the readers get.
 */
export function renew(
  rewriter: Rewriter,
  node: Node,
  opType: string,
  inputs: readonly (Value | null)[],
  finish: (made: Value) => Value = (made) => made,
): void {
  const { name, output } = node;
  const [label, type] = [output.name, output.type];
  const made = rewriter.node(opType, inputs, [{}], {
    name,
    attributes: Object.fromEntries(node.attributes),
    metadata: node.metadata,
  });
  const last = finish(made.output);
  if (type !== undefined && last.type === undefined) node.graph.setType(last, type);
  rewriter.replace(output, last);
  node.graph.removeNode(node);
  if (node.graph.lookup(label) === undefined) node.graph.renameValue(last, label);
}

export function isRead(value: Value | null | undefined): boolean {
  return value !== null && value !== undefined && (value.uses.size > 0 || value.isOutput);
}
