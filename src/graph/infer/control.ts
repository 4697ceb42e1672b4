/** Type rules of control flow: what the bodies give, as far as it does not change between branches or turns. */

import type { Graph } from '../graph.ts';
import { type Dim, tensorType, type ValueType } from '../types.ts';
import type { Rule, RuleContext } from './context.ts';
import { sameDim } from './dims.ts';

function body(cx: RuleContext, name: string): Graph | undefined {
  const attribute = cx.node.attributes.get(name);
  return attribute?.kind === 'graph' ? attribute.value : undefined;
}

/** What is certain about a value that has one of two types; throws where they can not be the same value. */
function either(cx: RuleContext, a: ValueType | undefined, b: ValueType | undefined): ValueType | undefined {
  if (a?.kind !== 'tensor' || b?.kind !== 'tensor') return a?.kind === b?.kind ? a : undefined;
  if (a.dtype !== b.dtype)
    throw cx.fail('VC3103', `${a.dtype} and ${b.dtype}`, 'one element type on both ways');
  if (a.shape === undefined || b.shape?.length !== a.shape.length) return tensorType(a.dtype);
  const other = b.shape;
  return tensorType(
    a.dtype,
    a.shape.map((dim, axis): Dim => (sameDim(dim, other[axis] ?? null) === true ? dim : null)),
  );
}

function checkCount(cx: RuleContext, name: string, what: string, found: number, expected: number): void {
  if (found !== expected) {
    throw cx.fail('VC3012', `${name} has ${found} ${what}`, `${expected}, as the node asks`);
  }
}

const branches: Rule = (cx) => {
  const [yes, no] = [body(cx, 'then_branch'), body(cx, 'else_branch')];
  if (yes === undefined || no === undefined) return [];
  for (const [name, graph] of [
    ['then_branch', yes],
    ['else_branch', no],
  ] as const) {
    checkCount(cx, name, 'inputs', graph.inputs.length, 0);
    checkCount(cx, name, 'outputs', graph.outputs.length, cx.node.outputs.length);
    cx.scope.inferBody(graph, []);
  }
  return yes.outputs.map((value, index) => {
    const other = no.outputs[index];
    return either(cx, cx.scope.typeOf(value), other === undefined ? undefined : cx.scope.typeOf(other));
  });
};

/** A carried value keeps its element type; its shape may change from turn to turn. */
function withoutShape(type: ValueType | undefined): ValueType | undefined {
  return type?.kind === 'tensor' ? tensorType(type.dtype) : type;
}

function stacked(type: ValueType | undefined, length: Dim): ValueType | undefined {
  if (type?.kind !== 'tensor') return undefined;
  return tensorType(type.dtype, type.shape === undefined ? undefined : [length, ...type.shape]);
}

/** Inputs: trip count, condition, carried values. Body: (turn, condition, carried) to (condition, carried, scans). */
const loop: Rule = (cx) => {
  const graph = body(cx, 'body');
  if (graph === undefined) return [];
  const carried = Math.max(0, cx.node.inputs.length - 2);
  checkCount(cx, 'body', 'inputs', graph.inputs.length, carried + 2);
  checkCount(cx, 'body', 'outputs', graph.outputs.length, cx.node.outputs.length + 1);
  cx.scope.inferBody(graph, [
    tensorType('int64', []),
    tensorType('bool', []),
    ...Array.from({ length: carried }, (_, index) => withoutShape(cx.type(index + 2))),
  ]);
  return graph.outputs.slice(1).map((value, index) => {
    const type = cx.scope.typeOf(value);
    return index < carried ? either(cx, cx.type(index + 2), type) : stacked(type, null);
  });
};

/** Only the arity is checked, and the body inferred from what it declares. */
const scan: Rule = (cx) => {
  const graph = body(cx, 'body');
  if (graph === undefined) return [];
  checkCount(cx, 'body', 'outputs', graph.outputs.length, cx.node.outputs.length);
  cx.scope.inferBody(graph, []);
  return [];
};

export const controlRules: readonly (readonly [string, Rule])[] = [
  ['If', branches],
  ['Loop', loop],
  ['Scan', scan],
];
