/** What is in the file of a component, in words. */

interface Part {
  readonly kind: string;
  readonly modality: string;
}

/** `image and video encoder + projector`. */
export function rolesText(parts: readonly Part[]): string {
  const alike = new Map<string, string[]>();
  for (const each of new Set(parts.map(({ modality }) => modality))) {
    const kinds = parts.filter(({ modality }) => modality === each).map(({ kind }) => kind);
    const joined = kinds.join(' + ');
    alike.set(joined, [...(alike.get(joined) ?? []), each]);
  }
  return [...alike].map(([kinds, of]) => `${of.join(' and ')} ${kinds}`).join(', ');
}

/** `vision (image encoder + projector)`; the id alone where that says it all. */
export function componentText({
  id,
  holds,
}: {
  readonly id: string;
  readonly holds: readonly Part[];
}): string {
  const [only, ...others] = holds;
  const said = others.length === 0 && (only === undefined || (only.kind === id && only.modality === 'text'));
  return said ? id : `${id} (${rolesText(holds)})`;
}
