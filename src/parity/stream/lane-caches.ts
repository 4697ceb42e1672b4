/**
 * The caches that one lane's runs of a part gave, each for as long as a later run reads it. A cache [1, heads, slots,
 * head_dim] of a long prompt is tens of megabytes, and every step gives all of it again with one slot more: where it
 * begins with the one before it, byte for byte, the one before is kept as that beginning alone.
 */
import type { RunTensor } from '../../runtime/values.ts';

type Entry =
  | { readonly kind: 'whole'; readonly values: ReadonlyMap<string, RunTensor> }
  /** The first slots of a later call's, by name. */
  | { readonly kind: 'beginning'; readonly of: number; readonly slots: ReadonlyMap<string, number> };

export class LaneCaches {
  readonly #entries = new Map<number, Entry>();
  readonly #reads: number[];
  /** What was last made of a beginning, for lanes that are fed alike to see that they are. */
  #made: { readonly call: number; readonly values: Map<string, RunTensor> } = { call: -1, values: new Map() };

  /** `reads`: per call, how many runs read what it gave. */
  constructor(reads: readonly number[]) {
    this.#reads = [...reads];
  }

  /** Keeps what a call gave, if anything reads it. */
  set(call: number, values: ReadonlyMap<string, RunTensor>): void {
    if ((this.#reads[call] ?? 0) > 0) this.#entries.set(call, { kind: 'whole', values });
  }

  get(call: number, name: string): RunTensor | undefined {
    const entry = this.#entries.get(call);
    if (entry?.kind !== 'beginning') return entry?.values.get(name);
    if (this.#made.call !== call) this.#made = { call, values: new Map() };
    const known = this.#made.values.get(name);
    const slots = entry.slots.get(name);
    const whole = this.#wholeOf(entry.of)?.get(name);
    if (known !== undefined || slots === undefined || whole === undefined) return known;
    const value = slotsOf(whole, 0, slots);
    this.#made.values.set(name, value);
    return value;
  }

  /** Says that one of the runs that read `call` is done. */
  read(call: number): void {
    const rest = (this.#reads[call] ?? 0) - 1;
    this.#reads[call] = rest;
    if (rest > 0 || [...this.#entries.values()].some((one) => one.kind === 'beginning' && one.of === call))
      return;
    this.#entries.delete(call);
  }

  /** Keeps what `call` gave as the beginning of what its successor gave, where it is that. */
  shorten(call: number, successor: number): void {
    const [own, next] = [this.#entries.get(call), this.#entries.get(successor)];
    if (own?.kind !== 'whole' || next?.kind !== 'whole') return;
    const slots = new Map<string, number>();
    for (const [name, value] of own.values) {
      const longer = next.values.get(name);
      if (longer === undefined || !beginsWith(longer, value)) return;
      slots.set(name, value.shape[2] ?? 0);
    }
    this.#entries.set(call, { kind: 'beginning', of: successor, slots });
  }

  #wholeOf(call: number): ReadonlyMap<string, RunTensor> | undefined {
    const entry = this.#entries.get(call);
    return entry?.kind === 'beginning' ? this.#wholeOf(entry.of) : entry?.values;
  }
}

/** Whether a cache's first slots are another one, byte for byte. */
function beginsWith(longer: RunTensor, value: RunTensor): boolean {
  const [slots = 0, own = 0] = [longer.shape[2], value.shape[2]];
  const alike = longer.shape.every((dim, axis) => axis === 2 || dim === value.shape[axis]);
  if (longer.dtype !== value.dtype || value.shape.length !== 4 || own > slots || !alike) return false;
  const rowBytes = (value.shape[3] ?? 0) * value.data.BYTES_PER_ELEMENT;
  const [a, b] = [bytesOf(longer), bytesOf(value)];
  for (let head = 0; head < headsOf(value); head += 1) {
    const [from, at] = [head * slots * rowBytes, head * own * rowBytes];
    if (a.compare(b, at, at + own * rowBytes, from, from + own * rowBytes) !== 0) return false;
  }
  return true;
}

/** Slots [begin, end) of a cache. */
export function slotsOf(value: RunTensor, begin: number, end: number): RunTensor {
  const [batch = 1, heads = 1, slots = 0, width = 0] = value.shape;
  if (begin === 0 && end === slots) return value;
  const length = (end - begin) * width;
  const data = value.data.slice(0, headsOf(value) * length);
  for (let head = 0; head < headsOf(value); head += 1) {
    const from = (head * slots + begin) * width;
    // Both are of one type.
    (data as Float32Array).set(value.data.subarray(from, from + length) as Float32Array, head * length);
  }
  return { dtype: value.dtype, shape: [batch, heads, end - begin, width], data };
}

function headsOf({ shape: [batch = 1, heads = 1] }: RunTensor): number {
  return batch * heads;
}

function bytesOf({ data }: RunTensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
