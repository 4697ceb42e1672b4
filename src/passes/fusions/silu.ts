/**
 * SiLU, x · sigmoid(x), as one operator (Elfwing, Uchibe, Doya, Sigmoid-Weighted Linear Units). The gate of a SwiGLU is
 * one, too: it stays two operators, SiLU and a product.
 */
import { z } from 'zod';
import { float } from '../../graph/attribute.ts';
import { any, type Factor, number, op, over, product, type ValuePattern } from '../../rewrite/pattern.ts';
import type { Pass } from '../pass.ts';
import { targetOption, targetsFor } from '../target-option.ts';
import { fuseActivations, type Spelling } from './activation.ts';

const options = z.strictObject(targetOption);

export const fuseSilu: Pass<z.infer<typeof options>> = {
  name: 'fuse-silu',
  summary: 'runs SiLU as one operator, however its sigmoid is spelled',
  options,
  run: (model, given, cx) => fuseActivations(model, spellings, targetsFor(given, cx), cx, 'SiLU'),
};

/** The factor sigmoid(z) for z = argument(1): the operator, or 1 / (1 + exp(-z)). */
export function logistic<N extends string>(
  argument: (scale: number) => ValuePattern<N>,
): readonly (ValuePattern<N> | Factor<N>)[] {
  return [op<N>('Sigmoid', [argument(1)]), over(op<N>('Add', [op<N>('Exp', [argument(-1)]), number(1)]))];
}

const x: ValuePattern<'x'> = any('x');

const quickGelu = { domain: 'com.microsoft', opType: 'QuickGelu', attributes: { alpha: float(1) } };

const spellings: readonly Spelling[] = [
  ...logistic((scale) => product([x], scale)).map((factor) => product<'x'>([x, factor])),
  op<'x'>('Swish', [x], {
    where: (node) => ((node.float('alpha') ?? 1) === 1 ? undefined : 'alpha is not 1'),
  }),
].map((pattern) => ({ pattern, meaning: 'silu', operators: [quickGelu] }));
