/**
 * Faults of what is Qwen2-VL's own, planted in the output only: the mask between frames, the rotation by rows and columns,
 * the sections of the decoder's rotary. The drawn sample has to show each of them: a video, and pictures that are no
 * squares.
 */
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../src/graph/graph.ts';
import type { Node } from '../../../src/graph/node.ts';
import { runParity } from '../../../src/parity/index.ts';
import type { Builds } from '../../../src/parity/stream/builds.ts';
import { constantTensor } from '../../../src/rewrite/constants.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { withStreamedCheck } from '../../support/streamed-check.ts';

const golden = goldenCase('qwen2-vl/tiny-two-images');

function nodeOf(graph: Graph, op: string, what: (node: Node) => boolean): Node {
  const found = [...graph.nodes()].find((node) => node.op === op && what(node));
  if (found === undefined) throw new Error(`no ${op} to change`);
  return found;
}

interface Fault {
  readonly what: string;
  readonly component: string;
  readonly plant: (graph: Graph) => void;
}

const faults: readonly Fault[] = [
  {
    what: 'frames that see each other',
    component: 'vision',
    plant: (graph) => {
      const hide = nodeOf(graph, 'Where', () => true);
      const shown = hide.input(1);
      if (shown !== undefined) graph.setInput(hide, 2, shown);
    },
  },
  {
    what: 'rows taken for columns',
    component: 'vision',
    plant: (graph) => {
      const angles = nodeOf(graph, 'Concat', (node) =>
        node.output.consumers().some((reader) => reader.op === 'Cos'),
      );
      const [row, column] = [angles.input(0), angles.input(1)];
      if (row === undefined || column === undefined) throw new Error('no angles of rows and columns');
      graph.setInput(angles, 0, column);
      graph.setInput(angles, 1, row);
    },
  },
  {
    what: 'one section of the rotary for all channels',
    component: 'decoder',
    plant: (graph) => {
      const axes = nodeOf(graph, 'Gather', (node) => node.input(0)?.name === 'position_ids').input(1);
      const tensor = axes === undefined ? undefined : constantTensor(axes);
      if (axes === undefined || tensor === undefined) throw new Error('no sections');
      graph.setInitializer(axes, inlineTensor('int64', tensor.shape, new Uint8Array(tensor.byteLength)));
    },
  },
];

describe(`${golden.name} in int4`, () => {
  const options = { precision: 'int4' } as const;

  it('passes as it is', async () => {
    const report = await withStreamedCheck({ golden, options }, (request) => runParity(request));
    expect(report.passed).toBe(true);
  });

  it.each(faults)('fails for $what', async ({ component, plant }) => {
    const change = async (id: string, { converted, exact }: Builds): Promise<void> => {
      if (id !== component) return;
      for (const model of [converted, exact]) if (model !== undefined) plant(model.graph);
    };
    const report = await withStreamedCheck({ golden, options, change }, (request) => runParity(request));
    // At the level that is tight in every precision, and in that component alone.
    const failed = report.gates.filter(({ passed, level }) => !passed && level === 'implementation');
    expect(new Set(failed.map((gate) => gate.component))).toEqual(new Set([component]));
  });
});
