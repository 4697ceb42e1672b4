/**
 * Arithmetic on dimensions. A dimension is a number, a symbol, or null for unknown; sums, differences and
 * products of symbols are kept as canonical text such as `past_sequence_length + sequence_length`, so that equal
 * expressions are equal strings. Symbols that are no such expression (`floor(h/14)`) count as one atom.
 */
import type { Dim } from '../types.ts';

/** Beyond these an expression becomes unknown: no graph needs them, and a hostile one could grow without end. */
const maxTerms = 16;
const maxLength = 256;

/** Monomial (its atoms, sorted) to coefficient; the constant has the key ''. */
type Polynomial = Map<string, number>;

const separator = '\u0000';

export function addDims(a: Dim, b: Dim): Dim {
  if (a === 0) return b;
  if (b === 0) return a;
  return combine(a, b, (x, y) => x + y, add);
}

export function subtractDims(a: Dim, b: Dim): Dim {
  if (b === 0) return a;
  return combine(
    a,
    b,
    (x, y) => x - y,
    (x, y) => add(x, multiply(y, new Map([['', -1]]))),
  );
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (a === 0 || b === 0) return 0;
  if (a === 1) return b;
  if (b === 1) return a;
  return combine(a, b, (x, y) => x * y, multiply);
}

/** a / b where b divides a whatever the symbols are; else null. */
export function divideDims(a: Dim, b: Dim): Dim {
  if (a === null || b === null || b === 0) return null;
  if (a === b) return 1;
  if (b === 1) return a;
  if (typeof a === 'number' && typeof b === 'number') return a % b === 0 ? a / b : null;
  const divisor = [...parse(b)];
  const [first] = divisor;
  if (first === undefined || divisor.length > 1) return null;
  const [atoms, coefficient] = first;
  const result: Polynomial = new Map();
  for (const [monomial, value] of parse(a)) {
    const left = monomial === '' ? [] : monomial.split(separator);
    for (const atom of atoms === '' ? [] : atoms.split(separator)) {
      const at = left.indexOf(atom);
      if (at < 0) return null;
      left.splice(at, 1);
    }
    result.set(left.join(separator), value / coefficient);
  }
  // A coefficient that is no integer prints as unknown.
  return print(result);
}

/** floor(a / n) for a positive number: the part that n divides stands outside of the rounding. */
export function floorDivideDims(a: Dim, n: number): Dim {
  if (a === null) return null;
  if (typeof a === 'number') return Math.floor(a / n);
  const [whole, rest]: [Polynomial, Polynomial] = [new Map(), new Map()];
  for (const [monomial, value] of parse(a)) {
    const remainder = monomial === '' ? ((value % n) + n) % n : value % n;
    if (remainder !== 0) rest.set(monomial, remainder);
    if (value !== remainder) whole.set(monomial, (value - remainder) / n);
  }
  const left = print(rest);
  if (left === null) return null;
  if (typeof left === 'number') return print(whole);
  return addDims(print(whole), `(floor(${isAtom(left) ? left : `(${left})`}/${n}))`);
}

/** Certainly not below 0, since no dimension is. */
export function isNonNegative(dim: Dim): boolean {
  if (dim === null) return false;
  const known = (atom: string) => !atom.startsWith('(') || atom.startsWith('(floor(');
  return [...parse(dim)].every(([monomial, value]) => value >= 0 && monomial.split(separator).every(known));
}

export function productOf(dims: readonly Dim[]): Dim {
  return dims.reduce<Dim>(multiplyDims, 1);
}

/** True or false when it is certain, undefined when the symbols could go either way. */
export function sameDim(a: Dim, b: Dim): boolean | undefined {
  if (a === null || b === null) return undefined;
  if (a === b) return true;
  const difference = subtractDims(a, b);
  return typeof difference === 'number' ? difference === 0 : undefined;
}

/** The dimension that two operands share when both must be equal: the more certain one. */
export function unifyDims(a: Dim, b: Dim): Dim {
  if (a === null) return b;
  return typeof b === 'number' ? b : a;
}

/** One dimension of a numpy broadcast; undefined when it is impossible. */
export function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === 1) return b;
  if (b === 1 || a === b) return a;
  if (typeof a === 'number' && typeof b === 'number') return undefined;
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  return null;
}

/** A numpy broadcast of shapes; undefined when it is impossible. */
export function broadcastShapes(shapes: readonly (readonly Dim[])[]): Dim[] | undefined {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result: Dim[] = new Array<Dim>(rank).fill(1);
  for (const shape of shapes) {
    for (const [index, dim] of shape.entries()) {
      const at = rank - shape.length + index;
      const joined = broadcastDim(result[at] ?? null, dim);
      if (joined === undefined) return undefined;
      result[at] = joined;
    }
  }
  return result;
}

function combine(
  a: Dim,
  b: Dim,
  numbers: (x: number, y: number) => number,
  polynomials: (x: Polynomial, y: Polynomial) => Polynomial,
): Dim {
  if (a === null || b === null) return null;
  if (typeof a === 'number' && typeof b === 'number') {
    const result = numbers(a, b);
    return Number.isSafeInteger(result) ? result : null;
  }
  return print(polynomials(parse(a), parse(b)));
}

function add(a: Polynomial, b: Polynomial): Polynomial {
  const result = new Map(a);
  for (const [monomial, value] of b) {
    const sum = (result.get(monomial) ?? 0) + value;
    if (sum === 0) result.delete(monomial);
    else result.set(monomial, sum);
  }
  return result;
}

function multiply(a: Polynomial, b: Polynomial): Polynomial {
  let result: Polynomial = new Map();
  for (const [left, x] of a) {
    for (const [right, y] of b) {
      const atoms = [...left.split(separator), ...right.split(separator)].filter((atom) => atom !== '');
      result = add(result, new Map([[atoms.sort().join(separator), x * y]]));
      if (result.size > maxTerms) return result;
    }
  }
  return result;
}

/** Symbolic terms by name, those with a plus first, the constant last; null when it grew too large. */
function print(polynomial: Polynomial): Dim {
  if (polynomial.size > maxTerms) return null;
  for (const value of polynomial.values()) if (!Number.isSafeInteger(value)) return null;
  if (polynomial.size === 0) return 0;
  const constant = polynomial.get('');
  if (polynomial.size === 1 && constant !== undefined) return constant;
  const terms = [...polynomial]
    .sort(([a, x], [b, y]) => rank(a, x) - rank(b, y) || (a < b ? -1 : 1))
    .map(([monomial, value]) => {
      const atoms = monomial === '' ? [] : monomial.split(separator);
      const factors = Math.abs(value) === 1 && atoms.length > 0 ? atoms : [`${Math.abs(value)}`, ...atoms];
      return { minus: value < 0, text: factors.join('*') };
    });
  const text = terms
    .map(({ minus, text }, index) =>
      index === 0 ? (minus ? `-${text}` : text) : `${minus ? ' - ' : ' + '}${text}`,
    )
    .join('');
  return text.length > maxLength ? null : text;
}

function rank(monomial: string, value: number): number {
  return monomial === '' ? 2 : value < 0 ? 1 : 0;
}

/** Reads what `print` writes; any other text is one atom, in brackets unless it is a name. */
function parse(dim: number | string): Polynomial {
  if (typeof dim === 'number') return dim === 0 ? new Map() : new Map([['', dim]]);
  return (
    (dim.length > maxLength ? undefined : parseSum(dim)) ?? new Map([[isAtom(dim) ? dim : `(${dim})`, 1]])
  );
}

function isAtom(text: string): boolean {
  return (
    /^[\p{L}_][\p{L}\p{N}_.]*$/u.test(text) || (text.startsWith('(') && closing(text, 0) === text.length)
  );
}

function parseSum(text: string): Polynomial | undefined {
  const terms = split(text, '+-');
  if (terms === undefined) return undefined;
  let result: Polynomial = new Map();
  for (const { sign, body } of terms) {
    let term: Polynomial = new Map([['', sign === '-' ? -1 : 1]]);
    const factors = split(body, '*');
    if (factors === undefined) return undefined;
    for (const factor of factors) {
      const trimmed = factor.body.trim();
      if (/^\d{1,15}$/.test(trimmed)) term = multiply(term, parse(Number(trimmed)));
      else if (isAtom(trimmed)) term = multiply(term, new Map([[trimmed, 1]]));
      else return undefined;
    }
    result = add(result, term);
  }
  return result;
}

/** Splits at operators that stand outside brackets; undefined when a part is empty or brackets do not match. */
function split(text: string, operators: string): { sign: string; body: string }[] | undefined {
  const parts: { sign: string; body: string }[] = [];
  let sign = '+';
  let begin = 0;
  let at = 0;
  if (operators.includes('-') && text.startsWith('-')) {
    sign = '-';
    begin = at = 1;
  }
  while (at <= text.length) {
    const character = text[at];
    if (character === '(') {
      const end = closing(text, at);
      if (end === undefined) return undefined;
      at = end;
      continue;
    }
    if (character === ')') return undefined;
    if (character === undefined || operators.includes(character)) {
      const body = text.slice(begin, at);
      if (body.trim() === '') return undefined;
      parts.push({ sign, body });
      sign = character ?? '+';
      begin = at + 1;
    }
    at += 1;
  }
  return parts;
}

/** The position after the bracket that closes the one at `open`. */
function closing(text: string, open: number): number | undefined {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return undefined;
}
