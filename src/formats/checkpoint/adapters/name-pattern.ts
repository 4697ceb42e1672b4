/**
 * The regular expressions of adapter configs, which choose modules by name. They come with a download and Python's
 * syntax, so they are not given to JavaScript's engine, which backtracks: this one walks all alternatives of a
 * pattern at once, in time that grows with pattern times name, and counts its steps.
 *
 * Known: literals, `.`, classes, groups, alternation, quantifiers (greedy and lazy match the same names), `^ $ \A \Z
 * \b \B`, `\d \w \s` and their opposites, `(?=…)` and `(?!…)`. Back references, flags and looking behind are refused.
 */

/** Why a pattern is not taken. */
export class PatternError extends Error {}

type Test = (char: string) => boolean;

type Node =
  | { readonly kind: 'char'; readonly test: Test }
  | { readonly kind: 'edge'; readonly test: (text: string, at: number) => boolean }
  | { readonly kind: 'ahead'; readonly body: Node; readonly wanted: boolean }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'any'; readonly choices: readonly Node[] }
  | { readonly kind: 'repeat'; readonly body: Node; readonly least: number; readonly most: number };

type Instruction =
  | { readonly op: 'char'; readonly test: Test }
  | { readonly op: 'edge'; readonly test: (text: string, at: number) => boolean }
  | { readonly op: 'ahead'; readonly program: readonly Instruction[]; readonly wanted: boolean }
  | { readonly op: 'fork'; readonly to: readonly number[] }
  | { readonly op: 'done' };

/** Patterns of unions of hundreds of names exist; what is longer is no pattern that someone wrote. */
const longestPattern = 1 << 14;
const mostInstructions = 1 << 15;
const deepest = 32;
/** Of all matches of one pattern, a second or two: a thousand modules may take thirty thousand steps each. */
const mostSteps = 3e7;

/** A pattern that names match as a whole. Throws PatternError. */
export class NamePattern {
  readonly source: string;
  readonly #program: readonly Instruction[];
  #steps = 0;

  constructor(source: string) {
    if (source.length > longestPattern) throw new PatternError(`${source.length} characters`);
    this.source = source;
    this.#program = new Compiler().compile(new Parser(source).parse());
  }

  /** Throws PatternError when the pattern takes too long. */
  matches(name: string): boolean {
    return this.#run(this.#program, name, 0, true);
  }

  /** True where the program gets through from `at` on: to the end of the text where `whole`, else to anywhere. */
  #run(program: readonly Instruction[], text: string, at: number, whole: boolean): boolean {
    let current: number[] = [0];
    for (let position = at; ; position++) {
      const seen = new Uint8Array(program.length);
      const next: number[] = [];
      const char = text[position];
      const stack = current.reverse();
      for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
        if (seen[index] === 1) continue;
        seen[index] = 1;
        this.#steps += 1;
        if (this.#steps > mostSteps) throw new PatternError('it takes too long to match');
        const instruction = program[index];
        switch (instruction?.op) {
          case 'done':
            if (!whole || position === text.length) return true;
            break;
          case 'fork':
            stack.push(...instruction.to);
            break;
          case 'edge':
            if (instruction.test(text, position)) stack.push(index + 1);
            break;
          case 'ahead':
            if (this.#run(instruction.program, text, position, false) === instruction.wanted) {
              stack.push(index + 1);
            }
            break;
          case 'char':
            if (char !== undefined && instruction.test(char)) next.push(index + 1);
            break;
          case undefined:
            throw new RangeError('a pattern runs past its end');
        }
      }
      if (next.length === 0 || char === undefined) return false;
      current = next;
    }
  }
}

type Fork = { op: 'fork'; to: readonly number[] };

class Compiler {
  /** Instructions made, those of what is looked ahead to included. */
  #made = 0;

  compile(node: Node): readonly Instruction[] {
    const program: Instruction[] = [];
    this.#emit(node, program);
    program.push({ op: 'done' });
    return program;
  }

  #emit(node: Node, program: Instruction[]): void {
    this.#made += 1;
    if (this.#made > mostInstructions) throw new PatternError('too many repetitions');
    switch (node.kind) {
      case 'char':
        program.push({ op: 'char', test: node.test });
        return;
      case 'edge':
        program.push({ op: 'edge', test: node.test });
        return;
      case 'ahead':
        program.push({ op: 'ahead', program: this.compile(node.body), wanted: node.wanted });
        return;
      case 'all':
        for (const part of node.parts) this.#emit(part, program);
        return;
      case 'any':
        this.#emitChoices(node.choices, program);
        return;
      case 'repeat':
        this.#emitRepeat(node, program);
    }
  }

  #emitChoices(choices: readonly Node[], program: Instruction[]): void {
    const fork: Fork = { op: 'fork', to: [] };
    program.push(fork);
    const ends: Fork[] = [];
    fork.to = choices.map((choice) => {
      const begin = program.length;
      this.#emit(choice, program);
      const end: Fork = { op: 'fork', to: [] };
      program.push(end);
      ends.push(end);
      return begin;
    });
    for (const end of ends) end.to = [program.length];
  }

  #emitRepeat({ body, least, most }: Extract<Node, { kind: 'repeat' }>, program: Instruction[]): void {
    for (let count = 0; count < least; count++) this.#emit(body, program);
    const endless = most === Number.POSITIVE_INFINITY;
    for (let count = 0; count < (endless ? 1 : most - least); count++) {
      const fork: Fork = { op: 'fork', to: [] };
      const begin = program.push(fork) - 1;
      this.#emit(body, program);
      if (endless) program.push({ op: 'fork', to: [begin] });
      fork.to = [begin + 1, program.length];
    }
  }
}

const isDigit: Test = (char) => /[0-9]/.test(char);
const isWord: Test = (char) => /[\p{L}\p{N}_]/u.test(char);
const isSpace: Test = (char) => /\s/.test(char);
const not =
  (test: Test): Test =>
  (char) =>
    !test(char);

/** What a letter after a backslash stands for. */
const classes: ReadonlyMap<string, Test> = new Map([
  ['d', isDigit],
  ['D', not(isDigit)],
  ['w', isWord],
  ['W', not(isWord)],
  ['s', isSpace],
  ['S', not(isSpace)],
]);
const controls: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
]);

const atStart = (_: string, at: number): boolean => at === 0;
const atEnd = (text: string, at: number): boolean => at === text.length;
const atWordEdge = (text: string, at: number): boolean =>
  isWord(text[at - 1] ?? ' ') !== isWord(text[at] ?? ' ');
const edges: ReadonlyMap<string, (text: string, at: number) => boolean> = new Map([
  ['A', atStart],
  ['Z', atEnd],
  ['b', atWordEdge],
  ['B', (text: string, at: number) => !atWordEdge(text, at)],
]);

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Node {
    const node = this.#choices();
    if (this.#at < this.#text.length) throw this.#wrong('a closing bracket without an opening one');
    return node;
  }

  #choices(): Node {
    const choices = [this.#sequence()];
    while (this.#take('|')) choices.push(this.#sequence());
    const [only] = choices;
    return choices.length === 1 && only !== undefined ? only : { kind: 'any', choices };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#text.length && !'|)'.includes(this.#peek())) parts.push(this.#repeated());
    return { kind: 'all', parts };
  }

  #repeated(): Node {
    let node = this.#atom();
    for (let count = this.#quantifier(); count !== undefined; count = this.#quantifier()) {
      if (node.kind === 'repeat' || node.kind === 'edge' || node.kind === 'ahead') {
        throw this.#wrong('a quantifier after what cannot be repeated');
      }
      node = { kind: 'repeat', body: node, least: count[0], most: count[1] };
      // Lazy or not, the same names match.
      this.#take('?');
    }
    return node;
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#take('?')) return [0, 1];
    const [all, from = '', comma, to = ''] = /^\{(\d*)(,?)(\d*)\}/.exec(this.#text.slice(this.#at)) ?? [];
    // As in Python, anything else in braces stands for itself.
    if (all === undefined || (from === '' && to === '')) return undefined;
    this.#at += all.length;
    const least = Number(from);
    const most = comma === '' ? least : to === '' ? Number.POSITIVE_INFINITY : Number(to);
    if (least > most || least > 1000 || (Number.isFinite(most) && most > 1000)) {
      throw this.#wrong(`the quantifier ${all}`);
    }
    return [least, most];
  }

  #atom(): Node {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'char', test: this.#class() };
      case '.':
        return { kind: 'char', test: (other) => other !== '\n' };
      case '^':
        return { kind: 'edge', test: atStart };
      case '$':
        return { kind: 'edge', test: atEnd };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        throw this.#wrong('a quantifier of nothing');
      default:
        return { kind: 'char', test: (other) => other === char };
    }
  }

  #group(): Node {
    this.#depth += 1;
    if (this.#depth > deepest) throw this.#wrong('groups nested too deep');
    let ahead: boolean | undefined;
    if (this.#take('?')) {
      const kind = this.#next();
      if (kind === '=' || kind === '!') ahead = kind === '=';
      else if (kind === 'P' && /^<\w+>/.test(this.#text.slice(this.#at))) {
        this.#at = this.#text.indexOf('>', this.#at) + 1;
      } else if (kind !== ':') throw this.#wrong(`(?${kind}`);
    }
    const body = this.#choices();
    if (!this.#take(')')) throw this.#wrong('a group that is not closed');
    this.#depth -= 1;
    return ahead === undefined ? body : { kind: 'ahead', body, wanted: ahead };
  }

  #escape(): Node {
    const char = this.#next();
    const edge = edges.get(char);
    if (edge !== undefined) return { kind: 'edge', test: edge };
    return { kind: 'char', test: this.#escaped(char) };
  }

  #escaped(char: string): Test {
    const test = classes.get(char);
    if (test !== undefined) return test;
    const control = controls.get(char);
    if (control === undefined && /[0-9A-Za-z]/.test(char)) throw this.#wrong(`\\${char}`);
    const literal = control ?? char;
    return (other) => other === literal;
  }

  #class(): Test {
    const tests: Test[] = [];
    const negated = this.#take('^');
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      const char = this.#next();
      if (char === '\\') {
        tests.push(this.#escaped(this.#next()));
        continue;
      }
      if (this.#peek() !== '-' || this.#text[this.#at + 1] === ']') {
        tests.push((other) => other === char);
        continue;
      }
      this.#at += 1;
      const last = this.#next();
      if (last === '\\' || last < char) throw this.#wrong(`the range ${char}-${last}`);
      tests.push((other) => char <= other && other <= last);
    }
    this.#at += 1;
    return (char) => tests.some((test) => test(char)) !== negated;
  }

  #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #next(): string {
    const char = this.#text[this.#at];
    if (char === undefined) throw this.#wrong('an end in the middle');
    this.#at += 1;
    return char;
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at += 1;
    return true;
  }

  #wrong(what: string): PatternError {
    return new PatternError(`${what} at character ${this.#at}`);
  }
}
