/**
 * Type and shape inference. Operators without a rule leave their outputs as they are declared.
 *
 * Throws VlmError VC31xx when operands do not fit together or a result contradicts the type that is declared.
 */
import { fail } from '../../report/diagnostics.ts';
import type { Graph } from '../graph.ts';
import type { Model } from '../model.ts';
import type { Node } from '../node.ts';
import { formatType, type ValueType } from '../types.ts';
import type { Value } from '../value.ts';
import { attentionRules } from './attention.ts';
import { type IntData, type Rule, RuleContext, type TypeScope } from './context.ts';
import { controlRules } from './control.ts';
import { IntEvaluator } from './data.ts';
import { elementwiseRules } from './elementwise.ts';
import { exportedRules } from './exported.ts';
import { linearRules } from './linear.ts';
import { mergeTypes, type Prefer } from './merge.ts';
import { quantizedRules } from './quantized.ts';
import { reduceRules } from './reduce.ts';
import { sequenceRules } from './sequences.ts';
import { shapeRules } from './shapes.ts';

const rules: ReadonlyMap<string, Rule> = new Map([
  ...elementwiseRules,
  ...linearRules,
  ...shapeRules,
  ...reduceRules,
  ...quantizedRules,
  ...attentionRules,
  ...controlRules,
  ...sequenceRules,
  ...exportedRules,
]);

/** What holds of a value whose declared type the inferred one contradicts; throws where nothing can. */
type Settle = (value: Value, declared: ValueType, inferred: ValueType, where: string) => ValueType;

const refuse: Settle = (_value, declared, inferred, where) => {
  throw fail('VC3102', { where, found: formatType(declared), expected: formatType(inferred) });
};

/** Types found so far, laid over those that the values carry: nothing in the graph changes. */
class Inference implements TypeScope {
  readonly types = new Map<Value, ValueType>();
  /** `domain::op` of model-local functions, which hide operators of that name. */
  readonly #functions: ReadonlySet<string>;
  readonly #data = new IntEvaluator(this);
  readonly #settle: Settle;
  /** Those of the dimensions of inputs: what is made of them says more than a name for one value. */
  readonly #symbols: ReadonlySet<string>;

  constructor(functions: ReadonlySet<string>, settle: Settle, inputs: readonly Value[] = []) {
    this.#functions = functions;
    this.#settle = settle;
    this.#symbols = new Set(inputs.flatMap(({ type }) => symbolsOf(type)));
  }

  typeOf(value: Value): ValueType | undefined {
    return this.types.get(value) ?? value.type;
  }

  dataOf(value: Value): IntData | undefined {
    return this.#data.of(value);
  }

  inferBody(graph: Graph, inputs: readonly (ValueType | undefined)[]): void {
    for (const [index, type] of inputs.entries()) {
      const input = graph.inputs[index];
      if (input !== undefined) this.#learn(input, type, `input ${input.name} of graph ${graph.name}`);
    }
    this.inferGraph(graph);
  }

  inferGraph(graph: Graph): void {
    for (const node of graph.nodes()) this.inferNode(node);
  }

  inferNode(node: Node): void {
    const rule = this.#functions.has(node.op) ? undefined : rules.get(node.op);
    if (rule === undefined) {
      for (const [, graph] of node.subgraphs()) this.inferGraph(graph);
      return;
    }
    const types = rule(new RuleContext(node, this));
    for (const [index, output] of node.outputs.entries()) {
      if (output !== null)
        this.#learn(output, types[index], `output ${output.name} of node ${node.name} (${node.op})`);
    }
  }

  #learn(value: Value, type: ValueType | undefined, where: string): void {
    if (type === undefined) return;
    const declared = this.typeOf(value);
    if (declared === undefined) this.types.set(value, type);
    else {
      const merged = mergeTypes(declared, type, value.isOutput ? this.#preferInput : preferInferred);
      this.types.set(value, merged ?? this.#settle(value, declared, type, where));
    }
  }

  /** An output keeps the names that the model gives its dimensions, but for those that are an input's. */
  readonly #preferInput: Prefer = (declared, inferred) =>
    this.#symbols.has(inferred) && !this.#symbols.has(declared) ? inferred : declared;
}

/** Exporters name the dimensions of inner values one by one, or not at all. */
const preferInferred: Prefer = (_declared, inferred) => inferred;

function symbolsOf(type: ValueType | undefined): readonly string[] {
  return type?.kind === 'tensor' ? (type.shape ?? []).filter((dim) => typeof dim === 'string') : [];
}

function functionNames(model: Model): ReadonlySet<string> {
  return new Set(model.functions.map(({ domain, name }) => (domain === '' ? name : `${domain}::${name}`)));
}

function apply(types: ReadonlyMap<Value, ValueType>): void {
  for (const [value, type] of types) if (value.type !== type) value.graph.setType(value, type);
}

/** Sets the types of a node's outputs (and of what is in its bodies), merged with those that are declared. */
export function inferNode(_graph: Graph, node: Node): void {
  const inference = new Inference(new Set(), refuse);
  inference.inferNode(node);
  apply(inference.types);
}

/** The types that follow for every value of the main graph and its bodies; changes nothing. */
export function inferredTypes(model: Model): ReadonlyMap<Value, ValueType> {
  const inference = new Inference(functionNames(model), refuse, model.graph.inputs);
  inference.inferGraph(model.graph);
  return inference.types;
}

/** Sets the types of all values of the main graph and its bodies that can be inferred. */
export function inferModel(model: Model): void {
  apply(inferredTypes(model));
}

/**
 * Sets the types of all values like `inferModel`, but takes the computed shape where an inner value declares another
 * one, as runtimes do: exporters are careless there. Returns those values. What the model declares of its outputs, and
 * element types, are promises: there a contradiction throws.
 */
export function inferCorrectedModel(model: Model): readonly Value[] {
  const corrected: Value[] = [];
  const inference = new Inference(
    functionNames(model),
    (value, declared, inferred, where) => {
      const shapeOnly =
        declared.kind === 'tensor' && inferred.kind === 'tensor' && declared.dtype === inferred.dtype;
      const inner = value.producer !== undefined && !value.graph.outputs.includes(value);
      if (!shapeOnly || !inner) return refuse(value, declared, inferred, where);
      corrected.push(value);
      return inferred;
    },
    model.graph.inputs,
  );
  inference.inferGraph(model.graph);
  apply(inference.types);
  return corrected;
}
