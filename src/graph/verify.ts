/**
 * The verifier: whether a model is well formed. It runs on what was decoded and after every pass. Structure first
 * (names, order, use lists, operators, attributes, functions), then element types and shapes.
 */
import { fail, VlmError } from '../report/diagnostics.ts';
import type { Graph } from './graph.ts';
import { inferCorrectedModel, inferredTypes } from './infer/infer.ts';
import type { Model, ModelFunction } from './model.ts';
import type { Node } from './node.ts';
import { newestOpset, operatorsOf } from './op-schema.ts';
import type { Report } from './problem.ts';
import type { ValueType } from './types.ts';
import type { Use, Value } from './value.ts';
import { functionKey, functionsByKey, verifyCall, verifyFunctions } from './verify-functions.ts';
import { verifyNode, verifyNodeTypes } from './verify-node.ts';

/** Throws the first problem as a VlmError (VC30xx structure, VC31xx types). */
export function verifyModel(model: Model): void {
  const [first] = problemsOf(model);
  if (first !== undefined) throw first;
}

/**
 * For a model that was read: verifies its structure, computes the types of its values, and verifies those. Gives the
 * values that the file declared otherwise (see `inferCorrectedModel`). Throws the first problem as a VlmError.
 */
export function verifyAndInfer(model: Model): readonly Value[] {
  // Inference takes it for granted that attributes are of the kinds that operators have.
  const [first] = structureProblems(model);
  if (first !== undefined) throw first;
  const corrected = inferCorrectedModel(model);
  verifyModel(model);
  return corrected;
}

/** All problems of structure; when there are none, those of types (inference stops at its first). */
export function problemsOf(model: Model): readonly VlmError[] {
  const problems = [...structureProblems(model)];
  if (problems.length > 0) return problems;
  const report: Report = (code, detail) => problems.push(fail(code, detail));
  const functions = functionsByKey(model);
  let types: ReadonlyMap<Value, ValueType>;
  try {
    types = inferredTypes(model);
  } catch (error) {
    if (error instanceof VlmError) return [error];
    throw error;
  }
  for (const node of allNodes(model.graph)) {
    if (functions.has(functionKey(node.domain, node.opType, node.overload))) continue;
    verifyNodeTypes(
      node,
      versionOf(model.opsetImports, node),
      (value) => types.get(value) ?? value.type,
      report,
    );
  }
  return problems;
}

function structureProblems(model: Model): readonly VlmError[] {
  const problems: VlmError[] = [];
  const report: Report = (code, detail) => problems.push(fail(code, detail));
  verifyImports('the model', model.opsetImports, report);
  const functions = functionsByKey(model);
  verifyFunctions(model, functions, report);
  new StructureCheck(functions, model.opsetImports, report).check(model.graph);
  for (const each of model.functions) {
    new StructureCheck(functions, each.opsetImports, report).check(each.body);
  }
  return problems;
}

function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes()) {
    yield node;
    for (const [, body] of node.subgraphs()) yield* allNodes(body);
  }
}

function versionOf(imports: ReadonlyMap<string, number>, node: Node): number {
  return imports.get(node.domain) ?? 0;
}

function verifyImports(where: string, imports: ReadonlyMap<string, number>, report: Report): void {
  const version = imports.get('');
  if (version !== undefined && version > newestOpset) {
    report('VC3013', { where, found: `ai.onnx ${version}`, expected: `at most ${newestOpset}` });
  }
}

/** What is visible at a point: the values of a graph made so far, by name, and those around it. */
interface Scope {
  readonly outer: Scope | undefined;
  readonly made: Map<string, Value>;
}

function find(scope: Scope | undefined, name: string): Value | undefined {
  return scope && (scope.made.get(name) ?? find(scope.outer, name));
}

const domainName = (domain: string): string => (domain === '' ? 'ai.onnx' : domain);

class StructureCheck {
  readonly #imports: ReadonlyMap<string, number>;
  readonly #functions: ReadonlyMap<string, ModelFunction>;
  readonly #report: Report;
  readonly #nodes = new Set<Node>();
  readonly #values: Value[] = [];
  /** How many inputs read each value. */
  readonly #reads = new Map<Value, number>();

  constructor(
    functions: ReadonlyMap<string, ModelFunction>,
    imports: ReadonlyMap<string, number>,
    report: Report,
  ) {
    this.#imports = imports;
    this.#functions = functions;
    this.#report = report;
  }

  check(root: Graph): void {
    this.#graph(root, undefined);
    for (const value of this.#values) this.#uses(value);
  }

  #graph(graph: Graph, outer: Scope | undefined): void {
    const scope: Scope = { outer, made: new Map() };
    this.#values.push(...graph.values());
    for (const value of graph.values()) {
      if (value.producer === undefined) this.#make(value, graph, scope);
    }
    for (const node of graph.nodes()) this.#node(node, graph, scope);
    for (const output of graph.outputs) {
      if (scope.made.get(output.name) !== output) {
        this.#report('VC3008', { where: `graph ${graph.name}`, found: output.name });
      }
    }
  }

  /** A value comes into being: its name must be new here and in the graphs around. */
  #make(value: Value, graph: Graph, scope: Scope): void {
    if (find(scope, value.name) !== undefined) {
      this.#report('VC3001', { where: `graph ${graph.name}`, found: value.name });
    }
    const comesFromNothing =
      value.producer === undefined &&
      value.initializer === undefined &&
      !graph.inputs.includes(value) &&
      !graph.sparseInitializers.has(value.name);
    if (comesFromNothing) this.#report('VC3002', { where: `graph ${graph.name}`, found: value.name });
    if (value.graph !== graph || graph.value(value.name) !== value) {
      this.#report('VC3003', {
        where: `value ${value.name}`,
        found: `it is not registered in ${graph.name}`,
      });
    }
    scope.made.set(value.name, value);
  }

  #node(node: Node, graph: Graph, scope: Scope): void {
    const where = `node ${node.name} (${node.op})`;
    if (this.#nodes.has(node) || node.graph !== graph) {
      this.#report('VC3003', { where, found: `it does not stand once, and in ${graph.name}` });
    }
    this.#nodes.add(node);
    for (const input of node.inputs) {
      if (input === null) continue;
      this.#reads.set(input, (this.#reads.get(input) ?? 0) + 1);
      if (find(scope, input.name) !== input) {
        const maker = input.producer === undefined ? '' : `, made by ${input.producer.name}`;
        this.#report('VC3002', { where, found: `${input.name}${maker}` });
      }
    }
    for (const [, body] of node.subgraphs()) {
      if (body.parent !== graph) this.#report('VC3003', { where, found: `${body.name} has another parent` });
      this.#graph(body, scope);
    }
    const called = this.#functions.get(functionKey(node.domain, node.opType, node.overload));
    if (called !== undefined) verifyCall(node, called, this.#report);
    else if (!this.#imports.has(node.domain)) {
      const imported = [...this.#imports.keys()].map(domainName).join(', ');
      const expected = imported === '' ? 'an import, there is none' : `one of ${imported}`;
      this.#report('VC3007', { where, found: domainName(node.domain), expected });
    } else if (operatorsOf(node.domain) !== undefined) {
      verifyNode(node, versionOf(this.#imports, node), this.#report);
    }
    for (const [index, output] of node.outputs.entries()) {
      if (output === null) continue;
      if (output.producer !== node || output.outputIndex !== index) {
        this.#report('VC3003', { where, found: `output ${output.name} has another producer` });
      }
      this.#make(output, graph, scope);
    }
  }

  #uses(value: Value): void {
    const isReal = ({ node, index }: Use) => this.#nodes.has(node) && node.inputs[index] === value;
    const expected = this.#reads.get(value) ?? 0;
    if (value.uses.size !== expected || ![...value.uses].every(isReal)) {
      const found = `${value.uses.size} uses on record, ${expected} inputs read it`;
      this.#report('VC3003', { where: `value ${value.name}`, found });
    }
  }
}
