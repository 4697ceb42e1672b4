/** Bounds the bytes in flight: whoever wants to hold some waits until they fit. */
export class ByteBudget {
  readonly capacity: number;
  #free: number;
  readonly #waiting: { bytes: number; grant: () => void }[] = [];

  constructor(capacity: number) {
    if (!(capacity > 0)) throw new RangeError(`a budget of ${capacity} bytes`);
    this.capacity = capacity;
    this.#free = capacity;
  }

  /**
   * Waits for `bytes` and resolves to the function that gives them back. Requests are granted in order. One that
   * exceeds the capacity is granted when nothing else is held.
   */
  async acquire(bytes: number): Promise<() => void> {
    const held = Math.min(bytes, this.capacity);
    if (this.#waiting.length > 0 || held > this.#free) {
      await new Promise<void>((grant) => this.#waiting.push({ bytes: held, grant }));
    } else {
      this.#free -= held;
    }
    return () => this.#release(held);
  }

  #release(bytes: number): void {
    this.#free += bytes;
    for (
      let next = this.#waiting[0];
      next !== undefined && next.bytes <= this.#free;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#free -= next.bytes;
      next.grant();
    }
  }
}
