/**
 * Targets are data: what a runtime's execution provider runs, as far as a pass has to choose. A pass asks for
 * what every target can do; it never asks which target it is.
 *
 * `noKernel` asks the tables of registered kernels; `unsupported` asks what is known of one operator beyond them: the
 * forms of attributes and inputs that a kernel takes.
 */
import { firstVersion, opSchema } from '../graph/op-schema.ts';
import { type Kernel, kernelTable } from './kernels.ts';

/** com.microsoft::MultiHeadAttention with q, k, v as [batch, sequence, heads * headSize]. */
export interface MultiHeadAttentionSupport {
  readonly dtypes: readonly string[];
  /** past_key / past_value inputs and present outputs. */
  readonly cache: boolean;
  /** attention_bias input, an additive mask. */
  readonly attentionBias: boolean;
  /** key_padding_mask input. */
  readonly keyPaddingMask: boolean;
}

/** com.microsoft::GroupQueryAttention. */
export interface GroupQueryAttentionSupport {
  readonly dtypes: readonly string[];
  /** What the head size has to be a multiple of. */
  readonly headSizeMultiple: number;
  /** The same where the operator turns queries and keys itself. */
  readonly rotaryHeadSizeMultiple: number;
  readonly attentionBias: boolean;
}

/** Attention of ai.onnx 23 and 24. */
export interface StandardAttentionSupport {
  readonly dtypes: readonly string[];
}

/** com.microsoft::MatMulNBits with uint8 weights. */
export interface MatMulNBitsSupport {
  readonly bits: readonly number[];
  readonly activations: readonly string[];
  readonly smallestBlock: number;
  readonly largestBlock: number;
  /** The bias input. */
  readonly bias: boolean;
  /**
   * Bits to the accuracy_level that the provider's fast kernel wants for float32 activations; absent: the default
   * (float activations). A provider that wants none accepts any.
   */
  readonly accuracyLevel: Readonly<Record<number, number>>;
}

/** com.microsoft::GatherBlockQuantized with uint8 data. */
export interface GatherBlockQuantizedSupport {
  /** False: it runs once plain-gather has spelled it in standard operators. */
  readonly kernel: boolean;
  readonly bits: readonly number[];
  readonly smallestBlock: number;
  /** Packed 4-bit zero points may have an odd number of blocks per row. */
  readonly oddPackedZeroPoints: boolean;
}

export interface OperatorSupport {
  readonly 'com.microsoft::MultiHeadAttention': MultiHeadAttentionSupport;
  readonly 'com.microsoft::GroupQueryAttention': GroupQueryAttentionSupport;
  readonly Attention: StandardAttentionSupport;
  readonly 'com.microsoft::MatMulNBits': MatMulNBitsSupport;
  readonly 'com.microsoft::GatherBlockQuantized': GatherBlockQuantizedSupport;
}

export interface Target {
  readonly id: string;
  readonly title: string;
  /**
   * Tables of kernels (their form: kernels.ts), each asked in turn; or `standard`: whatever an operator set of ai.onnx
   * defines.
   */
  readonly kernels: readonly string[] | 'standard';
  /** Operators of the tables that do not run there all the same, or not well: why. */
  readonly except?: Readonly<Record<string, string>>;
  /** Operators with a kernel that takes longer than the operators that they stand for: what was measured. */
  readonly slow?: Readonly<Record<string, string>>;
  /** Element types of float tensors that the provider takes at all; default: those of its kernels. */
  readonly elementTypes?: readonly string[];
  /** Types that are cast around a kernel of another type: float16 to float32 on the CPU. */
  readonly castTypes?: Readonly<Record<string, string>>;
  /** What is known of some operators beyond the tables. An operator that is absent does not run there. */
  readonly support: Partial<OperatorSupport>;
}

/** The first reason why a target cannot run an operator as asked; undefined when every target can. */
export function unsupported<K extends keyof OperatorSupport>(
  targets: readonly Target[],
  operator: K,
  objection: (support: OperatorSupport[K]) => string | undefined,
): string | undefined {
  for (const target of targets) {
    const support = target.support[operator];
    const reason = support === undefined ? 'no kernel' : objection(support);
    if (reason !== undefined) return `${operator} on ${target.id}: ${reason}`;
  }
  return undefined;
}

/** An operator as a pass would write it. */
export interface KernelQuestion {
  /** Operator set of ai.onnx that the model imports; operators of other domains are asked for in version 1. */
  readonly opset: number;
  /** Element type of the first input. */
  readonly dtype: string;
}

/**
 * The first reason why a target has no kernel for `domain::Name` (`Name` in ai.onnx), or why it had better not be
 * used there; undefined when every target has one.
 */
export function noKernel(
  targets: readonly Target[],
  operator: string,
  question: KernelQuestion,
): string | undefined {
  for (const target of targets) {
    const reason = objection(target, operator, question) ?? target.slow?.[operator];
    if (reason !== undefined) return `${operator} on ${target.id}: ${reason}`;
  }
  return undefined;
}

function objection(target: Target, operator: string, { opset, dtype }: KernelQuestion): string | undefined {
  const { domain, opType, version } = definition(operator, opset);
  const schema = opSchema(domain, opType, version);
  if (schema === undefined) {
    const first = firstVersion(domain, opType);
    return first === undefined ? 'no such operator' : `the model has operator set ${opset}, not ${first}`;
  }
  const variable = schema.inputs[0]?.variable;
  const types = new Map(variable === undefined ? [] : [[variable, dtype]]);
  return missingKernel(target, operator, schema.since, types, [dtype]);
}

/** Domain, name and the version of the domain that counts, of an operator in a model of operator set `opset`. */
export function definition(
  operator: string,
  opset: number,
): { readonly domain: string; readonly opType: string; readonly version: number } {
  const [domain = '', opType] = operator.split('::');
  return opType === undefined
    ? { domain: '', opType: domain, version: opset }
    : { domain, opType, version: 1 };
}

/**
 * Why a target has no kernel for an operator whose definition is that of version `since`, with these element types of
 * its type variables; `data` are those that the provider has to have at all.
 */
export function missingKernel(
  target: Target,
  operator: string,
  since: number,
  types: ReadonlyMap<string, string>,
  data: readonly string[],
): string | undefined {
  const exception = target.except?.[operator];
  if (exception !== undefined) return exception;
  const foreign = data.find((dtype) => target.elementTypes?.includes(dtype) === false);
  if (foreign !== undefined) return `no ${foreign}`;
  if (target.kernels === 'standard')
    return operator.includes('::') ? 'not an operator of ai.onnx' : undefined;
  const kernels = target.kernels.flatMap((text) => kernelTable(text).get(operator) ?? []);
  if (kernels.length === 0) return 'no kernel';
  const ofVersion = kernels.filter((kernel) => kernel.since <= since && since <= kernel.until);
  if (ofVersion.length === 0) return `no kernel for the operator as of version ${since}`;
  const fits = (kernel: Kernel): boolean =>
    [...types].every(([variable, dtype]) => {
      const taken = kernel.types.get(variable);
      return taken === undefined || taken.has(dtype) || taken.has(target.castTypes?.[dtype] ?? dtype);
    });
  return ofVersion.some(fits) ? undefined : `no kernel for ${[...new Set(types.values())].join(', ')}`;
}
