/**
 * What a graph chooses by comparing numbers: the tokens that a resampler keeps, of which the rows behind are made. A choice
 * is no number with an error: one that rounding turns makes other rows. So a check cuts a graph before and behind a choice,
 * and asks three things apart:
 *
 * - what is compared (scores), which is a number like others;
 * - whether equal scores are chosen from alike, to the last place and where they tie: nothing is rounded in that;
 * - what is made of the same choice, the original's, by the original and by the output.
 *
 * What the output chooses by itself is counted besides. Nothing here knows a family.
 */
import { readsOf } from '../../graph/extract.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { float32Value, type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import type { ModelPart } from './parts.ts';

/** They give places of numbers, by how large these are. */
const choosing: ReadonlySet<string> = new Set(['TopK', 'ArgMax', 'ArgMin']);

/** Positions among the nodes where a choice begins, and where the first number is made of it. */
export function choiceEnds(nodes: readonly Node[]): readonly number[] {
  const ends: number[] = [];
  const chosen = new Set<Value>();
  let open = false;
  for (const [position, node] of nodes.entries()) {
    const outputs = node.outputs.filter((output) => output !== null);
    const reads = readsOf(node);
    const begins = choosing.has(node.op) && reads.some(isNumber) && outputs.some(isChosen);
    if (begins) {
      if (!open) ends.push(position);
      open = true;
    } else if (open && reads.some((value) => chosen.has(value)) && outputs.some(isNumber)) {
      ends.push(position);
      open = false;
    }
    if (!begins && !reads.some((value) => chosen.has(value))) continue;
    for (const output of outputs) if (!isNumber(output)) chosen.add(output);
  }
  return ends;
}

function isNumber({ type }: Value): boolean {
  return type?.kind === 'tensor' && isFloat(type.dtype);
}

/** A choice that nothing reads is none. */
function isChosen(output: Value): boolean {
  return !isNumber(output) && output.consumers().length > 0;
}

/** Whether a part chooses and does nothing else, so that from equal numbers it has to choose alike. */
export function choosesOnly({ model, crossing, outputs }: ModelPart): boolean {
  const made = model.graph.outputs.filter(({ name }) => crossing.includes(name));
  return outputs.length === 0 && made.length > 0 && made.every((value) => !isNumber(value));
}

/** The values that a part hands on which are choices. */
export function choicesOf({ model, crossing }: ModelPart): readonly string[] {
  return model.graph.outputs
    .filter((value) => crossing.includes(value.name) && !isNumber(value))
    .map(({ name }) => name);
}

/** Steps from the least number to the largest where ties are made: so few that many numbers share one. */
const steps = 8;

/** The numbers, so coarse that many tie; of no number that is not finite. */
export function withTies(value: RunTensor): RunTensor {
  const data = toFloat32(value);
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const one of data) {
    if (!Number.isFinite(one)) return value;
    least = Math.min(least, one);
    most = Math.max(most, one);
  }
  const step = (most - least) / steps || 1;
  return float32Value(
    value.shape,
    data.map((one) => Math.round((one - least) / step)),
  );
}
