/**
 * A table of embeddings with the rows that are looked up alone: of the vocabulary's hundreds of thousands a check uses
 * hundreds, and the others need not be computed and written.
 */
import { cloneModel } from '../../graph/clone.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { permuteRows, type RowSegment } from '../../tensor/derived/rows.ts';
import { inlineTensor } from '../../tensor/tensor.ts';

/**
 * Gives the same for `ids` (at least 0) in the input of that name: tables [rows, …] that these alone look up keep their
 * rows, and the ids are looked up in a table of where they went. Itself where nothing gets much smaller by it.
 */
export function withUsedRows(model: Model, input: string, ids: ReadonlySet<number>): Model {
  const isLookup = (node: Node): boolean => {
    const tensor = node.input(0)?.initializer;
    const rows = tensor?.shape[0] ?? 0;
    return (
      node.op === 'Gather' &&
      (node.int('axis') ?? 0) === 0 &&
      node.input(1)?.name === input &&
      node.input(1)?.isInput === true &&
      node.input(0)?.consumers().length === 1 &&
      (tensor?.shape.length ?? 0) > 1 &&
      ids.size * 4 < rows &&
      [...ids].every((id) => id < rows)
    );
  };
  if (![...model.graph.nodes()].some(isLookup)) return model;
  const used = [...ids].sort((a, b) => a - b);
  const copy = cloneModel(model);
  const { graph } = copy;
  for (const node of [...graph.nodes()].filter(isLookup)) {
    const [table, asked] = [node.input(0), node.input(1)];
    if (table?.initializer === undefined || asked === undefined) throw new RangeError('a lookup has a table');
    const places = new BigInt64Array(table.initializer.shape[0] ?? 0);
    for (const [place, id] of used.entries()) places[id] = BigInt(place);
    graph.setInitializer(table, permuteRows(table.initializer, segmentsOf(used)));
    const where = graph.addInitializer(
      graph.freshName(`${table.name}/places`),
      inlineTensor('int64', [places.length], new Uint8Array(places.buffer)),
    );
    const moved = graph.addNode({ op: 'Gather', inputs: [where, asked] }, node);
    graph.setType(moved.output, asked.type);
    graph.setInput(node, 1, moved.output);
  }
  return copy;
}

/** Runs of rows that follow each other. */
function segmentsOf(rows: readonly number[]): readonly RowSegment[] {
  const segments: [number, number][] = [];
  for (const row of rows) {
    const last = segments.at(-1);
    if (last !== undefined && last[0] + last[1] === row) last[1] += 1;
    else segments.push([row, 1]);
  }
  return segments;
}
