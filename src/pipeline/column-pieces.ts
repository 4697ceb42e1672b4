/**
 * A part that ends in a product larger than a part may be (the head of a large vocabulary: [hidden, vocab]), as pieces
 * that give some of its columns each. They are opened one after the other, so that one is in memory at a time, and look
 * like the part as a whole.
 */
import { cloneModel } from '../graph/clone.ts';
import type { Model } from '../graph/model.ts';
import { tensorType } from '../graph/types.ts';
import type { PlacedNode } from '../runtime/profile.ts';
import type { Session } from '../runtime/session.ts';
import type { RunData, RunTensor } from '../runtime/values.ts';
import { sliceRows } from '../tensor/derived/rows.ts';
import { transpose2d, untranspose } from '../tensor/derived/transpose.ts';

/**
 * The part itself where its only output is no product with a computed weight [K, N] above `limitBytes`; else models with
 * the same names that give columns of the output, in order.
 */
export function columnPieces(model: Model, limitBytes: number): readonly Model[] {
  const [output, ...others] = model.graph.outputs;
  const product = output?.producer;
  const weight = product?.op === 'MatMul' ? product.input(1) : undefined;
  const tensor = weight?.initializer;
  // [N, K]: rows of it are columns of the product.
  const rows = tensor?.shape.length === 2 ? untranspose(tensor) : undefined;
  const whole = others.length > 0 || tensor === undefined || tensor.byteLength <= limitBytes;
  if (whole || rows === undefined || weight === undefined || output === undefined) return [model];
  const [columns = 0] = rows.shape;
  const count = Math.min(columns, Math.ceil(tensor.byteLength / limitBytes));
  return Array.from({ length: count }, (_, index) => {
    const [begin, end] = [index, index + 1].map((at) => Math.floor((at * columns) / count)) as [
      number,
      number,
    ];
    const piece = cloneModel(model);
    const own = piece.graph.value(weight.name);
    const result = piece.graph.value(output.name);
    if (own === undefined || result?.type?.kind !== 'tensor') throw new RangeError('a clone has all values');
    piece.graph.setInitializer(own, transpose2d(sliceRows(rows, begin, end)));
    const { dtype, shape } = result.type;
    piece.graph.setType(result, tensorType(dtype, shape && [...shape.slice(0, -1), end - begin]));
    return piece;
  });
}

/** The pieces as one session. `open` opens one of them; throws as it does. */
export async function openPieces(count: number, open: (index: number) => Promise<Session>): Promise<Session> {
  const sessions = async <T>(index: number, body: (session: Session) => Promise<T>): Promise<T> => {
    const session = await open(index);
    try {
      return await body(session);
    } finally {
      await session.release();
    }
  };
  const { name, inputs, outputs } = await sessions(0, async (session) => session);
  let placement: readonly PlacedNode[] | undefined;
  return {
    name,
    inputs,
    outputs: outputs.map((port) => ({ ...port, shape: [...port.shape.slice(0, -1), 'columns'] })),
    get placement() {
      return placement;
    },
    run: async (feeds, wanted) => {
      const pieces: RunTensor[] = [];
      let at = '';
      for (let index = 0; index < count; index += 1) {
        await sessions(index, async (session) => {
          for (const [key, value] of await session.run(feeds, wanted)) {
            at = key;
            pieces.push(value);
          }
          placement ??= session.placement;
        });
      }
      return new Map([[at, joinColumns(pieces)]]);
    },
    release: async () => {},
  };
}

/** Values of one shape but for the last axis, joined on it. */
export function joinColumns(pieces: readonly RunTensor[]): RunTensor {
  const [first] = pieces;
  if (first === undefined) throw new RangeError('nothing to join');
  const widths = pieces.map(({ shape }) => shape.at(-1) ?? 0);
  const width = widths.reduce((sum, one) => sum + one, 0);
  const rows = first.shape.slice(0, -1).reduce((product, dim) => product * dim, 1);
  const data = new (first.data.constructor as new (length: number) => Float32Array)(rows * width);
  let begin = 0;
  for (const [index, piece] of pieces.entries()) {
    const own = widths[index] ?? 0;
    // All are of one type.
    const source = piece.data as Float32Array;
    for (let row = 0; row < rows; row += 1) {
      data.set(source.subarray(row * own, (row + 1) * own), row * width + begin);
    }
    begin += own;
  }
  return { dtype: first.dtype, shape: [...first.shape.slice(0, -1), width], data: data as RunData };
}
