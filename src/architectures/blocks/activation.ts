/** Activation functions, element by element, as data: blocks take them by name. */
import type { ConfigReader } from '../../formats/checkpoint/config.ts';
import type { GraphBuilder, OpOptions } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';

/** `gelu` is the exact one (error function), `gelu-tanh` its usual approximation. */
export type Activation = 'gelu' | 'gelu-tanh' | 'quick-gelu' | 'silu' | 'relu';

const calls = (meaning: string): Pick<OpOptions, 'metadata'> => ({
  metadata: [[metadataKeys.calls, meaning]],
});

const spelled: Readonly<Record<Activation, (b: GraphBuilder, x: Value) => Value>> = {
  gelu: (b, x) => b.op('Gelu', [x], { attributes: { approximate: 'none' }, ...calls('gelu_exact') }),
  'gelu-tanh': (b, x) => b.op('Gelu', [x], { attributes: { approximate: 'tanh' }, ...calls('gelu_tanh') }),
  // CLIP's own approximation of GELU.
  'quick-gelu': (b, x) =>
    b.op('Mul', [x, b.op('Sigmoid', [b.op('Mul', [x, b.scalar(1.702)])])], calls('gelu_quick')),
  silu: (b, x) => b.op('Mul', [x, b.op('Sigmoid', [x])], calls('silu')),
  relu: (b, x) => b.op('Relu', [x]),
};

export function activate(b: GraphBuilder, x: Value, activation: Activation): Value {
  return spelled[activation](b, x);
}

/** What Hugging Face configs call them: several names for one function. */
const configNames = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  quick_gelu: 'quick-gelu',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
} as const satisfies Readonly<Record<string, Activation>>;

export type ActivationName = keyof typeof configNames;

/** Reads `hidden_act` and the like; throws VC1202, VC1203 for a name that is none of these. */
export function readActivation(reader: ConfigReader, key: string, fallback: ActivationName): Activation {
  const names = Object.keys(configNames) as ActivationName[];
  return configNames[reader.oneOf(key, names, { default: fallback })];
}
