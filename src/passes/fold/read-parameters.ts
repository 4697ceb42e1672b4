/**
 * Brings small integers and single numbers into memory: they are parameters of the graph, not weights, and some
 * exporters keep even those in a file of their own, where no rule sees them.
 */

import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import { allNodes } from '../../rewrite/driver.ts';
import { elementCount, isFloat } from '../../tensor/dtype.ts';
import { inlineTensor, readAll, type Tensor } from '../../tensor/tensor.ts';

/** Elements of a list of integers; longer ones are tables. */
const longestList = 256;

/** Gives the number of constants that were read. */
export async function readParameters(model: Model): Promise<number> {
  let count = 0;
  const graphs = new Set<Graph>([model.graph, ...[...allNodes(model.graph)].map(({ graph }) => graph)]);
  for (const graph of graphs) {
    for (const value of graph.initializers()) {
      const { initializer } = value;
      if (value.isInput || !isParameter(initializer)) continue;
      const { dtype, shape } = initializer;
      graph.setInitializer(value, inlineTensor(dtype, shape, await readAll(initializer, 'keep')));
      count += 1;
    }
  }
  return count;
}

function isParameter({ origin, dtype, shape }: Tensor): boolean {
  if (origin.kind !== 'source' || dtype === 'string') return false;
  return elementCount(shape) <= (isFloat(dtype) ? 1 : longestList);
}
