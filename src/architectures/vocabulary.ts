/**
 * The words for what a multimodal model is made of, and the names by which options address its components: an id
 * (`audio_encoder`), a kind (`encoder`), or a modality and a kind (`image_encoder`).
 */
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import { componentText } from '../report/roles.ts';
import { quote } from '../report/show.ts';

/** Every kind, and what it does. */
export const componentKinds = {
  encoder: 'pictures, videos or sounds to features',
  projector: 'features to embeddings of the language model',
  embed: 'ids to embeddings: of text, or of codes of what is generated',
  decoder: 'the language model: embeddings to logits, over a cache',
  'output-projector': 'hidden states of the language model to what a generator takes: logits of codes',
  generator: 'codes to pictures',
} as const;

export type ComponentKind = keyof typeof componentKinds;

export const modalities = ['image', 'video', 'audio', 'text'] as const;

export type Modality = (typeof modalities)[number];

/** One part of a model, in those words. */
export interface Role {
  readonly kind: ComponentKind;
  readonly modality: Modality;
}

/** What names a component. `holds`: all that is in its file, where that is more than one part. */
export interface Named extends Role {
  readonly id: string;
  readonly holds?: readonly Role[];
}

/** All parts in a component's file, its own kind first. */
export function rolesOf({ kind, modality, holds }: Named): readonly Role[] {
  return holds ?? [{ kind, modality }];
}

/** A component as plans, reports and manifests name it. */
export interface ComponentSummary {
  readonly id: string;
  readonly kind: string;
  readonly modality: string;
  /** All parts of the model in its file; none of a graph that is no component. */
  readonly holds: readonly Role[];
}

export function componentSummary(component: Named): ComponentSummary {
  const { id, kind, modality } = component;
  return { id, kind, modality, holds: rolesOf(component) };
}

/** Kinds have hyphens, ids underscores: either is taken for the other. */
const plain = (name: string): string => name.replaceAll('-', '_');

/** What addresses a component, the more exact first. A part that stands in another's file has no address of its own. */
function addressesOf(component: Named): readonly string[] {
  const { id, kind } = component;
  const own = rolesOf(component).filter((role) => role.kind === kind);
  return [id, ...own.map(({ modality }) => `${modality}_${plain(kind)}`), plain(kind)];
}

/**
 * The ids that an address means, in the order of the components: an id means its component alone. Throws VC4006 where it
 * means none; `where` is the option.
 */
export function idsAt(address: string, components: readonly Named[], where: string): readonly string[] {
  const asked = plain(address);
  const exact = components.filter(({ id }) => plain(id) === asked);
  const found =
    exact.length > 0 ? exact : components.filter((component) => addressesOf(component).includes(asked));
  if (found.length > 0) return found.map(({ id }) => id);
  throw fail('VC4006', {
    where,
    found: quote(address),
    expected: components.map((one) => componentText(componentSummary(one))).join(', '),
    ...hintFor(asked, components),
  });
}

function hintFor(asked: string, components: readonly Named[]): { readonly hint?: string } {
  const holder = components.find((component) =>
    rolesOf(component).some(({ kind, modality }) =>
      [plain(kind), `${modality}_${plain(kind)}`].includes(asked),
    ),
  );
  if (holder !== undefined) return { hint: `it is in the file of ${holder.id}: name that` };
  const hint = didYouMean(asked, components.flatMap(addressesOf));
  return hint === undefined ? {} : { hint };
}

/**
 * Values by component id, of those given by address: the more exact address counts, an id before a modality and a kind,
 * and that before a kind. Throws VC4006 where an address means nothing, VC4022 where two as exact ones differ.
 */
export function byComponent<T>(
  given: Readonly<Record<string, T>>,
  components: readonly Named[],
  where: string,
): ReadonlyMap<string, T> {
  const best = new Map<string, { readonly rank: number; readonly address: string; readonly value: T }>();
  for (const [address, value] of Object.entries(given)) {
    for (const id of idsAt(address, components, where)) {
      const rank = rankOf(address, id);
      const before = best.get(id);
      if (before === undefined || rank < before.rank) best.set(id, { rank, address, value });
      else if (rank === before.rank && JSON.stringify(value) !== JSON.stringify(before.value)) {
        throw fail('VC4022', { where, found: `${before.address} and ${address}, which both mean ${id}` });
      }
    }
  }
  return new Map([...best].map(([id, { value }]) => [id, value]));
}

function rankOf(address: string, id: string): number {
  if (plain(address) === plain(id)) return 0;
  return Object.hasOwn(componentKinds, address.replaceAll('_', '-')) ? 2 : 1;
}
