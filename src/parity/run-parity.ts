/**
 * The one entry of the parity room: runs the converted model against its references at every level, judges the
 * gates and gives the report. Nothing is written; a failed gate is `passed: false`, not an exception.
 */
import type { AudioGeometry, ImageGeometry } from '../architectures/media.ts';
import type { GenerationRecipe } from '../architectures/recipe.ts';
import { fail, VlmError } from '../report/diagnostics.ts';
import type { Progress } from '../report/progress.ts';
import type { ChosenDevice, Device } from '../runtime/devices.ts';
import { runtimeVersion } from '../runtime/session.ts';
import { type GateOverride, judge } from './gates.ts';
import { type Baseline, checkBaseline, judgeBaseline } from './gates-baseline.ts';
import { judgeBlocks } from './gates-blocks.ts';
import { drawSample, type Sample } from './inputs/sample.ts';
import { summariseSample } from './inputs/summary.ts';
import { locate } from './locate/locate.ts';
import { PlacementLog, placementLine } from './placement.ts';
import { findingText } from './report/finding.ts';
import {
  type AudioSummary,
  type ImageSummary,
  type ParityReport,
  reportVersion,
  type Subject,
} from './report/report.ts';
import type { Call } from './stream/lanes.ts';
import type { StreamedBuilds } from './stream/request.ts';
import { runStreamed } from './stream/streamed.ts';

export interface ParityRequest {
  /** Copied into the report; its `precision` (component → precision) chooses the limits. */
  readonly subject: Subject;
  readonly recipe: GenerationRecipe;
  readonly image?: ImageGeometry | undefined;
  readonly audio?: AudioGeometry | undefined;
  readonly stream: StreamedBuilds;
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

/**
 * Throws VC6001..VC6004 when the runtime is missing or fails, VC6101 and VC6102 when inputs or outputs do not
 * pair, VC6103 when there is nothing to compare, VC6104 when a reference gives a value that is not finite, and
 * the signal's reason when aborted.
 */
export async function runParity(request: ParityRequest): Promise<ParityReport> {
  const { subject, recipe, image, audio, signal } = request;
  const geometry = image ?? audio;
  const chosen: ChosenDevice = request.device ?? { device: 'cpu', requested: 'cpu', passedOver: [] };
  const { device } = chosen;
  const decodeSteps = request.decodeSteps ?? defaultDecodeSteps;
  const runtime = await runtimeVersion();
  const sample = request.sample ?? drawSample(recipe, geometry, request.seed ?? 1);
  const summary = summariseSample(sample, geometry, decodeSteps, request.stream.continuation, recipe);
  if (request.baseline !== undefined) checkBaseline(request.baseline, subject, summary);
  const clock = stopwatch();
  const placement = new PlacementLog();
  const notes = deviceNotes(chosen, subject);
  let total = 0;
  const calls = new Map<string, readonly Call[]>();
  const asked = (reference: Device) => ({
    ...request.stream,
    recipe,
    sample,
    decodeSteps,
    signal,
    devices: { reference, converted: device },
  });
  const runOn = (reference: Device) =>
    runStreamed({
      ...asked(reference),
      onCalls: (component, own) => calls.set(component, own),
      onPlacement: placement.record,
      onStep: (step, done, of) => {
        total = of;
        clock.start(step);
        request.onProgress?.({ done, total, unit: 'steps', text: step });
      },
    });
  let referenceDevice = device;
  const { levels, curves } = await runOn(device).catch((error: unknown) => {
    // The device need not run the original, which is larger than the output and not made for it.
    if (device === 'cpu' || !cannotRun(error)) throw error;
    referenceDevice = 'cpu';
    notes.push(`${device} cannot run the original, which ran on the CPU instead: ${error.record.found}`);
    placement.clear();
    return runOn(referenceDevice);
  });
  request.onProgress?.({ done: total, total, unit: 'steps' });
  const { gates: overrides = [] } = request;
  const gates = levels.flatMap(({ level, outputs }) => [
    ...judgeBlocks(level, curves, subject.precision, overrides),
    ...judge(level, outputs, subject.precision, overrides),
  ]);
  if (request.baseline !== undefined) {
    gates.push(...judgeBaseline(levels, subject.precision, request.baseline));
  }
  const judged = { gates, curves, precision: subject.precision };
  const findings = await locate({ ...asked(referenceDevice), calls, report: judged });
  const components = [...request.stream.builds.keys()];
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
    ...(audio === undefined ? {} : { audio: summariseAudio(audio) }),
    sample: summary,
    findings,
    gates,
    levels,
    curves,
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
  const [finding] = report.findings;
  return fail(first.from === 'baseline' ? 'VC6202' : 'VC6201', {
    where: `${key} (${first.feed})${first.where === undefined ? '' : `, ${first.where}`}`,
    found: `${first.value.toPrecision(3)}${failed.length > 1 ? `, and ${failed.length - 1} more failed` : ''}`,
    expected: `${first.direction === 'at-most' ? 'at most' : 'at least'} ${Number(first.limit.toPrecision(6))}`,
    ...(finding === undefined ? {} : { hint: findingText(finding) }),
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

function summariseAudio({ seconds, tokens, summary }: AudioGeometry): AudioSummary {
  return { seconds, tokens, summary };
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
