/** A small deterministic generator (Marsaglia's xorshift, 32 bits): the same seed draws the same on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Spreads nearby seeds over the state; zero is the one state that xorshift never leaves.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0 || 1;
    for (let i = 0; i < 8; i += 1) this.#next();
  }

  #next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** A number in [0, 1). */
  unit(): number {
    return this.#next() / 2 ** 32;
  }

  /** An integer in [low, high). */
  int(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low));
  }
}
