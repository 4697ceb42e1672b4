/**
 * Runs a float32 graph in float16. Weights become float16 (values below 2^-24 keep their sign, values beyond
 * 65504 stay finite); operators that lose too much, and everything elementwise between them, stay in float32,
 * with casts where the two meet. With keepIo, inputs and outputs of the graph stay float32.
 *
 * A graph that computes in float16 already is left as it is.
 *
 * Weights are not read here, so a weight that is clamped is not reported: parity shows what it does.
 */
import { z } from 'zod';
import type { Graph } from '../graph/graph.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { tensorType } from '../graph/types.ts';
import { dimsOf, type Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';
import { cast } from '../tensor/derived/cast.ts';
import { codeOfDType } from '../tensor/dtype.ts';
import { anyTypeOps, chooseFloat16 } from './float16-choice.ts';
import type { Pass, PassContext } from './pass.ts';

interface Options {
  readonly keepIo: boolean;
}

export const float16: Pass<Options> = {
  name: 'float16',
  summary: 'stores weights and computes in float16, but for operators that lose too much',
  options: z.strictObject({ keepIo: z.boolean().default(true) }),
  run: (model, { keepIo }, cx) => new Halving(model, keepIo, cx).run(),
};

/** One run of the pass over one model. */
class Halving {
  readonly #model: Model;
  readonly #graph: Graph;
  readonly #keepIo: boolean;
  readonly #cx: PassContext;
  readonly #asHalf = new Map<Value, Value>();
  readonly #asFloat = new Map<Value, Value>();
  /** Constants that a float32 operator reads, with the operator. */
  readonly #kept = new Map<Value, string>();
  #casts = 0;

  constructor(model: Model, keepIo: boolean, cx: PassContext) {
    this.#model = model;
    this.#graph = model.graph;
    this.#keepIo = keepIo;
    this.#cx = cx;
  }

  run(): { readonly changed: boolean; readonly stats: Readonly<Record<string, number>> } {
    const graph = this.#graph;
    // Half of it would be halved again, without its casts.
    if (computesInFloat16(graph)) return { changed: false, stats: {} };
    const halves = chooseFloat16(this.#model, this.#keepIo ? 'float32' : 'float16');
    const weights = [...graph.initializers()].filter((value) => isFloat32(value) && !value.isInput);
    if (halves.size === 0 && weights.length === 0) return { changed: false, stats: {} };
    if (!this.#keepIo) {
      for (const input of graph.inputs) if (isFloat32(input)) toFloat16(input);
    }
    let float32 = 0;
    for (const node of graph.nodes()) {
      if (halves.has(node)) this.#halve(node);
      else {
        this.#keep(node);
        if (node.outputs.some((output) => output !== null && isFloat32(output))) float32 += 1;
      }
    }
    this.#outputs();
    const rows = this.#weights(weights);
    removeDeadCode(graph);
    this.#rename(weights);
    return {
      changed: true,
      stats: { float16: halves.size, float32, casts: this.#casts, weights: rows },
    };
  }

  #halve(node: Node): void {
    for (const [index, input] of node.inputs.entries()) {
      if (input !== null && isFloat32(input)) this.#graph.setInput(node, index, this.#half(input, node));
    }
    for (const output of node.outputs) if (output !== null && isFloat32(output)) toFloat16(output);
  }

  #keep(node: Node): void {
    const readers = [node, ...[...node.subgraphs()].flatMap(([, inner]) => [...allNodes(inner)])];
    for (const reader of readers) {
      if (anyTypeOps.has(reader.op)) continue;
      for (const [index, input] of reader.inputs.entries()) {
        if (input?.graph !== this.#graph) continue;
        if (isFloat16(input)) reader.graph.setInput(reader, index, this.#float(input, node));
        else if (constantTensor(input) !== undefined && !this.#kept.has(input))
          this.#kept.set(input, reader.op);
      }
    }
  }

  #half(value: Value, before: Node): Value {
    return memo(this.#asHalf, value, () => {
      const tensor = value.initializer;
      if (tensor === undefined || value.isInput) return this.#cast(value, 'float16', before);
      const name = this.#graph.freshName(`${value.name}.float16`);
      return this.#graph.addInitializer(name, cast(tensor, 'float16', { clampToFinite: true }));
    });
  }

  #float(value: Value, before: Node): Value {
    return memo(this.#asFloat, value, () => this.#cast(value, 'float32', before));
  }

  #cast(value: Value, dtype: 'float16' | 'float32', before: Node | undefined): Value {
    const scope = before?.metadata.get(metadataKeys.scope);
    const name = this.#graph.freshName(`${value.name}.${dtype}`);
    this.#casts += 1;
    return this.#graph.addNode(
      {
        op: 'Cast',
        inputs: [value],
        name,
        outputs: [{ name, type: tensorType(dtype, dimsOf(value)) }],
        attributes: { to: codeOfDType(dtype) },
        ...(scope === undefined ? {} : { metadata: [[metadataKeys.scope, scope] as const] }),
      },
      before,
    ).output;
  }

  /** Outputs keep their names and, with keepIo, their type. */
  #outputs(): void {
    const wanted = this.#keepIo ? isFloat16 : isFloat32;
    const dtype = this.#keepIo ? 'float32' : 'float16';
    const graph = this.#graph;
    graph.setOutputs(
      graph.outputs.map((output) => {
        if (!wanted(output) || output.isInput) return output;
        const { name } = output;
        const converted = this.#cast(output, dtype, undefined);
        graph.renameValue(output, graph.freshName(`${name}.${this.#keepIo ? 'float16' : 'float32'}`));
        graph.renameValue(converted, name);
        return converted;
      }),
    );
  }

  /** Coverage of all weights; the number of those that are float16 now. */
  #weights(weights: readonly Value[]): number {
    let halved = 0;
    for (const value of weights) {
      const tensor = value.initializer;
      if (tensor === undefined) continue;
      const half = this.#asHalf.get(value)?.initializer;
      const reader = this.#kept.get(value);
      const use = [...(this.#asHalf.get(value) ?? value).uses][0]?.node.opType ?? reader ?? 'output';
      const row = { weight: value.name, use, bytesBefore: tensor.byteLength };
      if (half === undefined) {
        const reason = reader === undefined ? 'no float16 operator reads it' : `${reader} runs in float32`;
        this.#cx.coverage({ ...row, bytesAfter: tensor.byteLength, format: 'float32', reason });
        continue;
      }
      halved += 1;
      if (reader === undefined) {
        this.#cx.substitute(value.name, cast(half, 'float32'));
        this.#cx.coverage({ ...row, bytesAfter: half.byteLength, format: 'float16' });
      } else {
        const bytesAfter = half.byteLength + tensor.byteLength;
        this.#cx.coverage({ ...row, bytesAfter, format: 'float16', reason: `also as float32 for ${reader}` });
      }
    }
    return halved;
  }

  /** Weights keep their names where the float32 form is gone. */
  #rename(weights: readonly Value[]): void {
    for (const value of weights) {
      const half = this.#asHalf.get(value);
      const gone = this.#graph.value(value.name) !== value;
      if (half !== undefined && gone) this.#graph.renameValue(half, value.name);
    }
  }
}

function memo(known: Map<Value, Value>, key: Value, make: () => Value): Value {
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

function computesInFloat16(graph: Graph): boolean {
  return [...graph.nodes()].some((node) =>
    node.outputs.some((output) => output?.type?.kind === 'tensor' && output.type.dtype === 'float16'),
  );
}

function isFloat32(value: Value): boolean {
  return value.type?.kind === 'tensor' && value.type.dtype === 'float32';
}

function isFloat16(value: Value): boolean {
  return value.type?.kind === 'tensor' && value.type.dtype === 'float16';
}

function toFloat16(value: Value): void {
  value.graph.setType(value, tensorType('float16', dimsOf(value)));
}
