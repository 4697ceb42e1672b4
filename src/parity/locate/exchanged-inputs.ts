/** Whether a node has two of its inputs in each other's place: then it gives what is wanted when they are put right. */
import { cloneModel } from '../../graph/clone.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { type Deviation, type DeviationRequest, deviations } from './first-deviation.ts';

/** What inputs are called where an operator has names for them that people know. */
const inputNames: Readonly<Record<string, readonly string[]>> = {
  'com.microsoft::MultiHeadAttention': ['query', 'key', 'value'],
};

export interface ExchangedInputs {
  readonly node: Node;
  /** `query and key`, `inputs 0 and 1`. */
  readonly inputs: string;
}

/** As many pairs are tried, each by a run. */
const mostPairs = 12;

export async function exchangedInputs(
  request: DeviationRequest,
  { value, nodes }: Deviation,
): Promise<ExchangedInputs | undefined> {
  const tried = nodes.after
    .flatMap((node) => pairsOf(node).map((pair) => ({ node, pair })))
    .slice(0, mostPairs);
  for (const { node, pair } of tried) {
    const after = cloneModel(request.after);
    const copy = [...after.graph.nodes()].find(({ name }) => name === node.name);
    const [a, b] = pair.map((index) => copy?.input(index));
    if (copy === undefined || a === undefined || b === undefined) continue;
    after.graph.setInput(copy, pair[0], b);
    after.graph.setInput(copy, pair[1], a);
    const left = await deviations({ ...request, after });
    if (left.some((other) => other.value.after === value.after)) continue;
    const names = inputNames[node.op];
    const inputs =
      names === undefined
        ? `inputs ${pair[0]} and ${pair[1]}`
        : pair.map((index) => names[index]).join(' and ');
    return { node, inputs };
  }
  return undefined;
}

/** Inputs of one shape that are no constants. */
function pairsOf(node: Node): readonly (readonly [number, number])[] {
  if (commutative.has(node.op)) return [];
  return node.inputs.flatMap((value, index) =>
    node.inputs
      .slice(index + 1)
      .flatMap((other, behind): (readonly [number, number])[] =>
        isLike(value, other) && value !== other ? [[index, index + 1 + behind]] : [],
      ),
  );
}

const commutative: ReadonlySet<string> = new Set(['Add', 'Mul', 'Max', 'Min', 'Equal', 'And', 'Or']);

function isLike(a: Value | null, b: Value | null): boolean {
  if (a === null || b === null || a.initializer !== undefined || b.initializer !== undefined) return false;
  if (a.type?.kind !== 'tensor' || b.type?.kind !== 'tensor') return false;
  return a.type.dtype === b.type.dtype && a.type.shape?.join() === b.type.shape?.join();
}
