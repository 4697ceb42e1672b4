/**
 * Which nodes of a graph run in float16. Operators on a list stay in float32; elementwise and layout operators
 * follow what they read, so that a norm or a table of angles is computed in float32 from end to end; nodes that
 * read constants only follow their readers; all others run in float16.
 */
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { opSchema, type Parameter } from '../graph/op-schema.ts';
import type { Value } from '../graph/value.ts';
import { functionKey, functionsByKey } from '../graph/verify-functions.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';

/** Operators that stay in float32. */
const float32Ops: ReadonlySet<string> = new Set([
  // Squares and their means leave the range of float16 for activations above 255.
  ...['Pow', 'ReduceMean', 'ReduceSum', 'ReduceSumSquare', 'ReduceL2', 'Sqrt', 'Reciprocal'],
  // Positions beyond 2048 and angles are not exact.
  ...['Sin', 'Cos', 'Range', 'CumSum', 'Floor', 'Ceil', 'Log', 'Exp'],
  // Sums of many small terms.
  ...['Softmax', 'LogSoftmax'],
  // Kernels that are missing or known to be wrong in float16.
  ...['Resize', 'Upsample', 'NonMaxSuppression', 'TopK', 'RoiAlign', 'Min', 'Max'],
  ...['RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Multinomial', 'Bernoulli'],
  // The type of the output is an attribute or that of a scale.
  ...['Cast', 'CastLike', 'Constant', 'ConstantOfShape', 'EyeLike', 'DequantizeLinear'],
  // Scales are stored in the type of the activations: a quantized graph stays float32 around them.
  ...['com.microsoft::MatMulNBits', 'com.microsoft::GatherBlockQuantized'],
]);

/** Operators that run in the type of what they read: float32 only when all of it is. */
const followingOps: ReadonlySet<string> = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Neg', 'Abs', 'Where', 'Clip'],
  ...['Identity', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten', 'Expand', 'Tile'],
  ...['Concat', 'Split', 'Slice', 'Gather', 'GatherElements', 'GatherND', 'Pad'],
]);

/** Operators that read any type and need no cast before them. */
export const anyTypeOps: ReadonlySet<string> = new Set(['Cast', 'Shape', 'Size']);

/** `either`: reads constants only, and can follow its readers. */
type Choice = 'float16' | 'float32' | 'either';

/** The nodes of the main graph that run in float16, where its inputs are of type `inputs`. */
export function chooseFloat16(model: Model, inputs: 'float16' | 'float32'): ReadonlySet<Node> {
  const nodes = [...model.graph.nodes()];
  const choices = new Map<Node, Choice>();
  const functions = functionsByKey(model);
  const takesFloat16 = (node: Node): boolean =>
    !functions.has(functionKey(node.domain, node.opType, node.overload)) &&
    allowsFloat16(node, model.opsetImports.get(node.domain) ?? 0);
  for (const node of nodes) choices.set(node, takesFloat16(node) ? choose(node, choices, inputs) : 'float32');
  for (const node of [...nodes].reverse()) {
    if (choices.get(node) !== 'either') continue;
    const exact = node.outputs.some((output) =>
      output?.consumers().some((reader) => choices.get(reader) === 'float32' && !anyTypeOps.has(reader.op)),
    );
    choices.set(node, exact ? 'float32' : 'float16');
  }
  return new Set(nodes.filter((node) => choices.get(node) === 'float16'));
}

function choose(node: Node, choices: ReadonlyMap<Node, Choice>, inputs: 'float16' | 'float32'): Choice {
  // Bodies of control flow are left as they are.
  const isControl = [...node.subgraphs()].length > 0;
  if (isControl || float32Ops.has(node.op) || node.metadata.has(metadataKeys.precision)) return 'float32';
  const values = [...node.inputs, ...node.outputs];
  const isTyped = values.every((value) => value === null || value.type?.kind === 'tensor');
  // What makes no floats (Shape, comparisons) reads them as they are.
  if (!isTyped || !node.outputs.some(isFloat32)) return 'float32';
  if (!followingOps.has(node.op)) return 'float16';
  const read = node.inputs.flatMap((input) => {
    if (input === null || !isFloat32(input) || constantTensor(input) !== undefined) return [];
    return [input.producer === undefined ? inputs : (choices.get(input.producer) ?? 'float32')];
  });
  const decided = read.filter((choice) => choice !== 'either');
  if (decided.length === 0) return 'either';
  // x / rms(x): the divisor is what makes the quotient exact.
  const exact = node.op === 'Div' ? decided.includes('float32') : !decided.includes('float16');
  return exact ? 'float32' : 'float16';
}

/** Whether the operator, where it takes or gives float32 here, may do so with float16. What is not known may not. */
function allowsFloat16(node: Node, version: number): boolean {
  const schema = opSchema(node.domain, node.opType, version);
  if (schema === undefined) return false;
  const allows = (values: readonly (Value | null)[], parameters: readonly Parameter[]): boolean =>
    values.every((value, index) => {
      const types = (parameters[index] ?? parameters.at(-1))?.types;
      return !isFloat32(value) || types?.has('float16') === true;
    });
  return allows(node.inputs, schema.inputs) && allows(node.outputs, schema.outputs);
}

function isFloat32(value: Value | null): boolean {
  return value?.type?.kind === 'tensor' && value.type.dtype === 'float32';
}
