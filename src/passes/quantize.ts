/**
 * Quantizes weights in blocks along the input axis: MatMul with a constant [K, N] becomes
 * com.microsoft::MatMulNBits over the checkpoint's own layout [N, K], and the Gather of a table [V, D] becomes
 * com.microsoft::GatherBlockQuantized. A constant bias that is added to the product moves into the operator
 * where every target takes it. Every initializer gets a row of coverage, with the reason when it stays.
 */
import { z } from 'zod';
import { inferNode } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys, Rewriter } from '../rewrite/rewriter.ts';
import { type Target, unsupported } from '../targets/target.ts';
import { dequantizeBlocks } from '../tensor/derived/dequantize-blocks.ts';
import { type QuantizedBlocks, quantizeBlocks, quantizeTable } from '../tensor/derived/quantize-blocks.ts';
import { transpose2d, untranspose } from '../tensor/derived/transpose.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Pass, PassContext } from './pass.ts';

interface Options {
  readonly block: number;
  readonly symmetric: boolean;
  readonly embedding: boolean;
}

interface Scheme extends Options {
  readonly bits: 4 | 8;
  readonly accuracyLevel: number;
}

export const int4 = quantizePass(4);
export const int8 = quantizePass(8);

function quantizePass(bits: 4 | 8): Pass<Options> {
  return {
    name: `int${bits}`,
    summary: `stores the weights of matrix products and embeddings with ${bits} bits, in blocks with a scale each`,
    options: z.strictObject({
      block: z
        .union([z.literal(16), z.literal(32), z.literal(64), z.literal(128), z.literal(256)])
        .default(32),
      symmetric: z.boolean().default(false),
      embedding: z.boolean().default(true),
    }),
    run: (model, options, cx) => {
      const scheme = { ...options, bits, accuracyLevel: accuracyLevel(cx.targets, bits) };
      return new Quantizer(model, scheme, cx).run();
    },
  };
}

/** What the fast kernels of the targets want; those that want nothing run any level. */
function accuracyLevel(targets: readonly Target[], bits: number): number {
  return Math.max(
    0,
    ...targets.map((target) => target.support['com.microsoft::MatMulNBits']?.accuracyLevel[bits] ?? 0),
  );
}

/** A weight as its quantized constants. */
interface Quantized {
  readonly values: Value;
  readonly scales: Value;
  readonly zeroPoints: Value | null;
  readonly bytes: number;
}

/** One run of the pass over one model. */
class Quantizer {
  readonly #model: Model;
  readonly #scheme: Scheme;
  readonly #cx: PassContext;
  /** By the weight and the operator that reads it: a weight is quantized once, whoever shares it. */
  readonly #done = new Map<string, Quantized>();
  /** Why a weight stays, by weight: the first reason. */
  readonly #kept = new Map<Value, { readonly use: string; readonly reason: string }>();
  readonly #stats = { matmul: 0, gather: 0, biases: 0, kept: 0 };

  constructor(model: Model, scheme: Scheme, cx: PassContext) {
    this.#model = model;
    this.#scheme = scheme;
    this.#cx = cx;
  }

  run(): { readonly changed: boolean; readonly stats: Readonly<Record<string, number>> } {
    for (const node of allNodes(this.#model.graph)) {
      if (node.op === 'MatMul') this.#matmul(node);
      else if (node.op === 'Gather') this.#gather(node);
    }
    const changed = this.#stats.matmul + this.#stats.gather > 0;
    if (changed) {
      removeDeadCode(this.#model.graph);
      const { opsetImports } = this.#model;
      opsetImports.set('com.microsoft', opsetImports.get('com.microsoft') ?? 1);
    }
    this.#coverKept();
    return { changed, stats: this.#stats };
  }

  #matmul(node: Node): void {
    const weight = node.input(1);
    const tensor = constantTensor(weight);
    const left = node.input(0);
    if (weight === undefined || left === undefined || tensor === undefined) return;
    const reason = this.#matmulObjection(node, tensor) ?? sharedObjection(weight, node, 1);
    if (reason !== undefined) {
      this.#keep(weight, 'MatMul', reason);
      return;
    }
    const [k = 0, n = 0] = tensor.shape;
    const { bits, block, symmetric, accuracyLevel } = this.#scheme;
    const bias = this.#biasOf(node, n);
    const sources = bias === undefined ? [node] : [node, bias.add];
    // The sum is where the result is due: the bias may be made after the product.
    const rewriter = new Rewriter(bias?.add ?? node, sources, inferNode);
    const q = this.#quantized(rewriter, 'MatMul', weight, () => {
      const blocks = quantizeBlocks(untranspose(tensor) ?? transpose2d(tensor), { bits, block, symmetric });
      return { blocks, effective: transpose2d(dequantizeBlocks(blocks, [n, k])) };
    });
    const inputs = [left, q.values, q.scales, q.zeroPoints, null, bias?.value ?? null];
    const product = rewriter.op('MatMulNBits', inputs, {
      domain: 'com.microsoft',
      attributes: {
        K: k,
        N: n,
        bits,
        block_size: block,
        ...(accuracyLevel === 0 ? {} : { accuracy_level: accuracyLevel }),
      },
    });
    rewriter.replace((bias?.add ?? node).output, product);
    this.#stats.matmul += 1;
    if (bias !== undefined) {
      this.#stats.biases += 1;
      bias.add.graph.removeNode(bias.add);
    }
    node.graph.removeNode(node);
  }

  #matmulObjection(node: Node, tensor: Tensor): string | undefined {
    const { bits, block } = this.#scheme;
    const fixed = node.metadata.get(metadataKeys.precision);
    if (fixed !== undefined) return `computed in ${fixed}`;
    if (tensor.dtype !== 'float32') return `stored as ${tensor.dtype}`;
    if (tensor.shape.length !== 2) return `${tensor.shape.length} axes: one matrix per batch`;
    const [k = 0] = tensor.shape;
    if (k < block) return `rows of ${k} are shorter than a block of ${block}`;
    return unsupported(this.#cx.targets, 'com.microsoft::MatMulNBits', (support) => {
      if (!support.bits.includes(bits)) return `no kernel for ${bits} bits`;
      if (block < support.smallestBlock || block > support.largestBlock) return `no blocks of ${block}`;
      return support.activations.includes('float32') ? undefined : 'no float32 activations';
    });
  }

  /** A constant [N] that is added to the product and to nothing else. */
  #biasOf(node: Node, n: number): { readonly add: Node; readonly value: Value } | undefined {
    const [add, ...others] = node.output.consumers();
    if (add === undefined || others.length > 0 || add.op !== 'Add' || node.output.isOutput) return undefined;
    if (add.graph !== node.graph) return undefined;
    const value = add.inputs.find((input) => input !== node.output);
    const tensor = constantTensor(value ?? undefined);
    if (value == null || tensor?.dtype !== 'float32' || tensor.shape.length !== 1 || tensor.shape[0] !== n) {
      return undefined;
    }
    const refused = unsupported(this.#cx.targets, 'com.microsoft::MatMulNBits', (support) =>
      support.bias ? undefined : 'no bias input',
    );
    return refused === undefined ? { add, value } : undefined;
  }

  #gather(node: Node): void {
    const table = node.input(0);
    const indices = node.input(1);
    const tensor = constantTensor(table);
    if (table === undefined || indices === undefined || tensor === undefined || tensor.dtype !== 'float32')
      return;
    const reason = this.#gatherObjection(node, tensor) ?? sharedObjection(table, node, 0);
    if (reason !== undefined) {
      this.#keep(table, 'Gather', reason);
      return;
    }
    const [rows = 0, depth = 0] = tensor.shape;
    const { bits, block, symmetric } = this.#scheme;
    const rewriter = new Rewriter(node, [node], inferNode);
    const q = this.#quantized(rewriter, 'Gather', table, () => {
      const blocks = quantizeTable(tensor, { bits, block, symmetric });
      return { blocks, effective: dequantizeBlocks(blocks, [rows, depth]) };
    });
    const rowsOf = rewriter.op('GatherBlockQuantized', [q.values, indices, q.scales, q.zeroPoints], {
      domain: 'com.microsoft',
      attributes: { bits, block_size: block, gather_axis: 0, quantize_axis: 1 },
    });
    rewriter.replace(node.output, rowsOf);
    node.graph.removeNode(node);
    this.#stats.gather += 1;
  }

  #gatherObjection(node: Node, tensor: Tensor): string | undefined {
    const { bits, block, embedding } = this.#scheme;
    const [, depth = 0] = tensor.shape;
    // Tables of frequencies and the like are made in memory; an embedding lies in a file.
    if (tensor.origin.kind === 'inline') return 'computed for the graph, not learned';
    if (!embedding) return 'embedding=false';
    if (tensor.shape.length !== 2 || (node.int('axis') ?? 0) !== 0) return 'not rows of a table';
    if (depth % block !== 0) return `rows of ${depth} are not whole blocks of ${block}`;
    return unsupported(this.#cx.targets, 'com.microsoft::GatherBlockQuantized', (support) => {
      if (!support.bits.includes(bits)) return `no kernel for ${bits} bits`;
      if (block < support.smallestBlock) return `no blocks of ${block}`;
      const odd = bits === 4 && (depth / block) % 2 === 1;
      return odd && !support.oddPackedZeroPoints
        ? `an odd number of blocks per row (${depth / block})`
        : undefined;
    });
  }

  #quantized(
    rewriter: Rewriter,
    use: string,
    weight: Value,
    quantize: () => { readonly blocks: QuantizedBlocks; readonly effective: Tensor },
  ): Quantized {
    const key = `${use} ${weight.name}`;
    const known = this.#done.get(key);
    if (known !== undefined) return known;
    const { blocks, effective } = quantize();
    const { values, scales, zeroPoints } = blocks;
    const made = {
      values: rewriter.constant(`${weight.name}.values`, values),
      scales: rewriter.constant(`${weight.name}.scales`, scales),
      zeroPoints:
        zeroPoints === undefined ? null : rewriter.constant(`${weight.name}.zero_points`, zeroPoints),
      bytes: values.byteLength + scales.byteLength + (zeroPoints?.byteLength ?? 0),
    };
    this.#done.set(key, made);
    const { bits, block, symmetric } = this.#scheme;
    this.#cx.substitute(weight.name, effective);
    this.#cx.coverage({
      weight: weight.name,
      use,
      bytesBefore: weight.initializer?.byteLength ?? 0,
      bytesAfter: made.bytes,
      format: `int${bits} block ${block} ${symmetric ? 'symmetric' : 'asymmetric'}`,
    });
    return made;
  }

  #keep(weight: Value, use: string, reason: string): void {
    if (!this.#kept.has(weight)) this.#kept.set(weight, { use, reason });
  }

  /** Rows for the float constants that are still read: refused weights, and those of other operators. */
  #coverKept(): void {
    const made = new Set(
      [...this.#done.values()].flatMap(({ values, scales, zeroPoints }) => [values, scales, zeroPoints]),
    );
    for (const value of this.#model.graph.initializers()) {
      const { dtype, shape, byteLength } = value.initializer;
      if (dtype !== 'float32' || made.has(value)) continue;
      const reader = [...value.uses][0]?.node;
      const kept = this.#kept.get(value) ?? {
        use: reader?.opType ?? 'output',
        reason: keptReason(reader, shape),
      };
      this.#stats.kept += 1;
      this.#cx.coverage({
        weight: value.name,
        bytesBefore: byteLength,
        bytesAfter: byteLength,
        format: 'float32',
        ...kept,
      });
    }
  }
}

/** The reader that keeps a weight as it is: it would otherwise have two values in one graph. */
function sharedObjection(weight: Value, node: Node, index: number): string | undefined {
  for (const use of weight.uses) {
    if (use.node.op !== node.op || use.index !== index) return `also read by ${use.node.name}`;
    if (use.node.metadata.has(metadataKeys.precision)) return `also read by ${use.node.name}`;
  }
  return undefined;
}

/** Why a constant stays that no rule looks at. */
function keptReason(reader: Node | undefined, shape: readonly number[]): string {
  if (shape.length < 2) return 'a vector or a number';
  const fixed = reader?.metadata.get(metadataKeys.precision);
  return fixed === undefined
    ? `${reader?.opType ?? 'no operator'} has no quantized form`
    : `computed in ${fixed}`;
}
