/**
 * What passes that quantize say about weights: a row of coverage for each, those that stay with the reason. Weights
 * are told apart as values: the bodies of control flow may use one name for several.
 */
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';
import { isFloat } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { PassContext } from './pass.ts';

/** What a weight became. */
export interface NewForm {
  readonly use: string;
  readonly bytes: number;
  readonly format: string;
  /** Its values now, float32, laid out as the weight. */
  readonly effective: Tensor;
}

export class WeightCoverage {
  readonly #graph: Graph;
  readonly #cx: PassContext;
  /** Why a weight stays: the first reason. */
  readonly #kept = new Map<Value, { readonly use: string; readonly reason: string }>();
  /** Constants that the pass made. */
  readonly #made = new Set<Value>();
  readonly #labels = new Map<string, number>();

  constructor(graph: Graph, cx: PassContext) {
    this.#graph = graph;
    this.#cx = cx;
  }

  replaced(weight: Value, { use, bytes, format, effective }: NewForm): void {
    // Parity knows the weights of the main graph by their names; others have none that is theirs alone.
    if (weight.graph === this.#graph && weight.initializer !== undefined) {
      this.#cx.substitute(weight.name, effective);
    }
    const bytesBefore = constantTensor(weight)?.byteLength ?? 0;
    this.#cx.coverage({ weight: this.#label(weight), use, bytesBefore, bytesAfter: bytes, format });
  }

  made(constants: Iterable<Value>): void {
    for (const constant of constants) this.#made.add(constant);
  }

  keep(weight: Value, use: string, reason: string): void {
    if (!this.#kept.has(weight)) this.#kept.set(weight, { use, reason });
  }

  /** Rows for the float constants that are still read: refused weights, and those of other operators. Their number. */
  rest(): number {
    let count = 0;
    for (const value of this.#constants()) {
      const tensor = value.initializer ?? constantTensor(value);
      if (tensor === undefined || !isFloat(tensor.dtype) || this.#made.has(value)) continue;
      const reader = [...value.uses][0]?.node;
      const { use, reason } = this.#kept.get(value) ?? {
        use: reader?.opType ?? 'output',
        reason: value.isInput
          ? 'also an input of the graph, which callers may set'
          : keptReason(reader, tensor.shape),
      };
      count += 1;
      this.#cx.coverage({
        weight: this.#label(value),
        use,
        bytesBefore: tensor.byteLength,
        bytesAfter: tensor.byteLength,
        format: tensor.dtype,
        reason,
      });
    }
    return count;
  }

  /** Initializers of all graphs, and refused weights that are made by Constant nodes. */
  *#constants(): Generator<Value> {
    const graphs = new Set([this.#graph]);
    for (const node of allNodes(this.#graph)) for (const [, inner] of node.subgraphs()) graphs.add(inner);
    for (const graph of graphs) yield* graph.initializers();
    for (const value of this.#kept.keys()) {
      const isLive = value.producer !== undefined && value.graph.value(value.name) === value;
      if (isLive && value.uses.size > 0) yield value;
    }
  }

  #label({ name }: Value): string {
    const before = this.#labels.get(name) ?? 0;
    this.#labels.set(name, before + 1);
    return before === 0 ? name : `${name} (${before + 1})`;
  }
}

/** The reader that keeps a weight as it is: it would otherwise have two values in one graph. */
export function sharedObjection(weight: Value, node: Node, index: number): string | undefined {
  for (const use of weight.uses) {
    const same =
      use.node.op === node.op && use.index === index && use.node.int('transB') === node.int('transB');
    if (!same || use.node.metadata.has(metadataKeys.precision)) return `also read by ${use.node.name}`;
  }
  return weight.isOutput ? 'also an output of the graph' : undefined;
}

/** Why a constant stays that no rule looks at. */
function keptReason(reader: Node | undefined, shape: readonly number[]): string {
  if (shape.length < 2) return 'a vector or a number';
  const fixed = reader?.metadata.get(metadataKeys.precision);
  return fixed === undefined
    ? `${reader?.opType ?? 'no operator'} has no quantized form`
    : `computed in ${fixed}`;
}
