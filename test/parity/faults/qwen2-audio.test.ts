/**
 * Faults of what is an audio encoder's own, planted in the output only: what hides silence, the positions, the mean over
 * pairs, the lengths. The drawn sounds have to show each of them, and the report the frame.
 */
import { describe, expect, it } from 'vitest';
import type { Graph } from '../../../src/graph/graph.ts';
import type { Node } from '../../../src/graph/node.ts';
import { runParity } from '../../../src/parity/index.ts';
import type { ParityReport } from '../../../src/parity/report/report.ts';
import { worstToken } from '../../../src/parity/report/tokens.ts';
import type { Builds } from '../../../src/parity/stream/builds.ts';
import { constantNumbers } from '../../../src/rewrite/constants.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { withStreamedCheck } from '../../support/streamed-check.ts';

const golden = goldenCase('qwen2-audio/tiny');

function nodeOf(graph: Graph, op: string, what: (node: Node) => boolean = () => true): Node {
  const found = [...graph.nodes()].find((node) => node.op === op && what(node));
  if (found === undefined) throw new Error(`no ${op} to change`);
  return found;
}

/** Numbers of an initializer, changed. */
function changeNumbers(
  graph: Graph,
  node: Node,
  input: number,
  change: (at: number, all: readonly number[]) => number,
) {
  const value = node.input(input);
  const numbers = constantNumbers(value);
  const type = value?.type;
  if (value === undefined || numbers === undefined || type?.kind !== 'tensor') throw new Error('no constant');
  const all = [...numbers];
  const own = BigInt64Array.from(all, (_, at) => BigInt(change(at, all)));
  graph.setInitializer(value, inlineTensor('int64', [all.length], new Uint8Array(own.buffer)));
}

interface Fault {
  readonly what: string;
  /** Among what failed. */
  readonly place: RegExp;
  readonly plant: (graph: Graph) => void;
}

const faults: readonly Fault[] = [
  {
    what: 'silence that is heard',
    place: /audio_encoder layer\.0, sound \d, position \d+/,
    plant: (graph) => {
      const hide = nodeOf(graph, 'Where');
      const shown = hide.input(1);
      if (shown !== undefined) graph.setInput(hide, 2, shown);
    },
  },
  {
    what: 'one position too few',
    place: /audio_encoder layer\.0, sound \d, position \d+/,
    plant: (graph) => changeNumbers(graph, nodeOf(graph, 'Less'), 0, (at, all) => (all[at] ?? 0) + 1),
  },
  {
    what: 'the mean of other pairs',
    place: /sound \d, frame \d+ \(\d\.\d\d s\), channel \d+/,
    plant: (graph) => {
      // [N, 50, 2, width] as [N, 2, 50, width]: positions that lie half a chunk apart.
      const mean = nodeOf(graph, 'ReduceMean');
      const pairs = mean.input(0)?.producer;
      if (pairs?.op !== 'Reshape') throw new Error('no pairs');
      changeNumbers(graph, pairs, 1, (at, all) => all[at === 1 ? 2 : at === 2 ? 1 : at] ?? 0);
      changeNumbers(graph, mean, 1, () => 1);
    },
  },
];

const options = { precision: 'int4' } as const;
async function checkWith(plant?: (graph: Graph) => void): Promise<ParityReport> {
  const change = async (id: string, { converted, exact }: Builds): Promise<void> => {
    if (id !== 'audio_encoder' || plant === undefined) return;
    for (const model of [converted, exact]) if (model !== undefined) plant(model.graph);
  };
  return withStreamedCheck({ golden, options, change }, (request) => runParity(request));
}

describe(`${golden.name} in int4`, () => {
  it('passes as it is, with an error for every frame that counts', async () => {
    const report = await checkWith();
    expect(report.passed).toBe(true);
    const fidelity = report.levels.find(({ level }) => level === 'fidelity');
    const features = fidelity?.outputs.find(({ output }) => output === 'features');
    expect(features?.name).toBe('audio_features');
    expect(features?.metrics.rows).toBe(41 + 18);
    const maps = features?.metrics.tokens ?? [];
    expect(maps.map(({ view, rows, columns, seconds }) => [view, rows, columns, seconds])).toEqual([
      ['sound 0', 1, 41, 0.04],
      ['sound 1', 1, 18, 0.04],
    ]);
    expect(worstToken(maps)?.text).toMatch(/^sound \d, frame \d+ \(\d\.\d\d s\): 0\.\d+/);
    expect(report.audio).toEqual({
      ...{ seconds: 2, tokens: 50 },
      summary: 'sounds of up to 2 s → 200 frames → 50 tokens',
    });
  });

  it.each(faults)('fails for $what', async ({ plant, place }) => {
    const report = await checkWith(plant);
    // At the level that is tight in every precision, and in that component alone.
    const failed = report.gates.filter(({ passed, level }) => !passed && level === 'implementation');
    expect(new Set(failed.map((gate) => gate.component))).toEqual(new Set(['audio_encoder']));
    // A block that is fed with what the original has there keeps its fault to itself.
    const places = failed.flatMap(({ where }) => where ?? []);
    expect(places.join('; ')).toMatch(place);
  });

  it('stops where the graph counts other tokens than the prompt', async () => {
    const longer = (graph: Graph): void => {
      const half = [...graph.nodes()].find(({ outputs }) =>
        outputs.some((value) => value?.name === 'audio_lengths'),
      );
      if (half === undefined) throw new Error('no lengths');
      const by = half.input(1);
      if (by !== undefined)
        graph.setInitializer(by, inlineTensor('int64', [], new Uint8Array(new BigInt64Array([3n]).buffer)));
    };
    await expect(checkWith(longer)).rejects.toThrow('VC6102');
    await expect(checkWith(longer)).rejects.toThrow('audio_lengths');
  });
});
