/**
 * Folds BatchNormalization into the linear operator before it: with s = scale / √(variance + epsilon), one number per
 * output channel,
 *
 *   BatchNormalization(Conv(x, w, b))   becomes   Conv(x, s · w, s · (b − mean) + shift)
 *
 * and the same for MatMul and Gemm of two axes. The vectors are computed by the runtime, the weights where they are
 * written. Their names change with their values: what other passes say of a weight by its name means the one it had.
 */
import { z } from 'zod';
import { float } from '../graph/attribute.ts';
import { GraphBuilder } from '../graph/builder.ts';
import { inferNode } from '../graph/infer/infer.ts';
import { createModel, type Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { dimsOf, type Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes, applyRules } from '../rewrite/driver.ts';
import { nodeRule } from '../rewrite/rule.ts';
import { reshape } from '../tensor/derived/reshape.ts';
import { type ScaledAxis, scaleAxis } from '../tensor/derived/scale-axis.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Pass } from './pass.ts';

export const foldBatchNorm: Pass<Record<string, never>> = {
  name: 'fold-batchnorm',
  summary: 'folds batch normalization into the weights before it',
  options: z.strictObject({}),
  run: async (model, _options, cx) => {
    const sites = [...allNodes(model.graph)].flatMap((node) => {
      const site = readSite(node);
      return site === undefined ? [] : [site];
    });
    if (sites.length === 0) return { changed: false, stats: { batchNorms: 0 } };
    const vectors = await cx.evaluate(vectorModel(sites));
    const folded = new Map(
      sites.map((site, index) => {
        const [scale, bias] = ['scale', 'bias'].map((name) => vectors.get(`${name}${index}`));
        if (scale === undefined || bias === undefined)
          throw new RangeError(`no vectors for ${site.node.name}`);
        return [site.node, { site, scale, bias }] as const;
      }),
    );
    const rule = nodeRule({
      name: 'fold-batchnorm',
      roots: ['BatchNormalization'],
      inspect: (node) => folded.get(node) ?? 'it has no weights before it',
      rewrite: ({ site: { node, linear, weight, axis, sum }, scale, bias }, rewriter) => {
        const inputs = [linear.input(0) ?? null, rewriter.constant(weight.name, scaled(weight, scale, axis))];
        const shift = rewriter.constant(`${node.name}_bias`, bias);
        const product = rewriter.op(linear.opType, sum === 'input' ? [...inputs, shift] : inputs, {
          attributes: {
            ...Object.fromEntries(linear.attributes),
            ...(linear.op === 'Gemm' ? { beta: float(1) } : {}),
          },
        });
        rewriter.replace(node.output, sum === 'input' ? product : rewriter.op('Add', [product, shift]));
      },
    });
    const { applied } = applyRules(model.graph, [rule], inferNode);
    removeDeadCode(model.graph);
    return { changed: true, stats: { batchNorms: applied.get(rule.name) ?? 0 } };
  },
};

interface Site {
  readonly node: Node;
  readonly linear: Node;
  readonly weight: Value;
  /** Where the weight's output channels are, as a matrix. */
  readonly axis: ScaledAxis;
  /** scale, shift, mean, variance: [channels]. */
  readonly vectors: readonly Tensor[];
  readonly bias: Tensor | undefined;
  /** What of the bias is added: the beta of a Gemm. */
  readonly biasFactor: number;
  /** Whether the bias is an input of the operator or added after it. */
  readonly sum: 'input' | 'after';
}

function readSite(node: Node): Site | undefined {
  if (node.op !== 'BatchNormalization' || (node.int('training_mode') ?? 0) !== 0) return undefined;
  if (node.outputs.slice(1).some((output) => output !== null)) return undefined;
  const vectors = [1, 2, 3, 4].map((index) => constantTensor(node.input(index)));
  const [channels] = vectors[0]?.shape ?? [];
  const fits = (tensor: Tensor | undefined): boolean =>
    tensor?.dtype === 'float32' && tensor.shape.length === 1 && tensor.shape[0] === channels;
  const input = onlyReadBy(node.input(0), node);
  const added = input?.producer?.op === 'Add' ? splitSum(input.producer) : undefined;
  const linear = added?.product ?? input?.producer;
  const [weight, own] = [linear?.input(1), linear?.op === 'MatMul' ? added?.bias : linear?.input(2)];
  const tensor = constantTensor(weight);
  if (linear === undefined || weight === undefined || tensor?.dtype !== 'float32') return undefined;
  if (linear.graph !== node.graph || !vectors.every(fits)) return undefined;
  const axis = outputAxis(linear, tensor, channels);
  const bias = constantTensor(own);
  if (
    axis === undefined ||
    (own !== undefined && !fits(bias)) ||
    (added !== undefined && linear.op !== 'MatMul')
  )
    return undefined;
  const biasFactor = linear.op === 'Gemm' ? (linear.float('beta') ?? 1) : 1;
  const sum = linear.op === 'MatMul' ? 'after' : 'input';
  return {
    node,
    linear,
    weight,
    axis,
    vectors: vectors.flatMap((vector) => vector ?? []),
    bias,
    biasFactor,
    sum,
  };
}

function onlyReadBy(value: Value | undefined, node: Node): Value | undefined {
  return value?.uses.size === 1 && !value.isOutput && value.consumers()[0] === node ? value : undefined;
}

/** MatMul(x, w) + bias, the product read by nothing else. */
function splitSum(add: Node): { readonly product: Node; readonly bias: Value | undefined } | undefined {
  for (const [index, input] of add.inputs.entries()) {
    const product = input === null ? undefined : onlyReadBy(input, add)?.producer;
    if (product?.op === 'MatMul') return { product, bias: add.input(1 - index) };
  }
  return undefined;
}

function outputAxis(linear: Node, weight: Tensor, channels: number | undefined): ScaledAxis | undefined {
  // Channels are axis 1 of what is normalized: the last one only where there are two.
  const flat = dimsOf(linear.output)?.length === 2 && weight.shape.length === 2;
  const rows = linear.op === 'Conv' || (linear.op === 'Gemm' && flat && linear.int('transB') === 1);
  if (rows) return weight.shape[0] === channels ? 'rows' : undefined;
  return flat && (linear.op === 'MatMul' || linear.op === 'Gemm') && weight.shape[1] === channels
    ? 'columns'
    : undefined;
}

/** A model without inputs that gives scale<i> and bias<i> of every site. */
function vectorModel(sites: readonly Site[]): Model {
  const b = new GraphBuilder('batch-norm', inferNode);
  for (const [index, { node, vectors, bias, biasFactor }] of sites.entries()) {
    const [scale, shift, mean, variance] = vectors.map((tensor, at) =>
      b.weight(`vector${index}_${at}`, tensor),
    ) as [Value, Value, Value, Value];
    const epsilon = b.scalar(node.float('epsilon') ?? 1e-5);
    const factor = b.op('Div', [scale, b.op('Sqrt', [b.op('Add', [variance, epsilon])])]);
    const before =
      bias === undefined ? undefined : b.op('Mul', [b.weight(`before${index}`, bias), b.scalar(biasFactor)]);
    const centred = before === undefined ? b.op('Neg', [mean]) : b.op('Sub', [before, mean]);
    b.output(`scale${index}`, factor);
    b.output(`bias${index}`, b.op('Add', [b.op('Mul', [centred, factor]), shift]));
  }
  return createModel(b.graph, 20);
}

function scaled(weight: Value, scale: Tensor, axis: ScaledAxis): Tensor {
  const tensor = constantTensor(weight);
  if (tensor === undefined) throw new RangeError(`${weight.name} is no constant any more`);
  const [first = 1, ...rest] = tensor.shape;
  const matrix = reshape(tensor, [first, rest.reduce((product, dim) => product * dim, 1)]);
  return reshape(scaleAxis(matrix, scale, axis), tensor.shape);
}
