/** Computations that several attentions read, made once: masks of all layers, mostly. Equal keys over equal inputs are equal. */
import type { Node } from '../../../graph/node.ts';
import type { Value } from '../../../graph/value.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';

export class Shared {
  readonly #ids = new Map<object, number>();
  readonly #values = new Map<string, Value>();

  /** The value that was made under this key before the rewriter's root, or a new one. */
  once(rewriter: Rewriter, key: string, inputs: readonly Value[], make: () => Value): Value {
    const full = [rewriter.graph, ...inputs].map((each) => this.#id(each)).join(' ') + key;
    const known = this.#values.get(full);
    if (known !== undefined && isAlive(known) && precedes(known.producer, rewriter.root)) return known;
    const made = make();
    this.#values.set(full, made);
    return made;
  }

  #id(object: object): number {
    const known = this.#ids.get(object) ?? this.#ids.size;
    this.#ids.set(object, known);
    return known;
  }
}

function isAlive(value: Value): boolean {
  return value.graph.value(value.name) === value;
}

/** A constant stands before everything. */
function precedes(node: Node | undefined, root: Node): boolean {
  if (node === undefined) return true;
  for (let later = node.next; later !== undefined; later = later.next) if (later === root) return true;
  return false;
}
