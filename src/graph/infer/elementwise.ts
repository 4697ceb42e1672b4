/** Type rules of operators that work element by element, with numpy broadcasting where they have several inputs. */
import { dtypeOfCode } from '../../tensor/dtype.ts';
import { type Dim, tensorType } from '../types.ts';
import { type Rule, type RuleContext, typed } from './context.ts';
import { broadcastShapes } from './dims.ts';

/** Output 0 has the type of input 0, whatever it is. */
export const sameAsFirst: Rule = (cx) => [cx.type(0)];

/** Same shape, bool. */
const toBool: Rule = (cx) => [typed(cx.dtype(0) === undefined ? undefined : 'bool', cx.shape(0))];

/** Throws unless the element types of the inputs, as far as they are known, agree. */
function checkSameDType(cx: RuleContext): void {
  const known = new Set(cx.node.inputs.flatMap((_, index) => cx.dtype(index) ?? []));
  if (known.size > 1) throw cx.fail('VC3103', cx.describeInputs(), 'inputs of one element type');
}

function broadcast(cx: RuleContext): Dim[] | undefined {
  const shapes = cx.shapes();
  if (shapes === undefined) return undefined;
  const result = broadcastShapes(shapes);
  if (result === undefined) throw cx.fail('VC3101', cx.describeInputs(), 'shapes that broadcast');
  return result;
}

function firstDType(cx: RuleContext) {
  for (const index of cx.node.inputs.keys()) {
    const dtype = cx.dtype(index);
    if (dtype !== undefined) return dtype;
  }
  return undefined;
}

const arithmetic: Rule = (cx) => {
  checkSameDType(cx);
  return [typed(firstDType(cx), broadcast(cx))];
};

const comparison: Rule = (cx) => {
  checkSameDType(cx);
  return [tensorType('bool', broadcast(cx))];
};

/** The exponent (or shift) may have a type of its own. */
const power: Rule = (cx) => [typed(cx.dtype(0), broadcast(cx))];

const where: Rule = (cx) => {
  const condition = cx.dtype(0);
  if (condition !== undefined && condition !== 'bool') throw cx.fail('VC3103', cx.describe(0), 'bool');
  const [x, y] = [cx.dtype(1), cx.dtype(2)];
  if (x !== undefined && y !== undefined && x !== y) {
    throw cx.fail('VC3103', cx.describeInputs(), 'inputs 1 and 2 of one element type');
  }
  return [typed(x ?? y, broadcast(cx))];
};

const cast: Rule = (cx) => {
  const code = cx.node.int('to');
  const dtype = code === undefined ? undefined : dtypeOfCode(code);
  if (code !== undefined && dtype === undefined) throw cx.fail('VC3103', `to = ${code}`, 'a tensor type');
  return [typed(dtype, cx.shape(0))];
};

const castLike: Rule = (cx) => [typed(cx.dtype(1), cx.shape(0))];

/** The mask is bool from operator set 10 on, of the type of the data before; a rule does not know the set. */
const dropout: Rule = (cx) => [cx.type(0), undefined];

/** Output 0 as input 0; running statistics [C]. */
const batchNormalization: Rule = (cx) => [cx.type(0), cx.type(3), cx.type(4)];

const all = (names: string, rule: Rule): [string, Rule][] => names.split(' ').map((name) => [name, rule]);

export const elementwiseRules: readonly (readonly [string, Rule])[] = [
  ...all(
    'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish ' +
      'Hardmax Identity LeakyRelu Log LogSoftmax Mish Neg PRelu Reciprocal Relu Round Selu Shrink Sigmoid Sign ' +
      'Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Not BitwiseNot Trilu CumSum ' +
      'LpNormalization MeanVarianceNormalization LRN GroupNormalization InstanceNormalization ScatterElements ' +
      'ScatterND Scatter ReverseSequence RotaryEmbedding CumProd TensorScatter',
    sameAsFirst,
  ),
  ...all(
    'com.microsoft::QuickGelu com.microsoft::FastGelu com.microsoft::Gelu com.microsoft::RotaryEmbedding',
    sameAsFirst,
  ),
  ...all('IsNaN IsInf', toBool),
  ...all('Add Sub Mul Div Mod Min Max Mean Sum BitwiseAnd BitwiseOr BitwiseXor And Or Xor', arithmetic),
  ...all('com.microsoft::BiasGelu', arithmetic),
  ...all('Equal Greater GreaterOrEqual Less LessOrEqual', comparison),
  ...all('Pow BitShift', power),
  ['Where', where],
  ['Cast', cast],
  ['CastLike', castLike],
  ['Dropout', dropout],
  ['BatchNormalization', batchNormalization],
];
