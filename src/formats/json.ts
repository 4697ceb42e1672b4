/**
 * Strict JSON from bytes that nobody vouches for: fatal UTF-8, a size cap before decoding, a depth cap, duplicate
 * keys seen, nothing beyond RFC 8259 (no NaN, no comments). Objects have no prototype: a key such as
 * `__proto__` or `constructor` is a key like any other.
 */
import type { JsonValue } from '../tensor/tensor.ts';

export interface JsonOptions {
  /** Refuse longer input, in bytes. */
  readonly maxBytes: number;
  /** Numbers are written as integers or refused: `4.0` and `1e3` are not dimensions. */
  readonly integersOnly?: boolean;
  /** Called for a key that an object holds twice, the last value then counts; default: it is an error. */
  readonly onDuplicateKey?: (key: string) => void;
}

/** Nested arrays and objects; serde_json, which most readers of these files use, stops at 128 too. */
const maxDepth = 128;

/** Why the input is not JSON, with its place: `line 3, column 7: expected ","`. */
export class JsonError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'JsonError';
  }
}

/** Parses UTF-8 JSON; throws a JsonError. A byte order mark is skipped. */
export function parseJson(bytes: Uint8Array, options: JsonOptions): JsonValue {
  if (bytes.byteLength > options.maxBytes) {
    throw new JsonError(`${bytes.byteLength} bytes, the limit is ${options.maxBytes}`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new JsonError('it is not UTF-8 text');
  }
  return new Parser(text, options).document();
}

const space = /[ \t\n\r]*/y;
const number = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
/** A run of plain characters of a string: up to a quote, an escape, a control character or a surrogate. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them unescaped
const plain = /[^"\\\u0000-\u001f\ud800-\udfff]*/y;
const surrogatePair = /[\ud800-\udbff][\udc00-\udfff]/y;
const hex4 = /[0-9a-fA-F]{4}/y;

const literals = { t: ['true', true], f: ['false', false], n: ['null', null] } as const;
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Parser {
  readonly #text: string;
  readonly #options: JsonOptions;
  #at = 0;
  #depth = 0;

  constructor(text: string, options: JsonOptions) {
    this.#text = text;
    this.#options = options;
  }

  document(): JsonValue {
    const value = this.#value();
    if (this.#next() !== '') throw this.#error('more text after the end of the value');
    return value;
  }

  #value(): JsonValue {
    const c = this.#next();
    if (c === '"') return this.#string();
    if (c === '{') return this.#nested(() => this.#object());
    if (c === '[') return this.#nested(() => this.#array());
    if (c === 't' || c === 'f' || c === 'n') {
      const [word, value] = literals[c];
      if (!this.#text.startsWith(word, this.#at)) throw this.#error('expected a value');
      this.#at += word.length;
      return value;
    }
    return this.#number();
  }

  #nested(parse: () => JsonValue): JsonValue {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw this.#error(`nested deeper than ${maxDepth}`);
    this.#at += 1;
    const value = parse();
    this.#depth -= 1;
    return value;
  }

  #object(): JsonValue {
    const object: Record<string, JsonValue> = Object.create(null);
    if (this.#take('}')) return object;
    do {
      if (this.#next() !== '"') throw this.#error('expected a key in double quotes');
      const key = this.#string();
      if (key in object) {
        if (this.#options.onDuplicateKey === undefined) {
          throw this.#error(`the key ${JSON.stringify(key.slice(0, 100))} appears twice`);
        }
        this.#options.onDuplicateKey(key);
      }
      if (!this.#take(':')) throw this.#error('expected ":"');
      object[key] = this.#value();
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#error('expected "," or "}"');
    return object;
  }

  #array(): JsonValue {
    const array: JsonValue[] = [];
    if (this.#take(']')) return array;
    do array.push(this.#value());
    while (this.#take(','));
    if (!this.#take(']')) throw this.#error('expected "," or "]"');
    return array;
  }

  #number(): number {
    const match = this.#match(number);
    if (match === null) {
      throw this.#error(this.#at === this.#text.length ? 'it ends before its value' : 'expected a value');
    }
    const value = Number(match[0]);
    if (this.#options.integersOnly && (match[1] ?? match[2]) !== undefined) {
      throw this.#error(`expected an integer, not ${match[0].slice(0, 40)}`);
    }
    if (!Number.isFinite(value)) throw this.#error('the number is too large');
    return value;
  }

  /** At an opening quote. */
  #string(): string {
    this.#at += 1;
    let value = '';
    for (;;) {
      value += this.#match(plain)?.[0] ?? '';
      const c = this.#text.charAt(this.#at);
      if (c === '"') {
        this.#at += 1;
        return value;
      }
      if (c === '\\') value += this.#escape();
      else if (c === '') throw this.#error('it ends inside a string');
      else if (c < ' ') throw this.#error('a control character inside a string');
      else value += this.#pair();
    }
  }

  #escape(): string {
    const c = this.#text.charAt(this.#at + 1);
    const simple = escapes[c];
    if (simple !== undefined) {
      this.#at += 2;
      return simple;
    }
    if (c !== 'u') throw this.#error('an unknown escape in a string');
    const first = this.#unit();
    if (first < 0xd800 || first > 0xdfff) return String.fromCharCode(first);
    if (first < 0xdc00 && this.#text.startsWith('\\u', this.#at)) {
      const second = this.#unit();
      if (second >= 0xdc00 && second <= 0xdfff) return String.fromCharCode(first, second);
    }
    throw this.#error('half of a surrogate pair in a string');
  }

  /** One `\uXXXX`. */
  #unit(): number {
    this.#at += 2;
    const match = this.#match(hex4);
    if (match === null) throw this.#error('expected four hexadecimal digits');
    return Number.parseInt(match[0], 16);
  }

  /** A character beyond the basic plane, as decoded from UTF-8: its surrogates always pair. */
  #pair(): string {
    const match = this.#match(surrogatePair);
    if (match === null) throw this.#error('half of a surrogate pair in a string');
    return match[0];
  }

  /** The next character that is not space, '' at the end. */
  #next(): string {
    this.#match(space);
    return this.#text.charAt(this.#at);
  }

  #take(c: string): boolean {
    if (this.#next() !== c) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #error(reason: string): JsonError {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    return new JsonError(`line ${line}, column ${column}: ${reason}`);
  }
}

/** True for a JSON object: neither null nor an array. */
export function isJsonObject(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
