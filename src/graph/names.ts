/** Free names for values and nodes: `base`, `base_1`, `base_2`, … */

/** Remembers how far each base has counted, so that a series of n names costs n look-ups and not n². */
export class FreshNames {
  readonly #counters = new Map<string, number>();

  /** The first of `base`, `base_1`, … that is not taken; it is not reserved. */
  pick(base: string, taken: (name: string) => boolean): string {
    if (!taken(base)) return base;
    let counter = this.#counters.get(base) ?? 1;
    while (taken(`${base}_${counter}`)) counter += 1;
    this.#counters.set(base, counter + 1);
    return `${base}_${counter}`;
  }
}
