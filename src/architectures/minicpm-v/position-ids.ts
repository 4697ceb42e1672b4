/**
 * Which row of the tower's position table a patch takes: version 2.5 counts a view of n patches as one row of them and
 * sorts patch i into one of `side` buckets by i / n. Where i · side / n is a whole number rounding decides, so that the
 * reference's float32 arithmetic is part of the rule: `torch.arange` on x86, 16 elements at a time.
 *
 * Source of the math: modeling_idefics2.py of transformers, which compares arange(0, 1 - 1e-6, 1 / n) with
 * arange(1 / side, 1, 1 / side); RangeFactoriesKernel.cpp of torch.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { codeOfDType } from '../../tensor/dtype.ts';

/** Elements that are computed in vectors: all but the rest of a division by this. */
const chunk = 16;
/** Elements of one vector, which are its first plus 0, 1, 2, … steps. */
const lanes = 8;

/** float32 [count]: start + i · step, rounded as `torch.arange` rounds it; start and step are doubles. */
function arange(start: number, step: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const lane = i < count - (count % chunk) ? i % lanes : 0;
    return Math.fround(start + (i - lane) * step) + lane * step;
  });
}

/** float32 [side - 1], rising: where bucket 1, 2, … begins. For some sides torch rounds up to one more, at 1. */
function boundaries(side: number): Float32Array {
  return arange(1 / side, 1 / side, Math.ceil((1 - 1 / side) / (1 / side))).subarray(0, side - 1);
}

/** The bucket of each of `count` patches. */
export function positionIds(count: number, side: number): readonly number[] {
  const begins = boundaries(side);
  const places = arange(0, Math.fround(1 / count), count);
  return Array.from(places, (place) => begins.filter((begin) => begin <= place).length);
}

/**
 * The same in the graph: `slots` int64 [L] counts from 0, `counts` int64 [V, 1] says of how many patches each view is;
 * → int64 [V, L]. What lies beyond a view's own patches is in some bucket, too.
 */
export function positionIdsOf(b: GraphBuilder, slots: Value, counts: Value, side: number): Value {
  const double = (x: Value): Value => b.op('Cast', [x], { attributes: { to: codeOfDType('float64') } });
  const float = (x: Value): Value => b.op('Cast', [x], { attributes: { to: codeOfDType('float32') } });
  const whole = b.op('Sub', [counts, b.op('Mod', [counts, b.int64([chunk], [])])]);
  const inChunk = b.op('Less', [slots, whole]);
  const lane = b.op('Where', [inChunk, b.op('Mod', [slots, b.int64([lanes], [])]), b.int64([0], [])]);
  // Products of a float32 and a small integer are exact in double, and so is the sum: what rounds are the casts.
  const step = double(float(b.op('Reciprocal', [double(counts)])));
  const first = double(float(b.op('Mul', [double(b.op('Sub', [slots, lane])), step])));
  const places = float(b.op('Add', [first, b.op('Mul', [double(lane), step])]));
  const begun = b.op('LessOrEqual', [
    b.float32(boundaries(side)),
    b.op('Unsqueeze', [places, b.int64([-1])]),
  ]);
  const counted = b.op('Cast', [begun], { attributes: { to: codeOfDType('int64') } });
  return b.op('ReduceSum', [counted, b.int64([-1])], { attributes: { keepdims: 0 } });
}
