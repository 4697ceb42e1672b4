/**
 * A model that passes made of another against that one, on inputs that are given or drawn: once as models are usually
 * called, and once at other sizes with the end of a sequence masked, since a graph that holds only for one size or
 * without padding is wrong. Models run one after the other. Levels are those of a conversion (gates.ts).
 */
import { fail, VlmError } from '../../report/diagnostics.ts';
import type { ChosenDevice } from '../../runtime/devices.ts';
import { type ModelInMemory, openSession, type PortSpec, type Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { defaultLimits } from '../gate-limits.ts';
import { gateMetrics, type Level, type Limits, type Precision } from '../gates.ts';
import type { OutputKind } from '../outputs.ts';
import { PlacementLog } from '../placement.ts';
import type { Placement } from '../report/report.ts';
import { type ComparedInput, checkPorts, type DrawRequest, firstRun, portsOf } from './compare-models.ts';
import { compareValues, notComparable, type ValueComparison } from './compare-values.ts';
import { type Sizes, sizesToTry } from './dimensions.ts';
import { type ComparisonGate, type ComparisonVerdict, judgeComparison, readMetric } from './gates.ts';

/** A file, or a model in memory whose data files lie in a folder. */
export type ModelSource = string | ModelInMemory;

export interface GraphBuilds {
  /** What the output is held to. */
  readonly reference: ModelSource;
  readonly output: ModelSource;
  /** Where weights were rounded: the graph before, the same with the values that they have now, and the output with
   * float activations, where it rounds them, too. */
  readonly rounded?: {
    readonly plain: ModelSource;
    readonly fair: ModelSource;
    readonly exact: ModelSource;
  };
}

export interface GraphCheckRequest extends Omit<DrawRequest, 'padded'> {
  /** What messages and the report call the model. */
  readonly name: string;
  readonly builds: GraphBuilds;
  /** Lengths of the tables that integer inputs index, by input. */
  readonly bounds: ReadonlyMap<string, number>;
  readonly precision: Precision;
  /** The reference rounds inside: limits are no tighter than what the runtime's own rewriting moves it by. */
  readonly coarse: boolean;
  /** Limits by `[level.][output.]metric`, instead of the default ones. */
  readonly gates: readonly LevelGate[];
  readonly device: ChosenDevice;
  readonly onStep: (step: string) => void;
  readonly signal: AbortSignal | undefined;
}

export interface LevelGate extends ComparisonGate {
  /** Undefined: every level. */
  readonly level: Level | undefined;
}

export interface GraphLevel {
  readonly level: Level;
  readonly outputs: readonly ValueComparison[];
  readonly gates: readonly ComparisonVerdict[];
}

export interface GraphDraw {
  /** What is particular about it. */
  readonly title: string;
  readonly inputs: readonly ComparedInput[];
  readonly levels: readonly GraphLevel[];
}

export interface GraphCheck {
  readonly draws: readonly GraphDraw[];
  /** Draws that the reference itself does not take, and why. */
  readonly left: readonly { readonly title: string; readonly found: string }[];
  readonly placement: readonly Placement[];
  readonly passed: boolean;
  /** Inputs of the first draw that a gate failed on; of the first one where none did. */
  readonly feeds: ReadonlyMap<string, RunTensor>;
}

type Values = ReadonlyMap<string, RunTensor>;

interface Draw {
  readonly title: string;
  readonly sizes: readonly Sizes[];
  readonly padded: boolean;
}

const draws: readonly [Draw, ...Draw[]] = [
  { title: 'usual sizes', sizes: sizesToTry, padded: false },
  {
    title: 'other sizes, with padding',
    sizes: [
      { batch: 2, sequence: 5, past: 3, channels: 3, side: 256 },
      { batch: 2, sequence: 5, past: 0, channels: 3, side: 256 },
      // Patches that are merged come in fours.
      { batch: 1, sequence: 12, past: 3, channels: 3, side: 224 },
      ...sizesToTry.slice(1).map((sizes) => ({ ...sizes, sequence: 5 })),
    ],
    padded: true,
  },
];

/** What limits are multiplied by where the reference rounds: other roundings than the runtime's are as good. */
const noiseFactor = 4;

/**
 * Throws VC6107 when inputs or outputs do not pair, VC6108 when an input cannot be drawn, VC6003 and VC6004 when the
 * runtime refuses or fails, VC6105 for a gate about nothing.
 */
export async function checkGraph(request: GraphCheckRequest): Promise<GraphCheck> {
  const { name, builds, given, device, onStep, signal } = request;
  const placement = new PlacementLog();
  await portsOf(builds.reference, { device }).catch((error: unknown) => {
    if (!(error instanceof VlmError) || error.code !== 'VC6003') throw error;
    const hint = 'the runtime does not take the original; --no-parity converts it without running it';
    throw fail('VC6003', { ...error.record, hint, cause: error });
  });
  const ports = await portsOf(builds.output, { device });
  const fed: { readonly draw: Draw; readonly feeds: Values; readonly outputs: Values }[] = [];
  const left: { title: string; found: string }[] = [];
  onStep('the original');
  await withModel(builds.reference, device, 'all', async (session) => {
    checkPorts(name, 'inputs', session.inputs, ports.inputs);
    checkPorts(name, 'outputs', session.outputs, ports.outputs);
    const all = session.inputs.every((input) => given.has(input.name));
    for (const draw of all ? draws.slice(0, 1) : draws) {
      signal?.throwIfAborted();
      try {
        fed.push({ draw, ...(await drawn(session, ports.inputs, draw, request)) });
      } catch (error) {
        // How a model is usually called it has to take.
        if (fed.length === 0 || !(error instanceof VlmError)) throw error;
        left.push({ title: draw.title, found: error.record.found ?? error.record.message });
      }
    }
    placement.record(name, 'reference', session.placement);
  });
  const run = async (title: string, model: ModelSource, optimize: 'all' | 'disabled' = 'all') => {
    onStep(title);
    return withModel(model, device, optimize, async (session) => {
      const made: Values[] = [];
      for (const { feeds } of fed) {
        signal?.throwIfAborted();
        made.push(await session.run(feeds));
      }
      if (model === builds.output) placement.record(name, 'converted', session.placement);
      return made;
    });
  };
  const noise = request.coarse
    ? await run('the original, as it stands', builds.reference, 'disabled')
    : undefined;
  const output = await run('the output', builds.output);
  const { rounded } = builds;
  const inner =
    rounded === undefined
      ? undefined
      : {
          plain: await run('the graph before rounding', rounded.plain),
          fair: await run('the graph with rounded weights', rounded.fair),
          exact: rounded.exact === builds.output ? output : await run('the output, in float', rounded.exact),
        };
  const results = fed.map(({ draw, feeds, outputs }, index): GraphDraw => {
    const own = noise === undefined ? undefined : compareAll(name, outputs, noise[index]);
    const level = (id: Level, first: Values | undefined, second: Values | undefined): GraphLevel => {
      const found = compareAll(name, first, second);
      return { level: id, outputs: found, gates: judge(id, found, own, request) };
    };
    return {
      title: draw.title,
      inputs: [...feeds].map(([input, { dtype, shape }]) => ({
        name: input,
        dtype,
        shape,
        from: given.has(input) ? 'given' : 'drawn',
      })),
      levels: [
        ...(inner === undefined
          ? []
          : [
              level('rewrite', outputs, inner.plain[index]),
              level('implementation', inner.fair[index], inner.exact[index]),
            ]),
        level('fidelity', outputs, output[index]),
      ],
    };
  });
  const failed = results.findIndex(({ levels }) =>
    levels.some(({ gates }) => gates.some(({ passed }) => !passed)),
  );
  return {
    draws: results,
    left,
    placement: placement.finish([name], () => device.device),
    passed: failed === -1,
    feeds: fed[Math.max(failed, 0)]?.feeds ?? new Map(),
  };
}

function drawn(
  session: Session,
  others: readonly PortSpec[],
  { sizes, padded }: Draw,
  { bounds, given, dimensions, seed }: GraphCheckRequest,
): Promise<{ readonly feeds: Values; readonly outputs: Values }> {
  const request = { given, dimensions, seed: padded ? seed + 1 : seed, padded };
  return firstRun(session, others, bounds, sizes, request);
}

async function withModel<T>(
  model: ModelSource,
  { device }: ChosenDevice,
  optimize: 'all' | 'disabled',
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(model, { device, recordPlacement: true, optimize });
  try {
    return await body(session);
  } finally {
    await session.release();
  }
}

function compareAll(name: string, first: Values | undefined, second: Values | undefined): ValueComparison[] {
  return [...(first ?? [])].map(([key, value]) => {
    const other = second?.get(key);
    if (other === undefined) throw new RangeError(`no output ${key}`);
    const reason = notComparable(value, other);
    if (reason !== undefined) throw fail('VC6107', { where: `${name}, output ${key}`, found: reason });
    return compareValues(key, value, other);
  });
}

function judge(
  level: Level,
  outputs: readonly ValueComparison[],
  noise: readonly ValueComparison[] | undefined,
  { precision, coarse, gates }: GraphCheckRequest,
): readonly ComparisonVerdict[] {
  const asked = gates.filter((gate) => gate.level === undefined || gate.level === level);
  // Says so where a gate is about nothing.
  judgeComparison(outputs, asked);
  const chosen = outputs.flatMap((one): ComparisonGate[] => {
    const usual = limitsOf(level, precision, coarse, one);
    const floor = noise?.find(({ name }) => name === one.name);
    const own = Object.entries(usual).flatMap(([metric, limit]): ComparisonGate[] => {
      const known = metric as ComparisonGate['metric'];
      if (known === 'top1' && tooFew(one, limit)) return [];
      return [{ output: one.name, metric: known, limit: atLeastNoise(known, limit, floor) }];
    });
    const user = asked.filter(({ output }) => output === undefined || output === one.name);
    const limits = new Map([...own, ...user].map((gate) => [gate.metric, gate.limit] as const));
    return [...limits]
      .filter(([metric]) => readMetric(one, metric) !== undefined)
      .map(([metric, limit]) => ({ output: one.name, metric, limit }));
  });
  return judgeComparison(outputs, chosen);
}

/** Outputs of integers are equal, but where weights were rounded. */
function limitsOf(
  level: Level,
  precision: Precision,
  coarse: boolean,
  one: ValueComparison,
): Limits & { readonly different?: number } {
  if (one.different !== undefined) {
    return level === 'fidelity' && precision !== 'fp32' ? {} : { different: 0 };
  }
  const kind = kindOf(one);
  // Rounding moves a value that is quantized inside to the next step, which int8 weights do as well.
  const steps = coarse && precision === 'fp16' && level !== 'rewrite';
  const { local, chain } = steps ? defaultLimits.fidelity.int8 : defaultLimits[level][precision];
  // What a model gives in the end has added up the errors of all its layers, as logits do.
  const end = steps || level === 'fidelity' ? chain.logits?.relative : undefined;
  return chain[kind] ?? (end === undefined ? undefined : { relative: end }) ?? local[kind] ?? {};
}

/** Whether one flip among the picks, which a tie of two logits gives, is more than a share allows. */
function tooFew({ metrics }: ValueComparison, share: number): boolean {
  return (metrics?.logits?.n ?? 0) * (1 - share) < 1;
}

function kindOf({ name, metrics }: ValueComparison): OutputKind {
  if (metrics?.logits !== undefined) return 'logits';
  return /present|past|cache/i.test(name) ? 'cache' : 'features';
}

function atLeastNoise(
  metric: ComparisonGate['metric'],
  limit: number,
  noise: ValueComparison | undefined,
): number {
  const value = noise === undefined ? undefined : readMetric(noise, metric);
  if (value === undefined) return limit;
  if (metric === 'different' || gateMetrics[metric].direction === 'at-most') {
    return Math.max(limit, noiseFactor * value);
  }
  return Math.min(limit, 1 - noiseFactor * (1 - value));
}
