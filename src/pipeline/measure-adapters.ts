/**
 * What adapters do to the weights, measured: how far each weight moves, and how much of that is left when it is rounded
 * to float16. An adapter that changes nothing, that is not finite, or whose changes rounding takes back, would pass
 * every comparison of outputs that is not looking for it.
 *
 * Small weights are read whole, large ones in bands of rows spread over them: a hundredth of what the conversion reads.
 */
import type { AdaptedTensor, AppliedAdapter } from '../formats/checkpoint/adapters/apply.ts';
import { bytesOf, viewAs } from '../kernels/bytes.ts';
import { convert } from '../kernels/convert.ts';
import type { AdapterChange, AdapterRecord } from '../parity/index.ts';
import { type DiagnosticRecord, diagnostic, fail } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { quote } from '../report/show.ts';
import { cast } from '../tensor/derived/cast.ts';
import { lowRankParts } from '../tensor/derived/low-rank-update.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { matrixOf } from '../tensor/window.ts';
import type { CompiledComponent } from './compile.ts';
import { holdsNonFinite } from './engine/non-finite-bytes.ts';
import type { ResolvedOptions } from './options.ts';
import type { Prepared } from './plan.ts';

/** What is known of adapters before anything is read. */
export function describeAdapters(
  adapters: readonly AppliedAdapter[],
  components: readonly CompiledComponent[],
): readonly AdapterRecord[] {
  return adapters.map(({ name, share, tensors, changes }) => ({
    name,
    share,
    tensors,
    changes: changes.map((one): AdapterChange => {
      const { module, kind, rank, scale } = one;
      return {
        tensor: one.name,
        module,
        kind,
        ...(rank === undefined ? {} : { rank }),
        ...(scale === undefined ? {} : { scale }),
        component: readerOf(one, components)?.component.id ?? null,
      };
    }),
  }));
}

/** A weight keeps its name in the reference graphs. */
function readerOf({ name }: AdaptedTensor, components: readonly CompiledComponent[]) {
  return components.find(({ component }) => component.model.graph.value(name)?.initializer !== undefined);
}

/** What was prepared, with what adapters do measured. Throws as `measureAdapters` does. */
export async function withMeasures(
  prepared: Prepared,
  adapters: readonly AppliedAdapter[],
  options: Pick<ResolvedOptions, 'lora'>,
  signal: AbortSignal,
): Promise<Prepared> {
  if (adapters.length === 0) return prepared;
  const { plan, components } = prepared;
  const { records, warnings } = await measureAdapters(adapters, components, options, signal);
  return {
    ...prepared,
    plan: { ...plan, adapters: records, warnings: [...plan.warnings, ...warnings] },
  };
}

/** At least half of a change should be there. */
const leastKept = 0.5;

/** Throws VC1311 for adapters that hold, or give, values that are not finite. */
async function measureAdapters(
  adapters: readonly AppliedAdapter[],
  components: readonly CompiledComponent[],
  { lora }: Pick<ResolvedOptions, 'lora'>,
  signal: AbortSignal,
): Promise<{ readonly records: readonly AdapterRecord[]; readonly warnings: readonly DiagnosticRecord[] }> {
  const warnings: DiagnosticRecord[] = [];
  const records: AdapterRecord[] = [];
  for (const [index, described] of describeAdapters(adapters, components).entries()) {
    const adapter = adapters[index];
    if (adapter === undefined) throw new RangeError('an adapter that was not applied');
    await refuseNonFinite(adapter, signal);
    const changes: AdapterChange[] = [];
    for (const [at, one] of adapter.changes.entries()) {
      signal.throwIfAborted();
      const known = described.changes[at];
      if (known === undefined) throw new RangeError('a change that was not described');
      const apart = lora !== 'merge' && lowRankParts(one.after) !== undefined;
      const narrow = !apart && readerOf(one, components)?.precision === 'fp16';
      changes.push({ ...known, ...(await measure(one, narrow)) });
    }
    records.push({ ...described, changes });
    warnings.push(...warningsOf({ ...described, changes }));
  }
  return { records, warnings };
}

/** Bytes read at once. */
const chunkBytes = 16 << 20;

async function refuseNonFinite({ factors }: AppliedAdapter, signal: AbortSignal): Promise<void> {
  for (const { name, tensor } of factors) {
    for (let begin = 0; begin < tensor.byteLength; begin += chunkBytes) {
      signal.throwIfAborted();
      const bytes = await tensor.read(begin, Math.min(begin + chunkBytes, tensor.byteLength));
      if (holdsNonFinite(tensor.dtype, bytes)) {
        throw fail('VC1311', { where: name, found: 'a value that is not finite' });
      }
    }
  }
}

/** Elements of a tensor that are looked at, about. */
const sampleElements = 1 << 18;
const bands = 16;

async function measure(
  { name, before, after, rows: own }: AdaptedTensor,
  narrow: boolean,
): Promise<Pick<AdapterChange, 'change' | 'kept' | 'sampled'>> {
  const [rows, columns] = matrixOf(after.shape);
  const ranges = own === undefined ? sampleRanges(rows, columns) : own.map((row) => [row, row + 1] as const);
  const sums = { weight: 0, change: 0, kept: 0 };
  let looked = 0;
  for (const [begin, end] of ranges) {
    looked += end - begin;
    const read = async (tensor: Tensor): Promise<Float32Array> => {
      const wide = cast(tensor, 'float32');
      return viewAs(Float32Array, await wide.read(begin * columns * 4, end * columns * 4));
    };
    const [old, now] = [await read(before), await read(after)];
    const [oldNarrow, nowNarrow] = narrow ? [throughFloat16(old), throughFloat16(now)] : [old, now];
    for (const [at, value] of now.entries()) {
      const weight = old[at] as number;
      const change = value - weight;
      sums.weight += weight * weight;
      sums.change += change * change;
      sums.kept += change * ((nowNarrow[at] as number) - (oldNarrow[at] as number));
    }
  }
  if (!Number.isFinite(sums.change)) {
    throw fail('VC1311', { where: quote(name), found: 'a value that is not finite' });
  }
  return {
    change: sums.change === 0 ? 0 : Math.sqrt(sums.change / sums.weight),
    ...(narrow && sums.change > 0 ? { kept: sums.kept / sums.change } : {}),
    ...(own !== undefined || looked === rows ? {} : { sampled: { rows: looked, of: rows } }),
  };
}

/** The values that float16 has for these. */
function throughFloat16(values: Float32Array): Float32Array {
  const narrow = convert(bytesOf(values), 'float32', 'float16', true);
  return viewAs(Float32Array, convert(narrow, 'float16', 'float32', false));
}

/** All rows of a small matrix, else bands of them, evenly spread. */
function sampleRanges(rows: number, columns: number): readonly (readonly [number, number])[] {
  const wanted = Math.ceil(sampleElements / Math.max(1, columns));
  if (rows <= wanted + bands) return [[0, rows]];
  const height = Math.ceil(wanted / bands);
  return Array.from({ length: bands }, (_, band) => {
    const begin = Math.floor(((rows - height) * band) / (bands - 1));
    return [begin, begin + height] as const;
  });
}

function warningsOf({ name, changes }: AdapterRecord): readonly DiagnosticRecord[] {
  if (changes.length > 0 && changes.every(({ change }) => change === 0)) {
    return [
      diagnostic('VC1321', { where: name, found: `${plural(changes.length, 'weight')}, all as before` }),
    ];
  }
  const measured = changes.flatMap(({ tensor, change = 0, kept }) =>
    kept === undefined ? [] : [{ tensor, change, kept }],
  );
  const lost = measured.filter(({ kept }) => kept < leastKept).sort((a, b) => a.kept - b.kept);
  const [least] = lost;
  if (least === undefined) return [];
  const percent = Math.round(100 * least.kept);
  return [
    diagnostic('VC1320', {
      where: name,
      found:
        `${lost.length} of ${plural(measured.length, 'weight')} keep less than half of their change in float16; ` +
        `${quote(least.tensor)}, which changes by ${least.change.toExponential(1)} of itself, keeps ${percent} %`,
    }),
  ];
}
