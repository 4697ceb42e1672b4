/**
 * A value for an input that nobody gave, by its element type, its name and what the graph does with it: masks let
 * everything through, positions count, ids lie inside their table, pictures look like pictures. Everything follows
 * from the seed and the input's name.
 */
import { fail } from '../../report/diagnostics.ts';
import type { PortSpec } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { elementCount } from '../../tensor/dtype.ts';
import { drawPicture, normalise } from '../inputs/picture.ts';
import { Random } from '../inputs/random.ts';
import type { Sizes } from './dimensions.ts';

export interface DrawContext {
  readonly seed: number;
  readonly sizes: Sizes;
  /** Length of the table that the input indexes, where it indexes one. */
  readonly bound: number | undefined;
  /** Masks close the last slots of the first sequence; default: they are open. */
  readonly padded?: boolean;
}

/** CLIP's, which most towers were trained with. */
const mean = [0.48145466, 0.4578275, 0.40821073] as const;
const std = [0.26862954, 0.26130258, 0.27577711] as const;

/** Ids of a table that is not known: every table has this many rows. */
const leastRows = 2;

/** float16 inputs are drawn as float32, which a session rounds. Throws VC6108 for types that cannot be drawn. */
export function drawValue(
  { name, dtype }: PortSpec,
  shape: readonly number[],
  context: DrawContext,
): RunTensor {
  const count = elementCount(shape);
  const random = new Random(
    [...name].reduce((sum, char) => Math.imul(sum, 31) + char.charCodeAt(0), context.seed),
  );
  switch (dtype) {
    case 'float32':
    case 'float16':
      return { dtype: 'float32', shape, data: drawFloats(name, shape, random, context) };
    case 'float64':
      return { dtype, shape, data: Float64Array.from(drawFloats(name, shape, random, context)) };
    case 'int64':
      return { dtype, shape, data: BigInt64Array.from(drawIntegers(name, shape, random, context), BigInt) };
    case 'int32':
      return { dtype, shape, data: Int32Array.from(drawIntegers(name, shape, random, context)) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(drawFlags(name, shape, context)) };
    case 'uint8':
      return { dtype, shape, data: Uint8Array.from({ length: count }, () => random.int(0, 256)) };
    case 'int8':
      return { dtype, shape, data: Int8Array.from({ length: count }, () => random.int(-128, 128)) };
    default:
      throw fail('VC6108', { where: name, found: dtype });
  }
}

function drawFloats(
  name: string,
  shape: readonly number[],
  random: Random,
  { seed, padded = false }: DrawContext,
): Float32Array {
  const count = elementCount(shape);
  // Ones open a mask that is multiplied, and shift all scores alike where it is added.
  if (/mask/i.test(name)) return Float32Array.from(drawMask(shape, padded));
  if (/bias/i.test(name)) return new Float32Array(count);
  const [batch = 0, channels, height = 0, width = 0] = shape;
  if (shape.length === 4 && channels === 3 && Math.min(height, width) >= 16) {
    const out = new Float32Array(count);
    for (let index = 0; index < batch; index += 1) {
      out.set(normalise(drawPicture(width, height, seed + index), mean, std), index * 3 * height * width);
    }
    return out;
  }
  // A sum of uniforms of variance one: bell shaped, as activations are.
  return Float32Array.from(
    { length: count },
    () => (random.unit() + random.unit() + random.unit() + random.unit() - 2) * Math.sqrt(3),
  );
}

function drawIntegers(
  name: string,
  shape: readonly number[],
  random: Random,
  { sizes, bound, padded = false }: DrawContext,
): number[] {
  const count = elementCount(shape);
  const total = sizes.past + sizes.sequence;
  const all = (value: number): number[] => Array.from({ length: count }, () => value);
  if (/mask/i.test(name)) return drawMask(shape, padded);
  if (/seqlens_k/i.test(name)) return all(total - 1);
  if (count === 1 && /total/i.test(name)) return all(total);
  if (count === 1 && /past/i.test(name)) return all(sizes.past);
  if (count === 1 && /len/i.test(name)) return all(sizes.sequence);
  if (/type_ids|segment/i.test(name)) return all(0);
  // Grids of one part: of none there is nothing to look at, and their shares of it divide by zero.
  if (/_grids$/i.test(name)) return all(1);
  if (/position/i.test(name)) {
    const last = shape.at(-1) ?? 1;
    return Array.from({ length: count }, (_, index) => sizes.past + (index % last));
  }
  return Array.from({ length: count }, () => random.int(0, bound ?? leastRows));
}

/** Open, or with the last quarter of the slots of the first sequence closed. */
function drawMask(shape: readonly number[], padded: boolean): number[] {
  const count = elementCount(shape);
  const slots = shape.findLast((size) => size > 1) ?? 1;
  const first = count / Math.max(shape.length > 1 ? (shape[0] ?? 1) : 1, 1);
  const open = slots - (padded ? Math.floor(slots / 4) : 0);
  return Array.from({ length: count }, (_, index) => (index < first && index % slots >= open ? 0 : 1));
}

function drawFlags(name: string, shape: readonly number[], { sizes, padded = false }: DrawContext): number[] {
  if (/mask/i.test(name)) return drawMask(shape, padded);
  const flag = /cache|past/i.test(name) && sizes.past === 0 ? 0 : 1;
  return Array.from({ length: elementCount(shape) }, () => flag);
}
