/**
 * Markup with everything escaped that is not markup itself: `html` is the only way to make one, so that no name
 * from a checkpoint reaches the page as anything but text.
 */

const made = Symbol('markup');

export interface Markup {
  readonly [made]: string;
}

export type Part = Markup | string | number | undefined | readonly Part[];

/** Literal parts are markup; values are escaped text, markup, lists of both, or nothing (undefined). */
export function html(literals: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { [made]: literals.map((text, index) => text + render(parts[index])).join('') };
}

/** Text that is markup already: this module's style and script, which no report reaches. */
export function trusted(text: string): Markup {
  return { [made]: text };
}

/**
 * JSON inside a script element: `<` is escaped, so that no text of the report closes the element or opens a
 * comment in it.
 */
export function embeddedJson(json: string): Markup {
  return { [made]: json.replaceAll('<', '\\u003c') };
}

export function render(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  if (made in part) return part[made];
  return part.map(render).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => entities[char] ?? char);
}
