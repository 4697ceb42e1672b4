/** A head above the size of a part: its pieces give the columns of the whole, and no more than one is open at a time. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { placeParts } from '../../src/pipeline/check-parts.ts';
import { columnPieces } from '../../src/pipeline/column-pieces.ts';
import { float32Value, toFloat32 } from '../../src/runtime/values.ts';
import { cast } from '../../src/tensor/derived/cast.ts';
import { transpose2d } from '../../src/tensor/derived/transpose.ts';
import { inlineTensor, type Tensor } from '../../src/tensor/tensor.ts';

const [hidden, vocab] = [64, 1001];

/** [vocab, hidden], float16. */
const table: Tensor = inlineTensor(
  'float16',
  [vocab, hidden],
  new Uint8Array(Uint16Array.from({ length: vocab * hidden }, (_, i) => 0x2c00 + ((i * 7919) % 4096)).buffer),
);

function head(weight: Tensor, finish: (b: GraphBuilder, logits: Value) => void = () => {}): Model {
  const b = new GraphBuilder('head', inferNode);
  const x = b.input('x', tensorType('float32', [1, 'sequence_length', hidden]));
  const logits = b.op('MatMul', [b.op('Neg', [x]), b.weight('head', weight)]);
  b.output('logits', logits);
  finish(b, logits);
  return createModel(b.graph, 20);
}

const computed = transpose2d(cast(table, 'float32'));
const bytesOf = (model: Model): number => model.graph.value('head')?.initializer?.byteLength ?? 0;

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-pieces-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('pieces of a head', () => {
  it('hold every column once, and none more than the limit', () => {
    const limit = computed.byteLength / 3 + 1000;
    const pieces = columnPieces(head(computed), limit);
    expect(pieces.map((piece) => piece.graph.value('head')?.initializer?.shape)).toEqual([
      [hidden, 333],
      [hidden, 334],
      [hidden, 334],
    ]);
    for (const piece of pieces) expect(bytesOf(piece)).toBeLessThanOrEqual(limit);
  });

  it.each([1, 4])('give what the whole gives, in %i pieces', async (count) => {
    const limitBytes = Math.ceil(computed.byteLength / count);
    const signal = new AbortController().signal;
    const write = { memoryBytes: 2 ** 30, jobs: 1, nonFinite: 'keep' } as const;
    const placed = await placeParts(new Map([['reference', head(computed)]]), {
      scratch: folder,
      write,
      signal,
      limitBytes,
    });
    const x = Float32Array.from({ length: 3 * hidden }, (_, i) => Math.sin(i));
    const session = await placed.open('reference', 'cpu', true);
    const outputs = await session.run(new Map([['x', float32Value([1, 3, hidden], x)]]));
    expect([...outputs.keys()]).toEqual(['logits']);
    const logits = outputs.get('logits');
    expect(logits?.shape).toEqual([1, 3, vocab]);
    const weights = new Float32Array(
      (await cast(table, 'float32').read(0, 4 * vocab * hidden)).slice().buffer,
    );
    const found = logits === undefined ? [] : toFloat32(logits);
    let worst = 0;
    for (let row = 0; row < 3; row += 1) {
      for (let column = 0; column < vocab; column += 1) {
        let sum = 0;
        for (let k = 0; k < hidden; k += 1) {
          sum -= (x[row * hidden + k] ?? 0) * (weights[column * hidden + k] ?? 0);
        }
        worst = Math.max(worst, Math.abs(sum - (found[row * vocab + column] ?? Number.NaN)));
      }
    }
    expect(worst).toBeLessThan(1e-5);
    expect(session.placement?.map(({ operator }) => operator)).toContain('MatMul');
    await session.release();
    await placed.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('are not made of what is small, stands otherwise, or gives more than the product', () => {
    const sound = head(computed);
    expect(columnPieces(sound, computed.byteLength)).toEqual([sound]);
    const inFile = head(inlineTensor('float32', [hidden, vocab], new Uint8Array(4 * hidden * vocab)));
    expect(columnPieces(inFile, 1000)).toEqual([inFile]);
    const more = head(computed, (b, logits) => b.output('other', b.op('Neg', [logits])));
    expect(columnPieces(more, 1000)).toEqual([more]);
  });
});
