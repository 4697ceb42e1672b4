/**
 * Which weights cost a component most by being rounded: part by part, the graph with all weights rounded is run beside
 * the one with the original weights, on the values of the latter, and once more with each weight given back. What the
 * error at the part's end drops by is what giving it back gains.
 */
import { cloneModel } from '../../graph/clone.ts';
import type { Model } from '../../graph/model.ts';
import type { Value } from '../../graph/value.ts';
import type { Device } from '../../runtime/session.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { valueError } from '../locate/value-error.ts';
import { blockName } from '../stream/curve.ts';
import { type CutOptions, findCuts } from '../stream/cuts.ts';
import { type Lane, type PartOutputs, runLanes } from '../stream/lanes.ts';
import { commonCuts, cutModel, type ModelPart } from '../stream/parts.ts';
import type { ComponentRun } from './component-run.ts';
import { headRows, type Parts, type Place, placePart } from './part-lanes.ts';
import type { Stage } from './stage.ts';

export interface RankRequest {
  /** A pass that rounds weights. */
  readonly stage: Stage;
  readonly run: ComponentRun;
  readonly cut: CutOptions;
  readonly device: Device;
  readonly place: Place;
  readonly onPart: (block: string) => void;
  readonly signal: AbortSignal | undefined;
}

export interface WeightGain {
  readonly name: string;
  readonly block: string;
  /** Share of the squared error at the end of its block that giving it back takes away; may be below 0. */
  readonly ofBlock: number;
  /** The same of the squared errors of all blocks. */
  readonly ofAll: number;
  /** What it takes more as it was. */
  readonly bytes: number;
}

export interface BlockLoss {
  readonly block: string;
  /** ‖error‖ / ‖value‖ at its end, of the rounding of its weights alone. */
  readonly relative: number;
  /** Of the squared errors of all blocks. */
  readonly share: number;
}

export interface WeightRanking {
  readonly blocks: readonly BlockLoss[];
  /** By what they gain per byte, the most first. */
  readonly weights: readonly WeightGain[];
}

/** Prompts, or pictures, that are run: each costs as many runs of every part as that has weights. */
const mostCalls = 2;

/** Throws what runs throw. */
export async function rankWeights(request: RankRequest): Promise<WeightRanking> {
  const { stage, run, cut, device, place, onPart, signal } = request;
  const { before, substitutes } = stage;
  const fair = stage.fair;
  const cuts = commonCuts(findCuts(before.graph, cut), [before.graph, fair.graph]);
  const original = cutModel(before, cuts);
  const rounded = cutModel(fair, cuts);
  // Biases and the scales of norms take too few bytes to be worth a run each.
  const isRanked = ({ name, initializer }: Value): boolean =>
    substitutes.has(name) && (initializer?.shape.length ?? 0) > 1;
  const weights = rounded.map(({ model }) =>
    [...model.graph.initializers()].filter(isRanked).map(({ name }) => name),
  );
  const slots = Array.from(
    { length: Math.max(0, ...weights.map(({ length }) => length)) },
    (_, slot) => slot,
  );
  const parts: Parts = new Map([
    ['original', original],
    ['rounded', rounded],
    ...slots.map((slot): [string, readonly ModelPart[]] => [
      `given back ${slot}`,
      rounded.map((part, index) => givenBack(part, original[index], weights[index]?.[slot])),
    ]),
  ]);
  const chosen = run.calls
    .flatMap(({ after }, call) => (after === undefined ? [call] : []))
    .slice(0, mostCalls);
  const calls = chosen.flatMap((call) => run.calls[call] ?? []);
  const others = ['rounded', ...slots.map((slot) => `given back ${slot}`)];
  const squares = original.map(() => new Map<string, number>());
  await runLanes({
    parts,
    lanes: [
      { id: 'original', build: 'original', device, calls },
      ...others.map((id): Lane => ({ id, build: id, device, calls, fedFrom: 'original' })),
    ],
    pairs: others.map((other) => ({
      reference: 'original',
      other,
      compare: (part, _call, wanted, found) => {
        const own = squares[part];
        own?.set(other, (own.get(other) ?? 0) + squaredError(wanted, found, run) / calls.length);
      },
    })),
    cache: run.cache,
    give: headRows(parts, (call, columns) => run.rows(chosen[call] ?? 0, columns)),
    trim: (_call, _name, value) => value,
    place: (part) => placePart(parts, part, place),
    recorded: [],
    onRecord: () => {},
    onPart: (part) => onPart(blockName(original, part)),
    signal,
  });
  const loss = (part: number, lane: string): number => squares[part]?.get(lane) ?? 0;
  const total = original.reduce((sum, _, part) => sum + loss(part, 'rounded'), 0);
  const bytes = new Map(stage.coverage.map((row) => [row.weight, row.bytesBefore - row.bytesAfter]));
  const gains = weights.flatMap((names, part) =>
    names.map((name, slot): WeightGain => {
      const all = loss(part, 'rounded');
      const gain = all - loss(part, `given back ${slot}`);
      const block = blockName(original, part);
      return {
        name,
        block,
        ofBlock: share(gain, all),
        ofAll: share(gain, total),
        bytes: bytes.get(name) ?? 0,
      };
    }),
  );
  return {
    blocks: original.map((_, part) => ({
      block: blockName(original, part),
      relative: Math.sqrt(loss(part, 'rounded')),
      share: share(loss(part, 'rounded'), total),
    })),
    weights: gains.sort((a, b) => perByte(b) - perByte(a)),
  };
}

function share(part: number, all: number): number {
  return all === 0 ? 0 : part / all;
}

function perByte({ ofAll, bytes }: WeightGain): number {
  return ofAll / Math.max(1, bytes);
}

function givenBack(part: ModelPart, original: ModelPart | undefined, name: string | undefined): ModelPart {
  const tensor = name === undefined ? undefined : original?.model.graph.value(name)?.initializer;
  if (name === undefined || tensor === undefined) return part;
  const model: Model = cloneModel(part.model);
  const value = model.graph.value(name);
  if (value === undefined) throw new RangeError(`the part has no ${name}`);
  model.graph.setInitializer(value, tensor);
  return { ...part, model };
}

/** Mean of ‖error‖² / ‖value‖² over what the part hands on; the cache is made on the way to it. */
function squaredError(wanted: PartOutputs, found: PartOutputs, { cache }: ComponentRun): number {
  const caches = new Set(cache.values());
  const ends = [...wanted].filter(([name, { dtype }]) => isFloat(dtype) && !caches.has(name));
  const sum = ends.reduce((squares, [name, value]) => {
    const other = found.get(name);
    return other === undefined ? squares : squares + valueError(value, other).relative ** 2;
  }, 0);
  return ends.length === 0 ? 0 : sum / ends.length;
}
