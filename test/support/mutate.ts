/** Damages valid files at random, the same way for the same seed. */

/** Whole numbers below a bound, evenly spread; xorshift32. */
export function randomInts(seed: number): (below: number) => number {
  let state = Math.imul(seed, 2654435761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

type Random = (below: number) => number;

/** One way to damage `bytes`; `other` is another valid file, `place` an offset that matters. */
type Damage = (bytes: Uint8Array, other: Uint8Array, random: Random, place: () => number) => Uint8Array;

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Values at which readers of lengths, dimensions and types go wrong. */
const telling = [0x00, 0x01, 0x7f, 0x80, 0xff];

const damages: readonly Damage[] = [
  // Bits.
  (bytes, _other, random, place) => {
    const out = bytes.slice();
    for (let left = 1 + random(3); left > 0; left -= 1) {
      const at = place();
      out[at] = (out[at] ?? 0) ^ (1 << random(8));
    }
    return out;
  },
  // Bytes.
  (bytes, _other, random, place) => {
    const out = bytes.slice();
    for (let left = 1 + random(3); left > 0; left -= 1) {
      out[place()] = random(2) === 0 ? (telling[random(telling.length)] ?? 0) : random(256);
    }
    return out;
  },
  // The end is missing.
  (bytes, _other, _random, place) => bytes.slice(0, place()),
  // A piece is missing.
  (bytes, _other, random, place) => {
    const at = place();
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random(8)));
  },
  // A piece stands twice, or comes from another file.
  (bytes, other, random, place) => {
    const from = random(2) === 0 ? bytes : other;
    const [at, begin] = [place(), random(from.length)];
    const piece = from.subarray(begin, begin + 1 + random(random(2) === 0 ? 8 : 200));
    return joined(bytes.subarray(0, at), piece, bytes.subarray(at + (random(2) === 0 ? 0 : piece.length)));
  },
  // A number of ten bytes, as large as they come.
  (bytes, _other, random, place) => {
    const at = place();
    const long = Uint8Array.from({ length: 1 + random(10) }, (_, i) => (i === 9 ? 1 : 0xff));
    return joined(bytes.subarray(0, at), long, Uint8Array.of(random(128)), bytes.subarray(at + 1));
  },
];

/** `bytes` with one damage; `place` picks an offset of it. */
export function damaged(
  bytes: Uint8Array,
  other: Uint8Array,
  random: Random,
  place: () => number = () => random(bytes.length),
): Uint8Array {
  const damage = damages[random(damages.length)];
  return damage === undefined ? bytes : damage(bytes, other, random, place);
}
