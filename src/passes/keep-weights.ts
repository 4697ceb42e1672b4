/** Weights that a pass is told to leave as they are: `a|b*`, names of initializers or of modules, `*` for any text. */

export interface KeptWeights {
  has(name: string, scope: string | undefined): boolean;
  /** Patterns that nothing matched so far. */
  unmatched(): readonly string[];
}

export function keptWeights(text: string): KeptWeights {
  const patterns = text.split('|').filter((pattern) => pattern !== '');
  const used = new Set<string>();
  return {
    has: (name, scope) => {
      const found = patterns.filter(
        (one) => matches(one, name) || (scope !== undefined && matches(one, scope)),
      );
      for (const one of found) used.add(one);
      return found.length > 0;
    },
    unmatched: () => patterns.filter((one) => !used.has(one)),
  };
}

/** A text that pipeline text can hold and that matches the name. */
export function keepPattern(name: string): string {
  return name.replace(/[^\w./:@-]/g, '*');
}

/** Each piece between two stars where it is found first: later ones then have the most room. */
function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text === pattern;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
