/**
 * The one entry of the parity room: runs the converted model against its references at both levels, judges the
 * gates and gives the report. Nothing is written; a failed gate is `passed: false`, not an exception.
 */
import type { GenerationRecipe, ImageGeometry } from '../architectures/architecture.ts';
import { fail, type VlmError } from '../report/diagnostics.ts';
import type { Progress } from '../report/progress.ts';
import { type Device, runtimeVersion } from '../runtime/session.ts';
import type { ComponentFiles } from './components.ts';
import { type GateOverride, type GateVerdict, judge, type Level } from './gates.ts';
import { drawSample, type Sample } from './inputs/sample.ts';
import {
  type ImageSummary,
  type LevelReport,
  type ParityReport,
  reportVersion,
  type SampleSummary,
  type Subject,
} from './report/report.ts';
import { comparePair, type Feed, pairSteps } from './runner.ts';

export interface ParityRequest {
  /** Copied into the report; its `precision` (component → precision) chooses the limits. */
  readonly subject: Subject;
  readonly recipe: GenerationRecipe;
  readonly image?: ImageGeometry | undefined;
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
  /** Runs the converted model; the references run on the CPU. Default cpu. */
  readonly device?: Device;
  /** Of picture and prompts; default 1. */
  readonly seed?: number;
  /** Greedy steps after each prefill; default 8. */
  readonly decodeSteps?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Local feeding suffices to prove an implementation; what a user sees is the chain. */
const feedsOf: Readonly<Record<Level, readonly Feed[]>> = {
  implementation: ['local'],
  fidelity: ['local', 'chain'],
};

/**
 * Throws VC6001..VC6004 when the runtime is missing or fails, VC6101 and VC6102 when inputs or outputs do not
 * pair, VC6103 when there is nothing to compare, VC6104 when a reference gives a value that is not finite, and
 * the signal's reason when aborted.
 */
export async function runParity(request: ParityRequest): Promise<ParityReport> {
  const { subject, recipe, image, signal } = request;
  const device = request.device ?? 'cpu';
  const decodeSteps = request.decodeSteps ?? 8;
  const runtime = await runtimeVersion();
  const sample = drawSample(recipe, image, request.seed ?? 1);
  const clock = stopwatch();
  const total =
    pairSteps(recipe, sample.prompts.length, feedsOf.implementation) +
    pairSteps(recipe, sample.prompts.length, feedsOf.fidelity);
  let done = 0;
  const levels: LevelReport[] = [];
  const gates: GateVerdict[] = [];
  for (const level of ['implementation', 'fidelity'] as const) {
    const result = await comparePair({
      ...request[level],
      recipe,
      image,
      sample,
      device,
      feeds: feedsOf[level],
      decodeSteps,
      signal,
      onStep: (step) => {
        clock.start(`${level}: ${step}`);
        request.onProgress?.({ done, total, unit: 'steps', text: `${level}: ${step}` });
        done += 1;
      },
    });
    levels.push({ level, ...result });
    gates.push(...judge(level, result.outputs, subject.precision, request.gates ?? []));
  }
  request.onProgress?.({ done: total, total, unit: 'steps' });
  return {
    version: reportVersion,
    passed: gates.every((gate) => gate.passed),
    ...subject,
    runtime: { ...runtime, device, providers: [device], notes: deviceNotes(device, subject) },
    ...(image === undefined ? {} : { image: summariseImage(image) }),
    sample: summariseSample(sample, image, decodeSteps),
    gates,
    levels,
    timing: clock.stop(),
  };
}

/** What to throw, after the report is written, when a gate failed (VC6201); undefined when all passed. */
export function parityFailure(report: ParityReport): VlmError | undefined {
  const failed = report.gates.filter((gate) => !gate.passed);
  const [first] = failed;
  if (first === undefined) return undefined;
  const key = `${first.level}.${first.output}.${first.metric}`;
  return fail('VC6201', {
    where: `${key} (${first.feed})${first.where === undefined ? '' : `, ${first.where}`}`,
    found: `${first.value.toPrecision(3)}${failed.length > 1 ? `, and ${failed.length - 1} more failed` : ''}`,
    expected: `${first.direction === 'at-most' ? 'at most' : 'at least'} ${first.limit}`,
  });
}

function deviceNotes(device: Device, subject: Subject): string[] {
  const notes = [
    `Execution providers asked for: ${device}, for the references cpu. Nodes without a kernel there run on the CPU; which did is not measured here.`,
  ];
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

function summariseSample(
  sample: Sample,
  image: ImageGeometry | undefined,
  decodeSteps: number,
): SampleSummary {
  return {
    seed: sample.seed,
    ...(image === undefined || sample.pictureDigest === undefined
      ? {}
      : { picture: { ...image.input, sha256: sample.pictureDigest } }),
    prompts: sample.prompts.map((prompt) => ({
      tokens: prompt.ids.length,
      imageTokens: prompt.span?.count ?? 0,
    })),
    decodeSteps,
  };
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
