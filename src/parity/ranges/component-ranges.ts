/** What was measured of a component, as the report has it. */
import type { Model } from '../../graph/model.ts';
import type { Value } from '../../graph/value.ts';
import type { ComponentRanges, NonFinitePlace, ValueRange } from '../report/range-report.ts';
import { headroom } from './float16-range.ts';
import type { CallReading, Measured, MeasureRequest, RangeModels } from './measure.ts';
import type { ElementPlace } from './places.ts';

/** The runs of a component, and where in words their elements are. */
export interface ComponentCalls {
  readonly calls: MeasureRequest['calls'];
  readonly place: (call: number) => ElementPlace;
}

/** Values that are listed per component: those nearest to the limit. */
const listed = 20;
const listedInside = 5;

export function summariseRanges(
  component: string,
  models: RangeModels,
  measured: Measured,
  { place }: ComponentCalls,
): ComponentRanges {
  const { choice, blocks, readings, nonFinite } = measured;
  const rowOf = (
    shown: Value | undefined,
    read: Value | undefined,
    reading: CallReading & { readonly block: number },
  ): ValueRange => ({
    value: shown?.name ?? '',
    node: shown?.producer?.name ?? '',
    operator: shown?.producer?.op ?? '',
    block: blocks[reading.block] ?? '',
    max: reading.max,
    headroom: Number.isFinite(reading.max) ? headroom(reading.max) : 0,
    where: place(reading.call)(reading.shape, reading.index, read),
  });
  const counted = [...choice.counted].flatMap(([name, source]) => {
    const shown = models[choice.isHalf ? 'converted' : 'plain'].graph.value(name);
    const exact = source === undefined ? undefined : readings.plain.get(source);
    if (exact !== undefined) {
      const read = models.plain.graph.value(source ?? '');
      return [{ block: exact.block, row: rowOf(shown, read, exact) }];
    }
    const own = readings.converted.get(name);
    // What is no longer finite carries on what another value lost.
    if (own === undefined || (own.suspect && nonFinite?.value !== name)) return [];
    return [{ block: own.block, row: rowOf(shown, shown, own) }];
  });
  const inside = [...choice.inside].flatMap((name) => {
    const reading = readings.plain.get(name);
    const value = models.plain.graph.value(name);
    return reading === undefined ? [] : [rowOf(value, value, reading)];
  });
  return {
    component,
    float16: choice.isHalf,
    values: counted.length,
    nearest: least(counted.map(({ row }) => row)).slice(0, listed),
    inside: least(inside).slice(0, listedInside),
    blocks: blocks.flatMap((name, block) => {
      const [nearest] = least(counted.filter((one) => one.block === block).map(({ row }) => row));
      return nearest === undefined ? [] : [{ name, max: nearest.max, headroom: nearest.headroom }];
    }),
    ...(nonFinite === undefined ? {} : { nonFinite: placeOf(models.converted, nonFinite, blocks, place) }),
  };
}

/** Least headroom first; values of zeros alone have no end of it and say nothing. */
function least(rows: readonly ValueRange[]): readonly ValueRange[] {
  return rows
    .filter((row) => row.headroom < Number.POSITIVE_INFINITY)
    .sort((a, b) => a.headroom - b.headroom || (a.value < b.value ? -1 : 1));
}

function placeOf(
  model: Model,
  found: NonNullable<Measured['nonFinite']>,
  blocks: readonly string[],
  place: ComponentCalls['place'],
): NonFinitePlace {
  const { value, node, operator, count, elements, shape, index, call, block } = found;
  const where = place(call)(shape, index, model.graph.value(value));
  return { value, node, operator, block: blocks[block] ?? '', count, elements, where };
}
