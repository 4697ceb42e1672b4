/** Parts on their way: one is written while another runs, none is left behind, and what is equal runs once. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { type LaneRequest, type PlacedPart, runLanes } from '../../../src/parity/stream/lanes.ts';
import { cutModel } from '../../../src/parity/stream/parts.ts';
import type { Session } from '../../../src/runtime/session.ts';
import { float32Value, type RunTensor } from '../../../src/runtime/values.ts';
import { placeInMemory } from '../../support/streamed-check.ts';

/** x times 2, 3 and 5, or times `factors`. */
function product(...factors: readonly number[]): Model {
  const b = new GraphBuilder('product', inferNode);
  let value = b.input('x', tensorType('float32', [2]));
  for (const [index, factor] of factors.entries()) {
    value = b.op('Mul', [value, b.scalar(factor)], { name: `times${index}` });
  }
  b.output('y', value);
  return createModel(b.graph, 20);
}

const cuts = [['times0_out'], ['times1_out']];
const x = (value: number): RunTensor => float32Value([2], Float32Array.of(value, -value));

/** What happened: parts placed, run by lanes, released. */
class Log {
  readonly lines: string[] = [];
  readonly standing = new Set<number>();
  most = 0;
}

function request(
  log: Log,
  models: Readonly<Record<string, Model>>,
  more: Partial<LaneRequest> = {},
): LaneRequest {
  const parts = new Map(Object.entries(models).map(([name, model]) => [name, cutModel(model, cuts)]));
  const calls = [1, 10].map((value) => ({ feeds: new Map([['x', x(value)]]) }));
  return {
    parts,
    lanes: Object.keys(models).map((id) => ({ id, build: id, device: 'cpu', calls })),
    pairs: [],
    cache: new Map(),
    give: (_part, _call, _name, value) => value,
    trim: (_call, _name, value) => value,
    place: async (part): Promise<PlacedPart> => {
      log.lines.push(`place ${part}`);
      log.standing.add(part);
      log.most = Math.max(log.most, log.standing.size);
      const own = new Map([...parts].flatMap(([id, all]) => (all[part] ? [[id, all[part].model]] : [])));
      const placed = await placeInMemory(own);
      return {
        ...placed,
        release: async () => {
          log.standing.delete(part);
          log.lines.push(`release ${part}`);
        },
      };
    },
    onFeeds: (part, lanes, call) => log.lines.push(`run ${part} ${lanes.join('+')} ${call}`),
    recorded: [],
    onRecord: () => {},
    onPart: () => {},
    signal: undefined,
    ...more,
  };
}

describe('lanes', () => {
  it('go through a part while the next one is placed, and leave nothing', async () => {
    const log = new Log();
    await runLanes(request(log, { a: product(2, 3, 5) }));
    expect(log.lines.filter((line) => !line.startsWith('run'))).toEqual([
      'place 0',
      'place 1',
      'release 0',
      'place 2',
      'release 1',
      'release 2',
    ]);
    expect(log.lines.indexOf('place 1')).toBeLessThan(log.lines.indexOf('run 0 a 0'));
    expect([log.most, log.standing.size]).toEqual([2, 0]);
  });

  it('leave nothing when a run fails, or the next part cannot be placed', async () => {
    const log = new Log();
    const failing = request(log, { a: product(2, 3, 5) });
    const { place } = failing;
    const broken = async (part: number): Promise<PlacedPart> => {
      const placed = await place(part);
      const open = async (): Promise<Session> => {
        throw new Error('does not open');
      };
      return part === 1 ? { ...placed, open } : placed;
    };
    await expect(runLanes({ ...failing, place: broken })).rejects.toThrow('does not open');
    expect(log.lines).toContain('place 2');
    expect(log.standing.size).toBe(0);
    const unplaced = (part: number) => (part === 2 ? Promise.reject(new Error('is full')) : place(part));
    await expect(runLanes({ ...failing, place: unplaced })).rejects.toThrow('is full');
    expect(log.standing.size).toBe(0);
  });

  it('run once what is the same model over the same values, of the calls that are theirs', async () => {
    const log = new Log();
    const compared: [number, number, number][] = [];
    const asked = request(log, { a: product(2, 3, 5), b: product(2, 3, 7) });
    await runLanes({
      ...asked,
      lanes: asked.lanes.map((lane) => (lane.id === 'b' ? { ...lane, only: new Set([1]) } : lane)),
      pairs: [
        {
          reference: 'a',
          other: 'b',
          compare: (part, call, wanted, found) => {
            const ratio = (values: ReadonlyMap<string, RunTensor>) =>
              Number([...values.values()][0]?.data[0]);
            compared.push([part, call, ratio(found) / ratio(wanted)]);
          },
        },
      ],
    });
    expect(log.lines.filter((line) => line.startsWith('run'))).toEqual([
      ...['run 0 a 0', 'run 0 a+b 1', 'run 1 a 0', 'run 1 a+b 1'],
      ...['run 2 a 0', 'run 2 a 1', 'run 2 b 1'],
    ]);
    expect(compared.map(([part, call]) => [part, call])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
    expect(compared[2]?.[2]).toBeCloseTo(7 / 5, 6);
  });

  it('can be fed with what another one has there', async () => {
    const log = new Log();
    const asked = request(log, { a: product(2, 3, 5), b: product(4, 3, 5) });
    const ends: number[] = [];
    await runLanes({
      ...asked,
      lanes: asked.lanes.map((lane) => (lane.id === 'b' ? { ...lane, fedFrom: 'a' } : lane)),
      pairs: [
        {
          reference: 'a',
          other: 'b',
          compare: (_part, call, wanted, found) => {
            const [name] = [...wanted.keys()];
            if (call === 0)
              ends.push(Number(found.get(name ?? '')?.data[0]) / Number(wanted.get(name ?? '')?.data[0]));
          },
        },
      ],
    });
    // The first part of b is off by a factor of two, and no other.
    expect(ends).toEqual([2, 1, 1]);
    expect(log.lines).toContain('run 1 a+b 0');
  });
});
