/** Constant nodes become initializers, whatever form their value has: everything after sees one kind of constant. */
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { inlineTensor, type Tensor } from '../../tensor/tensor.ts';
import { replaceByConstant } from './rule-forms.ts';

export const constantNodes: Rule = nodeRule<{ from: Value; tensor: Tensor }>({
  name: 'constant-node',
  roots: ['Constant'],
  inspect: (node) => {
    const tensor = heldBy(node);
    if (tensor === undefined) return 'a sparse or text constant';
    if (node.output.isOutput) return `${node.output.name} is an output of the graph`;
    return { from: node.output, tensor };
  },
  rewrite: ({ from, tensor }, rewriter) => replaceByConstant(from, tensor, rewriter),
});

function heldBy(node: Node): Tensor | undefined {
  const dense = node.attributes.get('value');
  if (dense?.kind === 'tensor') return dense.value;
  const float = node.attributes.get('value_float');
  if (float?.kind === 'float') return floatTensor([float.value], []);
  const floats = node.attributes.get('value_floats');
  if (floats?.kind === 'floats') return floatTensor(floats.value, [floats.value.length]);
  const int = node.attributes.get('value_int');
  if (int?.kind === 'int') return intTensor([BigInt(int.value)], []);
  const ints = node.attributes.get('value_ints');
  if (ints?.kind === 'ints') return intTensor(ints.value.map(BigInt), [ints.value.length]);
  return undefined;
}

function floatTensor(values: readonly number[], shape: readonly number[]): Tensor {
  return inlineTensor('float32', shape, new Uint8Array(Float32Array.from(values).buffer));
}

function intTensor(values: readonly bigint[], shape: readonly number[]): Tensor {
  return inlineTensor('int64', shape, new Uint8Array(BigInt64Array.from(values).buffer));
}
