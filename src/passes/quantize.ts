/**
 * Quantizes weights in blocks along the input axis: MatMul and Gemm with a constant [K, N] become
 * com.microsoft::MatMulNBits over the checkpoint's own layout [N, K], and the Gather of a table [V, D] becomes
 * com.microsoft::GatherBlockQuantized. Both take float32 and float16; scales have the type of the weight. A constant
 * bias that is added to the product moves into the operator where every target takes it. Every initializer gets a
 * row of coverage, with the reason when it stays.
 *
 * A weight behind a Cast, a Transpose or an Identity is one after fold.
 */
import { z } from 'zod';
import { inferNode } from '../graph/infer/infer.ts';
import { importDomain, type Model, opsetOf } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys, Rewriter } from '../rewrite/rewriter.ts';
import { type MatMulNBitsSupport, type Target, unsupported } from '../targets/target.ts';
import { dequantizeBlocks } from '../tensor/derived/dequantize-blocks.ts';
import { type QuantizedBlocks, quantizeBlocks, quantizeTable } from '../tensor/derived/quantize-blocks.ts';
import { type DType, isFloat } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type KeptWeights, keptWeights } from './keep-weights.ts';
import { asWeight, isOtherProduct, type MatrixProduct, matrixProduct } from './matrix-product.ts';
import type { Pass, PassContext } from './pass.ts';
import { sharedObjection, WeightCoverage } from './weight-coverage.ts';

interface Options {
  readonly block: number;
  readonly symmetric: boolean;
  readonly embedding: boolean;
  /** Weights that stay as they are; see keep-weights.ts. */
  readonly keep: string;
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
      // A name that reads as a number comes as one.
      keep: z.coerce.string().default(''),
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
}

/** A constant [N] that an Add node adds to a product and to nothing else. */
interface Bias {
  readonly add: Node;
  readonly value: Value;
}

/** One run of the pass over one model. */
class Quantizer {
  readonly #model: Model;
  readonly #scheme: Scheme;
  readonly #cx: PassContext;
  readonly #weights: WeightCoverage;
  readonly #keep: KeptWeights;
  /** A weight is quantized once, whoever shares it. */
  readonly #done = new Map<Value, Quantized>();
  readonly #stats = { matmul: 0, gather: 0, biases: 0, kept: 0 };

  constructor(model: Model, scheme: Scheme, cx: PassContext) {
    this.#model = model;
    this.#scheme = scheme;
    this.#cx = cx;
    this.#weights = new WeightCoverage(model.graph, cx);
    this.#keep = keptWeights(scheme.keep);
  }

  run(): { readonly changed: boolean; readonly stats: Readonly<Record<string, number>> } {
    for (const node of allNodes(this.#model.graph)) {
      const product = matrixProduct(node);
      if (product === undefined) this.#gather(node);
      else if (isOtherProduct(product)) this.#weights.keep(product.weight, node.op, product.reason);
      else this.#product(product);
    }
    const changed = this.#stats.matmul + this.#stats.gather > 0;
    if (changed) {
      removeDeadCode(this.#model.graph);
      importDomain(this.#model, 'com.microsoft');
    }
    this.#stats.kept = this.#weights.rest();
    for (const pattern of this.#keep.unmatched()) this.#cx.note(`keep: no weight is named ${pattern}`);
    return { changed, stats: this.#stats };
  }

  #product(product: MatrixProduct): void {
    const { node, index, left, weight, rows, addend } = product;
    const reason =
      this.#wish(weight, node) ?? this.#productObjection(product) ?? sharedObjection(weight, node, index);
    if (reason !== undefined) {
      this.#weights.keep(weight, node.op, reason);
      return;
    }
    const [n = 0, k = 0] = rows.shape;
    const { bits, block, symmetric, accuracyLevel } = this.#scheme;
    const added = addend === undefined ? this.#addAfter(node) : undefined;
    const sum = addend ?? added?.value;
    const isBias = sum !== undefined && this.#isBias(sum, rows.dtype, n);
    // An Add that the operator cannot take over stays what it is.
    const add = isBias ? added?.add : undefined;
    const root = add ?? node;
    // The sum is where the result is due: the bias may be made after the product.
    const rewriter = new Rewriter(root, add === undefined ? [node] : [node, add], inferNode);
    const q = this.#quantized(weight, node.op, () => {
      const blocks = quantizeBlocks(rows, { bits, block, symmetric });
      return { blocks, effective: asWeight(product, dequantizeBlocks(blocks, [n, k])) };
    });
    const inputs = [left, q.values, q.scales, q.zeroPoints, null, isBias ? sum : null];
    let result = rewriter.op('MatMulNBits', inputs, {
      domain: 'com.microsoft',
      attributes: {
        K: k,
        N: n,
        bits,
        block_size: block,
        ...(accuracyLevel === 0 || rows.dtype !== 'float32' ? {} : { accuracy_level: accuracyLevel }),
      },
    });
    if (addend !== undefined && !isBias) result = rewriter.op('Add', [result, addend]);
    rewriter.replace(root.output, result);
    this.#stats.matmul += 1;
    if (isBias) this.#stats.biases += 1;
    if (add !== undefined) add.graph.removeNode(add);
    node.graph.removeNode(node);
  }

  #wish({ name }: Value, node: Node): string | undefined {
    return this.#keep.has(name, node.metadata.get(metadataKeys.scope)) ? 'kept as asked for' : undefined;
  }

  #productObjection({ node, rows, addend }: MatrixProduct): string | undefined {
    const { bits, block } = this.#scheme;
    const { dtype, shape } = rows;
    const fixed = node.metadata.get(metadataKeys.precision);
    if (fixed !== undefined) return `computed in ${fixed}`;
    if (dtype !== 'float32' && dtype !== 'float16') return `stored as ${dtype}`;
    if (node.op === 'Gemm') {
      if ((node.int('transA') ?? 0) !== 0) return 'the left side is transposed';
      if ((node.float('alpha') ?? 1) !== 1) return `the product is multiplied by ${node.float('alpha')}`;
      if (addend !== undefined && (node.float('beta') ?? 1) !== 1) {
        return `what is added is multiplied by ${node.float('beta')}`;
      }
      // Older versions say with an attribute whether what is added is repeated.
      if (addend !== undefined && opsetOf(this.#model) < 7) return 'an operator set below 7';
    }
    const [, k = 0] = shape;
    if (k < block) return `rows of ${k} are shorter than a block of ${block}`;
    return this.#unsupported((support) => {
      if (!support.bits.includes(bits)) return `no kernel for ${bits} bits`;
      if (block < support.smallestBlock || block > support.largestBlock) return `no blocks of ${block}`;
      return support.activations.includes(dtype) ? undefined : `no ${dtype} activations`;
    });
  }

  /** The constant that is added to a product, and to nothing else. */
  #addAfter(node: Node): Bias | undefined {
    const [add, ...others] = node.output.consumers();
    if (add === undefined || others.length > 0 || add.op !== 'Add' || node.output.isOutput) return undefined;
    const value = add.inputs.find((input) => input !== node.output);
    return add.graph === node.graph && value != null ? { add, value } : undefined;
  }

  #isBias(value: Value, dtype: DType, n: number): boolean {
    const tensor = constantTensor(value);
    if (tensor?.dtype !== dtype || tensor.shape.length !== 1 || tensor.shape[0] !== n) return false;
    return this.#unsupported((support) => (support.bias ? undefined : 'no bias input')) === undefined;
  }

  #unsupported(objection: (support: MatMulNBitsSupport) => string | undefined): string | undefined {
    return unsupported(this.#cx.targets, 'com.microsoft::MatMulNBits', objection);
  }

  #gather(node: Node): void {
    const [table, indices] = [node.input(0), node.input(1)];
    const tensor = constantTensor(table);
    if (node.op !== 'Gather' || table === undefined || indices === undefined || tensor === undefined) return;
    // Gather of shapes and positions.
    if (!isFloat(tensor.dtype)) return;
    const reason =
      this.#wish(table, node) ?? this.#gatherObjection(node, tensor) ?? sharedObjection(table, node, 0);
    if (reason !== undefined) {
      this.#weights.keep(table, 'Gather', reason);
      return;
    }
    const [rows = 0, depth = 0] = tensor.shape;
    const { bits, block, symmetric } = this.#scheme;
    const rewriter = new Rewriter(node, [node], inferNode);
    const q = this.#quantized(table, 'Gather', () => {
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
    const { dtype, shape } = tensor;
    const [, depth = 0] = shape;
    if (dtype !== 'float32' && dtype !== 'float16') return `stored as ${dtype}`;
    // Tables of frequencies and the like are made in memory, as are the smallest of a file; an embedding lies in one.
    if (tensor.origin.kind === 'inline') return 'small, or computed for the graph';
    if (!embedding) return 'embedding=false';
    if (shape.length !== 2 || (node.int('axis') ?? 0) !== 0) return 'not rows of a table';
    if (depth % block !== 0 || depth === 0) return `rows of ${depth} are not whole blocks of ${block}`;
    return unsupported(this.#cx.targets, 'com.microsoft::GatherBlockQuantized', (support) => {
      if (!support.bits.includes(bits)) return `no kernel for ${bits} bits`;
      if (block < support.smallestBlock) return `no blocks of ${block}`;
      const odd = bits === 4 && (depth / block) % 2 === 1;
      return odd && !support.oddPackedZeroPoints
        ? `an odd number of blocks per row (${depth / block})`
        : undefined;
    });
  }

  /** The constants stand in the weight's own graph, where everyone sees them who sees the weight. */
  #quantized(
    weight: Value,
    use: string,
    quantize: () => { readonly blocks: QuantizedBlocks; readonly effective: Tensor },
  ): Quantized {
    const known = this.#done.get(weight);
    if (known !== undefined) return known;
    const { blocks, effective } = quantize();
    const { values, scales, zeroPoints } = blocks;
    const { graph, name } = weight;
    const constant = (suffix: string, tensor: Tensor): Value =>
      graph.addInitializer(graph.freshName(`${name}.${suffix}`), tensor);
    const made = {
      values: constant('values', values),
      scales: constant('scales', scales),
      zeroPoints: zeroPoints === undefined ? null : constant('zero_points', zeroPoints),
    };
    this.#done.set(weight, made);
    this.#weights.made(Object.values(made).filter((value) => value !== null));
    const { bits, block, symmetric } = this.#scheme;
    this.#weights.replaced(weight, {
      use,
      bytes: values.byteLength + scales.byteLength + (zeroPoints?.byteLength ?? 0),
      format: `int${bits} block ${block} ${symmetric ? 'symmetric' : 'asymmetric'}`,
      effective,
    });
    return made;
  }
}
