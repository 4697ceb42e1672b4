/** What went wrong, as far as a check can tell: the block, the kind of tensor, the place in the picture or the text. */
import type { Level } from '../gates.ts';

/**
 * `weight`, `zero points`, `scales`, `codes`, `adapter` and `resized table`: that constant has other values than it
 * should. `exchanged inputs` of an operator, `exchanged views` of a picture: right values in each other's place.
 * `overflow`: values beyond float16. `operator`: it gives other values though its weights and what it reads are right.
 * `rounding`: what the precision costs is more than the limit, and no more can be told. `device`: its own arithmetic.
 * `unknown`: nothing but the gate.
 */
export const findingKinds = [
  'weight',
  'zero points',
  'scales',
  'codes',
  'adapter',
  'resized table',
  'exchanged inputs',
  'exchanged views',
  'overflow',
  'operator',
  'rounding',
  'device',
  'unknown',
] as const;

export type FindingKind = (typeof findingKinds)[number];

export interface Finding {
  readonly level: Level;
  readonly component: string;
  /** Of the component's curve; left out where no block stands out. */
  readonly block?: { readonly index: number; readonly name: string };
  /** As many more blocks of the component are off at the level, without a finding of their own. */
  readonly otherBlocks: number;
  readonly kind: FindingKind;
  /** Views, tokens or positions that the error is confined to; empty where it is everywhere. */
  readonly places: readonly string[];
  /** What makes the first value that is off, though all that it is made from is right. */
  readonly node?: { readonly name: string; readonly operator: string; readonly value: string };
  /** Constants of that node that are wrong, the worst first. */
  readonly tensors: readonly { readonly name: string; readonly what: string }[];
  /** A few words more, such as the inputs that were exchanged. */
  readonly detail?: string;
}

/** One line without a full stop: `decoder, block 1 (layer.1): zero points of layer.1.down_proj.weight (…)`. */
export function findingText({
  component,
  block,
  otherBlocks,
  kind,
  places,
  node,
  tensors,
  detail,
  level,
}: Finding): string {
  const where = block === undefined ? component : `${component}, block ${block.index} (${block.name})`;
  const more = otherBlocks === 0 ? '' : ` and ${otherBlocks} more`;
  const [tensor, ...others] = tensors;
  const named = tensor === undefined ? '' : ` ${tensor.name}${tensor.what === '' ? '' : ` (${tensor.what})`}`;
  const rest = others.length === 0 ? '' : `, and ${others.length} more`;
  const parts = [
    `${kindText(kind)}${named}${rest}`,
    ...(detail === undefined ? [] : [detail]),
    ...(node === undefined ? [] : [`${node.operator} ${node.name}`]),
    ...(places.length === 0 ? [] : [`only in ${places.join(', ')}`]),
  ];
  return `${where}${more}, at ${level}: ${parts.join('; ')}`;
}

function kindText(kind: FindingKind): string {
  const texts: Readonly<Partial<Record<FindingKind, string>>> = {
    weight: 'wrong weight',
    'zero points': 'wrong zero points of',
    scales: 'wrong scales of',
    codes: 'wrong codes of',
    adapter: 'wrongly merged adapter in',
    'resized table': 'wrongly resized table',
    overflow: 'values beyond float16',
    operator: 'another result from the same weights and inputs',
    rounding: 'more is lost by rounding weights than the limit allows',
    device: 'the device computes it otherwise',
    unknown: 'a gate failed, and no block stands out',
  };
  return texts[kind] ?? kind;
}
