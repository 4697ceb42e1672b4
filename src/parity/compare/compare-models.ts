/**
 * Two ONNX models on the same inputs, whoever made them: outputs are paired by name, and on request every value inside
 * that has the same name in both, so that the first one that differs can be named. Models run one after the other; only
 * for inner values both are open at once.
 */
import { openModel } from '../../formats/onnx/open.ts';
import { fail, VlmError } from '../../report/diagnostics.ts';
import { list } from '../../report/show.ts';
import type { ChosenDevice } from '../../runtime/devices.ts';
import { type ModelInMemory, openSession, type PortSpec, type Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { PlacementLog } from '../placement.ts';
import type { Placement } from '../report/report.ts';
import { compareValues, notComparable, type ValueComparison } from './compare-values.ts';
import { bindShapes, type Sizes, sizesToTry } from './dimensions.ts';
import { drawValue } from './draw-value.ts';
import { indexBounds } from './index-bounds.ts';
import { innerValues, type Tap, tapped } from './taps.ts';

/** What inputs are made of. */
export interface DrawRequest {
  /** By input name; what is missing is drawn. */
  readonly given: ReadonlyMap<string, RunTensor>;
  /** Sizes of dimensions by symbol. */
  readonly dimensions: ReadonlyMap<string, number>;
  readonly seed: number;
  /** Masks close the last slots of the first sequence; default: they are open. */
  readonly padded?: boolean;
}

export interface CompareRequest extends DrawRequest {
  /** What messages and the result call the pair. */
  readonly name: string;
  /** Paths of the ONNX files. */
  readonly first: string;
  readonly second: string;
  readonly device: ChosenDevice;
  /** Compares inner values, too: from which relative error on one counts as different. */
  readonly taps: { readonly threshold: number } | undefined;
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal | undefined;
}

export interface ComparedInput {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly from: 'given' | 'drawn';
}

export interface TapComparison extends ValueComparison {
  /** What makes it in the first and in the second model. */
  readonly nodes: readonly [Tap, Tap];
}

export interface TapsResult {
  readonly compared: number;
  readonly threshold: number;
  /** In the order of the first model. */
  readonly first?: TapComparison;
  /** The values that differ, worst first, the first few. */
  readonly worst: readonly TapComparison[];
  /** Of the same name, but of another shape or type. */
  readonly skipped: readonly { readonly name: string; readonly found: string }[];
}

export interface ModelComparison {
  readonly name: string;
  readonly inputs: readonly ComparedInput[];
  readonly outputs: readonly ValueComparison[];
  readonly taps?: TapsResult;
  /** `reference` is the first model. */
  readonly placement: readonly Placement[];
}

/** As many of the worst inner values are listed. */
const listed = 20;

/** Bytes of inner values that are fetched at once, of one model. */
const tapBytes = 64 << 20;

/**
 * Throws VC6107 when inputs or outputs of the two cannot be paired, VC6108 when an input cannot be drawn, VC6003 and
 * VC6004 when the runtime refuses or fails, VC2xxx where a model's structure is needed and cannot be read.
 */
export async function compareModels(request: CompareRequest): Promise<ModelComparison> {
  const { name, first, second, device, onStep } = request;
  onStep(`${name}: first model`);
  const placement = new PlacementLog();
  const bounds = await boundsOf(first);
  const secondPorts = await portsOf(second, request);
  const ran = await withModel(first, request, async (session) => {
    checkPorts(name, 'inputs', session.inputs, secondPorts.inputs);
    checkPorts(name, 'outputs', session.outputs, secondPorts.outputs);
    const run = await firstRun(session, secondPorts.inputs, bounds, sizesToTry, request);
    placement.record(name, 'reference', session.placement);
    return run;
  });
  request.signal?.throwIfAborted();
  onStep(`${name}: second model`);
  const found = await withModel(second, request, async (session) => {
    const outputs = await session.run(ran.feeds);
    placement.record(name, 'converted', session.placement);
    return outputs;
  });
  const outputs = [...ran.outputs].map(([key, value]) => {
    const other = found.get(key);
    if (other === undefined) throw new RangeError(`no output ${key}`);
    const reason = notComparable(value, other);
    if (reason !== undefined) throw fail('VC6107', { where: `${name}, output ${key}`, found: reason });
    return compareValues(key, value, other);
  });
  const taps = request.taps && (await compareTaps(request, request.taps.threshold, ran.feeds));
  return {
    name,
    inputs: [...ran.feeds].map(([key, { dtype, shape }]) => ({
      name: key,
      dtype,
      shape,
      from: request.given.has(key) ? 'given' : 'drawn',
    })),
    outputs,
    ...(taps === undefined ? {} : { taps }),
    placement: placement.finish([name], () => device.device),
  };
}

type Values = ReadonlyMap<string, RunTensor>;

/** Runs the first model on the first sizes that it takes. Throws VC6004 where it takes none of them. */
export async function firstRun(
  session: Session,
  others: readonly PortSpec[],
  bounds: ReadonlyMap<string, number>,
  tried: readonly Sizes[],
  request: DrawRequest,
): Promise<{ readonly feeds: Values; readonly outputs: Values }> {
  let failure: unknown;
  for (const sizes of tried) {
    const feeds = feedsOf(session.inputs, others, sizes, bounds, request);
    try {
      return { feeds, outputs: await session.run(feeds) };
    } catch (error) {
      if (!(error instanceof VlmError) || error.code !== 'VC6004') throw error;
      failure ??= error;
    }
  }
  if (!(failure instanceof VlmError)) throw new TypeError('there are sizes to try');
  const hint =
    'what was drawn may not suit the model: give inputs (--inputs) or sizes (--dim sequence_length=16)';
  throw fail('VC6004', { ...failure.record, hint, cause: failure });
}

function feedsOf(
  inputs: readonly PortSpec[],
  others: readonly PortSpec[],
  sizes: Sizes,
  bounds: ReadonlyMap<string, number>,
  { given, dimensions, seed, padded = false }: DrawRequest,
): Values {
  const shapes = bindShapes(
    [inputs, others],
    sizes,
    new Map([...given].map(([key, { shape }]) => [key, shape])),
    dimensions,
  );
  return new Map(
    inputs.map((input) => {
      const bound = bounds.get(input.name);
      const shape = shapes.get(input.name) ?? [];
      return [input.name, given.get(input.name) ?? drawValue(input, shape, { seed, sizes, bound, padded })];
    }),
  );
}

/** Nothing where the structure cannot be read: the runtime may know operators that we do not. */
async function boundsOf(path: string): Promise<ReadonlyMap<string, number>> {
  try {
    const { model, close } = await openModel(path);
    const bounds = indexBounds(model.graph);
    await close();
    return bounds;
  } catch (error) {
    if (error instanceof VlmError) return new Map();
    throw error;
  }
}

export async function portsOf(
  model: string | ModelInMemory,
  { device }: Pick<CompareRequest, 'device'>,
): Promise<Pick<Session, 'inputs' | 'outputs'>> {
  const session = await openSession(model, { device: device.device, optimize: 'disabled' });
  const { inputs, outputs } = session;
  await session.release();
  return { inputs, outputs };
}

async function withModel<T>(
  model: Parameters<typeof openSession>[0],
  { device }: CompareRequest,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(model, { device: device.device, recordPlacement: true });
  try {
    return await body(session);
  } finally {
    await session.release();
  }
}

/** Ports are paired by name; what has no partner would be left out without a word. */
export function checkPorts(
  name: string,
  kind: 'inputs' | 'outputs',
  first: readonly PortSpec[],
  second: readonly PortSpec[],
): void {
  const names = (ports: readonly PortSpec[]) => ports.map((port) => port.name);
  const only = (a: readonly string[], b: readonly string[]) => a.filter((one) => !b.includes(one));
  const missing = only(names(first), names(second));
  const extra = only(names(second), names(first));
  if (missing.length > 0 || extra.length > 0) {
    throw fail('VC6107', {
      where: `${name}, ${kind}`,
      found: [
        ...(missing.length > 0 ? [`only the first has ${list(missing)}`] : []),
        ...(extra.length > 0 ? [`only the second has ${list(extra)}`] : []),
      ].join('; '),
    });
  }
  for (const port of first) {
    const other = second.find((one) => one.name === port.name);
    const floats = [port, other].every((one) => one?.dtype === 'float32' || one?.dtype === 'float16');
    if (other === undefined || (!floats && port.dtype !== other.dtype)) {
      throw fail('VC6107', { where: `${name}, ${port.name}`, found: `${port.dtype} and ${other?.dtype}` });
    }
    if (kind === 'inputs' && port.shape.length !== other.shape.length) {
      throw fail('VC6107', { where: `${name}, ${port.name}`, found: `[${port.shape}] and [${other.shape}]` });
    }
  }
}

async function compareTaps(request: CompareRequest, threshold: number, feeds: Values): Promise<TapsResult> {
  const { name, first, second, onStep } = request;
  onStep(`${name}: inner values`);
  const [own, others] = [await tapsOf(first), await tapsOf(second)];
  const pairs = own.flatMap((tap): [Tap, Tap][] => {
    const other = others.find((one) => one.name === tap.name);
    return other === undefined ? [] : [[tap, other]];
  });
  const names = pairs.map(([tap]) => tap.name);
  const skipped: { name: string; found: string }[] = [];
  const different: TapComparison[] = [];
  let compared = 0;
  const one = await tapped(first, names);
  const two = await tapped(second, names);
  await withModel(one, request, (session) =>
    withModel(two, request, async (other) => {
      let at = 0;
      // How many are fetched at once follows from how large the last ones were.
      let step = 8;
      while (at < pairs.length) {
        request.signal?.throwIfAborted();
        const part = pairs.slice(at, at + step);
        at += part.length;
        const wanted = part.map(([tap]) => tap.name);
        const values = await session.run(feeds, wanted);
        const found = await other.run(feeds, wanted);
        let bytes = 0;
        for (const nodes of part) {
          const key = nodes[0].name;
          const [mine, theirs] = [values.get(key), found.get(key)];
          if (mine === undefined || theirs === undefined) throw new RangeError(`no value ${key}`);
          bytes += mine.data.byteLength;
          const reason = notComparable(mine, theirs);
          if (reason !== undefined) {
            skipped.push({ name: key, found: reason });
            continue;
          }
          compared += 1;
          const result = compareValues(key, mine, theirs);
          if (isDifferent(result, threshold)) different.push({ ...result, nodes });
        }
        step = Math.max(1, Math.min(64, Math.floor((step * tapBytes) / Math.max(bytes, 1))));
      }
    }),
  );
  const [earliest] = different;
  return {
    compared,
    threshold,
    ...(earliest === undefined ? {} : { first: earliest }),
    worst: different.toSorted((a, b) => errorOf(b) - errorOf(a)).slice(0, listed),
    skipped,
  };
}

async function tapsOf(path: string): Promise<readonly Tap[]> {
  const { model, close } = await openModel(path);
  const taps = innerValues(model.graph);
  await close();
  return taps;
}

function isDifferent(value: ValueComparison, threshold: number): boolean {
  return !(errorOf(value) <= threshold);
}

/** Infinite where integers differ or a number is not finite. */
function errorOf({ metrics, different }: ValueComparison): number {
  if (different !== undefined) return different.count === 0 ? 0 : Number.POSITIVE_INFINITY;
  if (metrics === undefined) return 0;
  return metrics.nonFinite.count > 0 ? Number.POSITIVE_INFINITY : metrics.relative;
}
