/**
 * The one entry of the parity room: runs the converted model against its references at every level, judges the
 * gates and gives the report. Nothing is written; a failed gate is `passed: false`, not an exception.
 */
import type { GenerationRecipe, ImageGeometry } from '../architectures/architecture.ts';
import { fail, VlmError } from '../report/diagnostics.ts';
import type { Progress } from '../report/progress.ts';
import type { ChosenDevice, Device } from '../runtime/devices.ts';
import { runtimeVersion } from '../runtime/session.ts';
import type { ComponentFiles } from './components.ts';
import { type GateOverride, type GateVerdict, judge, type Level, levels as levelOrder } from './gates.ts';
import { type Baseline, checkBaseline, judgeBaseline } from './gates-baseline.ts';
import { drawSample, type Sample } from './inputs/sample.ts';
import { summariseSample } from './inputs/summary.ts';
import { PlacementLog, placementLine } from './placement.ts';
import {
  type ImageSummary,
  type LevelReport,
  type ParityReport,
  reportVersion,
  type Subject,
} from './report/report.ts';
import { comparePair, type Feed, type PairRequest, pairSteps } from './runner.ts';

/** Two builds to compare. */
export interface ParityPair {
  readonly reference: ComponentFiles;
  readonly converted: ComponentFiles;
}

export interface ParityRequest {
  /** Copied into the report; its `precision` (component → precision) chooses the limits. */
  readonly subject: Subject;
  readonly recipe: GenerationRecipe;
  readonly image?: ImageGeometry | undefined;
  /**
   * The plain graphs with the original weights, of the components that passes gave other sums; left out when there
   * is none. They are compared with `fidelity.reference`.
   */
  readonly rewrite?: ComponentFiles | undefined;
  readonly fidelity: {
    /** What the architecture built, float32. */
    readonly reference: ComponentFiles;
    /** What was written for the user. */
    readonly converted: ComponentFiles;
  };
  readonly implementation: {
    /** The plain graphs with the weights that passes reported through `substitute`. */
    readonly reference: ComponentFiles;
    /** The converted files, those that quantize activations as `withoutActivationQuantization` gives them. */
    readonly converted: ComponentFiles;
  };
  /** Limits that replace the defaults; see `parseGates`. */
  readonly gates?: readonly GateOverride[];
  /** An earlier report that this one must not fall behind. */
  readonly baseline?: Baseline | undefined;
  /** Pictures and prompts; default: drawn from `seed`. */
  readonly sample?: Sample | undefined;
  /** Runs the converted model, and the reference where it can. Default cpu. */
  readonly device?: ChosenDevice;
  /** Of the drawn picture and prompts; default 1. */
  readonly seed?: number;
  /** Default `defaultDecodeSteps`. */
  readonly decodeSteps?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Greedy steps after each prefill. */
export const defaultDecodeSteps = 8;

/** Local feeding suffices to prove a rewrite or an implementation; what a user sees is the chain. */
const feedsOf: Readonly<Record<Level, readonly Feed[]>> = {
  device: ['local'],
  rewrite: ['local'],
  implementation: ['local'],
  fidelity: ['local', 'chain'],
};

type LevelPair = ParityPair & Pick<PairRequest, 'referenceDevice' | 'device' | 'components'>;

/** What a level compares; undefined when there is nothing for it. `device` runs the output, `referenceDevice` the rest. */
function pairOf(
  level: Level,
  request: ParityRequest,
  device: Device,
  referenceDevice: Device,
): LevelPair | undefined {
  const { reference } = request.fidelity;
  const cpu = { referenceDevice: 'cpu', device: 'cpu' } as const;
  switch (level) {
    case 'device':
      return device === 'cpu' ? undefined : { reference, converted: reference, ...cpu, device };
    case 'rewrite': {
      const rewritten = request.rewrite ?? {};
      const components = Object.keys(rewritten);
      if (components.length === 0) return undefined;
      // Both are references: what they differ by must not depend on a driver.
      return { reference, converted: rewritten, components, ...cpu };
    }
    default:
      return { ...request[level], referenceDevice, device };
  }
}

/**
 * Throws VC6001..VC6004 when the runtime is missing or fails, VC6101 and VC6102 when inputs or outputs do not
 * pair, VC6103 when there is nothing to compare, VC6104 when a reference gives a value that is not finite, and
 * the signal's reason when aborted.
 */
export async function runParity(request: ParityRequest): Promise<ParityReport> {
  const { subject, recipe, image, signal } = request;
  const chosen: ChosenDevice = request.device ?? { device: 'cpu', requested: 'cpu', passedOver: [] };
  const { device } = chosen;
  let referenceDevice = device;
  const decodeSteps = request.decodeSteps ?? defaultDecodeSteps;
  const runtime = await runtimeVersion();
  const sample = request.sample ?? drawSample(recipe, image, request.seed ?? 1);
  const summary = summariseSample(sample, image, decodeSteps);
  if (request.baseline !== undefined) checkBaseline(request.baseline, subject, summary);
  const clock = stopwatch();
  const present = levelOrder.filter((level) => pairOf(level, request, device, device) !== undefined);
  const total = present.reduce((sum, level) => {
    const pair = pairOf(level, request, device, device);
    return sum + pairSteps({ recipe, feeds: feedsOf[level], ...pair }, sample.prompts.length);
  }, 0);
  let done = 0;
  const levels: LevelReport[] = [];
  const gates: GateVerdict[] = [];
  const placement = new PlacementLog();
  const notes = deviceNotes(chosen, subject);
  for (const level of present) {
    const pair = pairOf(level, request, device, referenceDevice);
    if (pair === undefined) continue;
    const result = await comparePair({
      ...pair,
      recipe,
      feeds: feedsOf[level],
      image,
      sample,
      decodeSteps,
      signal,
      onPlacement: level === 'fidelity' ? placement.record : undefined,
      onStep: (step) => {
        clock.start(`${level}: ${step}`);
        request.onProgress?.({ done, total, unit: 'steps', text: `${level}: ${step}` });
        done += 1;
      },
    }).catch((error: unknown) => {
      // The device need not hold the original, which is larger than the output and not made for it.
      if (level !== 'device' || !cannotRun(error)) throw error;
      referenceDevice = 'cpu';
      notes.push(`${device} cannot run the original, which ran on the CPU instead: ${error.record.found}`);
      return undefined;
    });
    if (result === undefined) continue;
    levels.push({ level, ...result });
    gates.push(...judge(level, result.outputs, subject.precision, request.gates ?? []));
  }
  if (request.baseline !== undefined) {
    gates.push(...judgeBaseline(levels, subject.precision, request.baseline));
  }
  request.onProgress?.({ done: total, total, unit: 'steps' });
  const components = Object.keys(request.fidelity.converted);
  const placed = placement.finish(components, (build) => (build === 'reference' ? referenceDevice : device));
  return {
    version: reportVersion,
    passed: gates.every((gate) => gate.passed),
    ...subject,
    runtime: {
      ...runtime,
      device,
      requested: chosen.requested,
      providers: [device],
      notes: [...notes, ...placed.map(placementLine)],
    },
    ...(image === undefined ? {} : { image: summariseImage(image) }),
    sample: summary,
    gates,
    levels,
    placement: placed,
    timing: clock.stop(),
  };
}

/**
 * What to throw, after the report is written, when a gate failed (VC6201), or only gates of the baseline (VC6202);
 * undefined when all passed.
 */
export function parityFailure(report: ParityReport): VlmError | undefined {
  const failed = report.gates.filter((gate) => !gate.passed);
  const first = failed.find(({ from }) => from !== 'baseline') ?? failed[0];
  if (first === undefined) return undefined;
  const key = `${first.level}.${first.output}.${first.metric}`;
  return fail(first.from === 'baseline' ? 'VC6202' : 'VC6201', {
    where: `${key} (${first.feed})${first.where === undefined ? '' : `, ${first.where}`}`,
    found: `${first.value.toPrecision(3)}${failed.length > 1 ? `, and ${failed.length - 1} more failed` : ''}`,
    expected: `${first.direction === 'at-most' ? 'at most' : 'at least'} ${Number(first.limit.toPrecision(6))}`,
  });
}

/** The runtime refused the model, or failed while it ran it. */
function cannotRun(error: unknown): error is VlmError {
  return error instanceof VlmError && (error.code === 'VC6003' || error.code === 'VC6004');
}

function deviceNotes({ device, requested, passedOver, defects }: ChosenDevice, subject: Subject): string[] {
  const notes: string[] = [];
  if (requested === 'auto') {
    const others = passedOver.map(({ device: other, reason }) => `; not ${other}: ${reason}`).join('');
    notes.push(`Device: auto chose ${device}${others}`);
  }
  if (device !== 'cpu') {
    notes.push(
      `Original and output both run on ${device}, so that what the device adds is not taken for the conversion's; the level device holds the original there against the original on the CPU.`,
    );
  }
  for (const { operator, relative } of defects ?? []) {
    notes.push(
      `${device} computes ${operator} wrongly here: a small graph is off by ${relative.toPrecision(2)} of its norm. What uses it fails.`,
    );
  }
  const used = Object.values(subject.precision);
  if (device === 'cpu' && used.includes('fp16')) {
    notes.push(
      'fp16 on the CPU provider: operators without an fp16 kernel are computed in float32 between casts, so a GPU, which keeps fp16 throughout, may round more than was measured.',
    );
  }
  if (used.includes('int8')) {
    notes.push(
      'int8 quantizes activations too where accuracy_level is 4: the implementation level ran the same files with that attribute taken out.',
    );
  }
  return notes;
}

function summariseImage(image: ImageGeometry): ImageSummary {
  const { requested, input, tokens, summary, views } = image;
  return { requested, input, tokens, summary, views };
}

interface Stopwatch {
  start(name: string): void;
  stop(): Record<string, number>;
}

/** Milliseconds from each start to the next, by name. */
function stopwatch(): Stopwatch {
  const times: Record<string, number> = {};
  let open: { readonly name: string; readonly at: number } | undefined;
  const close = (): void => {
    if (open !== undefined) {
      times[open.name] = (times[open.name] ?? 0) + Math.round(performance.now() - open.at);
    }
    open = undefined;
  };
  return {
    start: (name) => {
      close();
      open = { name, at: performance.now() };
    },
    stop: () => {
      close();
      return times;
    },
  };
}
