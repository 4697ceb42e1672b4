/**
 * Gaussian error linear units in all their spellings (Hendrycks and Gimpel, Gaussian Error Linear Units):
 *
 *   exact   x · (1 + erf(x / √2)) / 2
 *   tanh    x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2 = x · sigmoid(2 √(2/π) (x + 0.044715 x³))
 *   quick   x · sigmoid(1.702 x)
 */
import { z } from 'zod';
import { float } from '../../graph/attribute.ts';
import { any, either, type Factor, number, op, product, type ValuePattern } from '../../rewrite/pattern.ts';
import type { Pass } from '../pass.ts';
import { targetOption, targetsFor } from '../target-option.ts';
import { fuseActivations, type Operator, type Spelling } from './activation.ts';
import { logistic } from './silu.ts';

const options = z.strictObject(targetOption);

export const fuseGelu: Pass<z.infer<typeof options>> = {
  name: 'fuse-gelu',
  summary: 'runs GELU (exact, tanh, quick) as one operator, however it is spelled',
  options,
  run: (model, given, cx) => fuseActivations(model, spellings, targetsFor(given, cx), cx, 'GELU'),
};

type X = ValuePattern<'x'>;
const x: X = any('x');

const tanhScale = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

const cube = (scale: number): X =>
  either<'x'>(
    product([x, x, x], scale),
    product([op<'x'>('Pow', [x, number(3)])], scale),
    product([x, op<'x'>('Pow', [x, number(2)])], scale),
  );

/** scale · (x + 0.044715 x³) */
const bent = (scale: number): X =>
  either<'x'>(
    product([op<'x'>('Add', [x, cube(cubic)])], scale),
    product([x, op<'x'>('Add', [square(cubic), number(1)])], scale),
    op<'x'>('Add', [product([x], scale), cube(scale * cubic)]),
  );

function square(scale: number): X {
  return either<'x'>(product([x, x], scale), product([op<'x'>('Pow', [x, number(2)])], scale));
}

/** x times (1 + value) / 2 */
const gate = (value: X): readonly (readonly [factor: X, scale: number])[] => [
  [op<'x'>('Add', [value, number(1)]), 0.5],
  [op<'x'>('Add', [product([value], 0.5), number(0.5)]), 1],
];

const gated = (value: X) => gate(value).map(([factor, scale]) => product<'x'>([x, factor], scale));
const sigmoidal = (factors: readonly (X | Factor<'x'>)[]) =>
  factors.map((factor) => product<'x'>([x, factor]));

const microsoft = 'com.microsoft';
const gelu = (approximate: string): Operator => ({ domain: '', opType: 'Gelu', attributes: { approximate } });
const exact = [gelu('none'), { domain: microsoft, opType: 'Gelu', attributes: {} }];
const tanh = [gelu('tanh'), { domain: microsoft, opType: 'FastGelu', attributes: {} }];
const quick = [{ domain: microsoft, opType: 'QuickGelu', attributes: { alpha: float(1.702) } }];

const spellings: readonly Spelling[] = [
  ...gated(op<'x'>('Erf', [product([x], Math.SQRT1_2)])).map(
    (pattern): Spelling => ({ pattern, meaning: 'gelu_exact', operators: exact }),
  ),
  ...[
    ...gated(op<'x'>('Tanh', [bent(tanhScale)])),
    ...sigmoidal(logistic((scale) => bent(2 * scale * tanhScale))),
  ].map((pattern): Spelling => ({ pattern, meaning: 'gelu_tanh', operators: tanh })),
  ...sigmoidal(logistic((scale) => product([x], 1.702 * scale))).map(
    (pattern): Spelling => ({ pattern, meaning: 'gelu_quick', operators: quick }),
  ),
];
