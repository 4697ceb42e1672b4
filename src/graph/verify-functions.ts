/** Model-local functions: unique, not recursive, called with what they take. */
import type { Graph } from './graph.ts';
import type { Model, ModelFunction } from './model.ts';
import type { Node } from './node.ts';
import type { Report } from './problem.ts';

export function functionKey(domain: string, name: string, overload: string): string {
  return `${domain}::${name}::${overload}`;
}

export function functionsByKey(model: Model): ReadonlyMap<string, ModelFunction> {
  return new Map(model.functions.map((each) => [keyOf(each), each]));
}

export function verifyFunctions(
  model: Model,
  byKey: ReadonlyMap<string, ModelFunction>,
  report: Report,
): void {
  const seen = new Set<string>();
  for (const each of model.functions) {
    const key = keyOf(each);
    if (seen.has(key))
      report('VC3009', { where: `function ${nameOf(each)}`, found: 'two functions of this name' });
    seen.add(key);
    if (each.opsetImports.size === 0) {
      report('VC3009', { where: `function ${nameOf(each)}`, found: 'no operator set is imported' });
    }
  }
  verifyNoRecursion(model, byKey, report);
}

const keyOf = (each: ModelFunction): string => functionKey(each.domain, each.name, each.overload);

const nameOf = (each: ModelFunction): string =>
  [each.domain, each.name, each.overload].filter((part) => part !== '').join('::');

/** Depth first with an explicit stack: chains of calls may be long. */
function verifyNoRecursion(model: Model, byKey: ReadonlyMap<string, ModelFunction>, report: Report): void {
  const done = new Set<ModelFunction>();
  for (const root of model.functions) {
    const path = new Set<ModelFunction>();
    const stack: { readonly each: ModelFunction; readonly rest: Iterator<ModelFunction> }[] = [];
    const enter = (each: ModelFunction): void => {
      path.add(each);
      stack.push({ each, rest: calls(each.body, byKey) });
    };
    if (!done.has(root)) enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.rest.next();
      if (next.done === true) {
        path.delete(top.each);
        done.add(top.each);
        stack.pop();
      } else if (path.has(next.value)) {
        report('VC3009', {
          where: `function ${nameOf(top.each)}`,
          found: `it calls itself through ${nameOf(next.value)}`,
        });
      } else if (!done.has(next.value)) enter(next.value);
    }
  }
}

function* calls(graph: Graph, byKey: ReadonlyMap<string, ModelFunction>): Generator<ModelFunction> {
  for (const node of graph.nodes()) {
    const called = byKey.get(functionKey(node.domain, node.opType, node.overload));
    if (called !== undefined) yield called;
    for (const [, body] of node.subgraphs()) yield* calls(body, byKey);
  }
}

/** A call: no more inputs and outputs than the function has, and the attributes that it has. */
export function verifyCall(node: Node, called: ModelFunction, report: Report): void {
  const where = `node ${node.name} (${node.op})`;
  const { inputs, outputs } = called.body;
  if (node.inputs.length > inputs.length) {
    report('VC3004', { where, found: `${node.inputs.length} inputs`, expected: `at most ${inputs.length}` });
  }
  if (node.outputs.length > outputs.length) {
    report('VC3004', {
      where,
      found: `${node.outputs.length} outputs`,
      expected: `at most ${outputs.length}`,
    });
  }
  for (const name of node.attributes.keys()) {
    if (!called.attributes.includes(name) && !called.attributeDefaults.has(name)) {
      report('VC3006', { where, found: `attribute ${name}`, expected: 'an attribute of the function' });
    }
  }
  for (const name of called.attributes) {
    if (!node.attributes.has(name)) report('VC3006', { where, found: `no ${name}`, expected: name });
  }
}
