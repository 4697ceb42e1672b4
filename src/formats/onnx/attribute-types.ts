/** Our kinds of attributes and the numbers of AttributeProto.AttributeType. */
import type { AttributeKind } from '../../graph/attribute.ts';

export const attributeTypes: Readonly<Record<AttributeKind, number>> = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  'sparse-tensor': 11,
  'sparse-tensors': 12,
  type: 13,
  types: 14,
};

const kinds = new Map(Object.entries(attributeTypes).map(([kind, number]) => [number, kind]));

export function attributeKindOf(number: number): AttributeKind | undefined {
  return kinds.get(number) as AttributeKind | undefined;
}
