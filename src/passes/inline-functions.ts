/**
 * Puts the bodies of model-local functions in the place of their calls, nested ones too, so that other passes see
 * operators. Values of a body are named `call/value`, the outputs keep the names that the call gave them.
 *
 * A call stays where its body would make the model too large (functions that call each other double at every level),
 * or where an operator means something else in the operator set of the model than in that of the function.
 */
import { z } from 'zod';
import type { Attribute } from '../graph/attribute.ts';
import { type Copies, type CopyChanges, cloneNode } from '../graph/clone.ts';
import type { Graph } from '../graph/graph.ts';
import { inferNode } from '../graph/infer/infer.ts';
import type { Model, ModelFunction } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { opSchema } from '../graph/op-schema.ts';
import type { Value } from '../graph/value.ts';
import { verifyAndInfer } from '../graph/verify.ts';
import { functionKey, functionsByKey } from '../graph/verify-functions.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys, Rewriter } from '../rewrite/rewriter.ts';
import { type Cost, functionCosts } from './function-costs.ts';
import type { Pass } from './pass.ts';

/** What all calls together may add to a model: far beyond what exporters write. */
const largest: Cost = { nodes: 1 << 17, bytes: 1 << 28 };

/** Characters of the names of calls, one inside the other, that values and nodes of a body begin with. */
const longestPlace = 256;

type Functions = ReadonlyMap<string, ModelFunction>;

const calledBy = (node: Node, functions: Functions): ModelFunction | undefined =>
  functions.get(functionKey(node.domain, node.opType, node.overload));

export const inlineFunctions: Pass<Record<string, never>> = {
  name: 'inline-functions',
  summary: 'puts the bodies of model-local functions in the place of their calls',
  options: z.strictObject({}),
  run: (model, _options, cx) => {
    const stats = { calls: 0, kept: 0, functions: 0 };
    if (model.functions.length === 0) return { changed: false, stats };
    const functions = functionsByKey(model);
    const costs = functionCosts(functions);
    const left = { ...largest };
    // Calls that come out of a body were counted with the call that they come from.
    const calls = [...allNodes(model.graph)]
      .filter((node) => calledBy(node, functions) !== undefined)
      .map((node) => ({ node, counted: false }));
    for (const { node, counted } of calls) {
      const called = calledBy(node, functions);
      const cost = called && costs.get(called);
      if (called === undefined || cost === undefined) continue;
      const tooLarge = !counted && (cost.nodes > left.nodes || cost.bytes > left.bytes);
      const reason = tooLarge
        ? `its body has ${cost.nodes} nodes, those of functions in it counted`
        : (otherMeaning(called, model, functions) ?? missingOutput(node, called));
      if (reason !== undefined) {
        cx.note(`the call ${node.name} of ${node.op} stays: ${reason}`);
        stats.kept += 1;
        continue;
      }
      if (!counted) {
        left.nodes -= cost.nodes;
        left.bytes -= cost.bytes;
      }
      for (const [domain, version] of called.opsetImports) {
        if (!model.opsetImports.has(domain)) model.opsetImports.set(domain, version);
      }
      for (const copy of inline(node, called)) {
        for (const inner of [copy, ...bodyNodes(copy)]) {
          if (calledBy(inner, functions) !== undefined) calls.push({ node: inner, counted: true });
        }
      }
      stats.calls += 1;
    }
    stats.functions = dropUnused(model, functions);
    // What the bodies make may tell more than what was declared around the calls, and a call may leave out what an
    // operator needs: faults of the model, which show when the two come together.
    if (stats.calls > 0) verifyAndInfer(model);
    return { changed: stats.calls + stats.functions > 0, stats };
  },
};

function* bodyNodes(node: Node): Generator<Node> {
  for (const [, body] of node.subgraphs()) yield* allNodes(body);
}

/** Why the body cannot run in the operator sets of the model. */
function otherMeaning(called: ModelFunction, model: Model, functions: Functions): string | undefined {
  for (const node of allNodes(called.body)) {
    const version = called.opsetImports.get(node.domain);
    const here = model.opsetImports.get(node.domain) ?? version;
    if (version === here || calledBy(node, functions) !== undefined) continue;
    const schemas = [version, here].map((each) => opSchema(node.domain, node.opType, each ?? 0)?.since);
    if (schemas[0] === undefined || schemas[0] !== schemas[1]) {
      return `${node.op} of operator set ${version} is not that of ${here}`;
    }
  }
  return undefined;
}

/** An output that hands on an input can only do so where the input is given. */
function missingOutput(node: Node, { body }: ModelFunction): string | undefined {
  const missing = body.outputs.find(
    (output, index) =>
      (node.outputs[index] ?? null) !== null &&
      body.inputs.includes(output) &&
      node.input(body.inputs.indexOf(output)) === undefined,
  );
  return missing && `output ${missing.name} is an input that is left out`;
}

/** Gives the copies of the nodes of the body; the call is gone. */
function inline(call: Node, { body, attributeDefaults }: ModelFunction): Node[] {
  const { graph } = call;
  const from = call.metadata.get(metadataKeys.from) ?? call.name;
  // Functions may call each other through any depth: names do not grow with it.
  const place = call.name.length > longestPlace ? from.slice(0, longestPlace) : call.name;
  const changes: CopyChanges = {
    nodeName: (name) => `${place}/${name}`,
    valueName: (name) => graph.freshName(`${place}/${name}`),
    attribute: (attribute) => resolve(attribute, call, attributeDefaults),
    metadata: (node) => new Map([...call.metadata, ...node.metadata, [metadataKeys.from, from]]),
  };
  const copies: Copies = new Map(body.inputs.map((input, index) => [input, call.input(index) ?? null]));
  for (const value of readInBodies(call)) copies.set(value, value);
  const made = [...body.nodes()].map((node) => cloneNode(node, graph, copies, changes, call));
  const own = new Set(made.flatMap((node) => node.outputs));
  const rewriter = new Rewriter(call, [call], inferNode);
  const renames: [Value, string][] = [];
  for (const [index, output] of call.outputs.entries()) {
    const formal = body.outputs[index];
    const to = formal && copies.get(formal);
    if (output === null || to === undefined || to === null) continue;
    const keepsName = own.has(to) && !output.isOutput && !to.isOutput;
    if (output.type !== undefined && to.type === undefined) to.graph.setType(to, output.type);
    rewriter.replace(output, to);
    if (keepsName) renames.push([to, output.name]);
  }
  graph.removeNode(call);
  for (const [value, name] of renames) if (graph.lookup(name) === undefined) graph.renameValue(value, name);
  return made;
}

/** What a graph that the call hands over reads of the graphs around the call: a copy of it goes on reading that. */
function* readInBodies(call: Node): Generator<Value> {
  for (const node of bodyNodes(call)) {
    for (const value of node.inputs) if (value !== null && isAround(value, call)) yield value;
  }
}

function isAround(value: Value, call: Node): boolean {
  for (let graph: Graph | undefined = call.graph; graph !== undefined; graph = graph.parent) {
    if (value.graph === graph) return true;
  }
  return false;
}

/** The value of an attribute that refers to one of the function; undefined when the call leaves it out. */
function resolve(
  attribute: Attribute,
  call: Node,
  defaults: ReadonlyMap<string, Attribute>,
): Attribute | undefined {
  if (attribute.kind !== 'ref') return attribute;
  return call.attributes.get(attribute.ref) ?? defaults.get(attribute.ref);
}

/** Removes functions that nothing calls any more, and imports that only their calls needed; gives their count. */
function dropUnused(model: Model, functions: Functions): number {
  const used = new Set<ModelFunction>();
  const domains = new Set<string>();
  const waiting: Graph[] = [model.graph];
  for (let graph = waiting.pop(); graph !== undefined; graph = waiting.pop()) {
    for (const node of allNodes(graph)) {
      domains.add(node.domain);
      const called = calledBy(node, functions);
      if (called === undefined || used.has(called)) continue;
      used.add(called);
      waiting.push(called.body);
    }
  }
  const unused = model.functions.filter((each) => !used.has(each));
  model.functions.splice(0, Number.POSITIVE_INFINITY, ...model.functions.filter((each) => used.has(each)));
  for (const { domain } of unused) {
    if (domain !== '' && !domains.has(domain)) model.opsetImports.delete(domain);
  }
  return unused.length;
}
