/** The cache of a decoder: keys and values that are what was cached before, with the new ones appended. */
import type { Node } from '../../../graph/node.ts';
import type { Value } from '../../../graph/value.ts';

export interface Cache {
  readonly pastKey: Value;
  readonly newKey: Value;
  readonly pastValue: Value;
  readonly newValue: Value;
}

/** Keys and values [N, n, P + L, d] that are the past with the new slots appended, read by `node` alone and handed on. */
export function findCache(node: Node, k: Value, v: Value): Cache | undefined {
  const key = appended(k, node);
  const value = appended(v, node);
  if (key === undefined || value === undefined) return undefined;
  return { pastKey: key[0], newKey: key[1], pastValue: value[0], newValue: value[1] };
}

function appended(value: Value, reader: Node): readonly [Value, Value] | undefined {
  const concat = value.producer;
  const [past, now] = [concat?.input(0), concat?.input(1)];
  if (concat?.op !== 'Concat' || concat.inputs.length !== 2 || past === undefined || now === undefined)
    return undefined;
  const onSlots = concat.int('axis') === 2 || concat.int('axis') === -2;
  const alone = value.consumers().every((node) => node === reader);
  return onSlots && alone && past.isInput ? [past, now] : undefined;
}
