/**
 * The one entry of the parity room: runs the converted model against its references at every level, judges the
 * gates and gives the report. Nothing is written; a failed gate is `passed: false`, not an exception.
 */
import type { GenerationRecipe, ImageGeometry } from '../architectures/architecture.ts';
import { fail, type VlmError } from '../report/diagnostics.ts';
import type { Progress } from '../report/progress.ts';
import { type Device, runtimeVersion } from '../runtime/session.ts';
import type { ComponentFiles } from './components.ts';
import { type GateOverride, type GateVerdict, judge, type Level, levels as levelOrder } from './gates.ts';
import { drawSample, type Sample } from './inputs/sample.ts';
import {
  type ImageSummary,
  type LevelReport,
  type ParityReport,
  reportVersion,
  type SampleSummary,
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
  /** Runs the converted model; the references run on the CPU. Default cpu. */
  readonly device?: Device;
  /** Of picture and prompts; default 1. */
  readonly seed?: number;
  /** Greedy steps after each prefill; default 8. */
  readonly decodeSteps?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Local feeding suffices to prove a rewrite or an implementation; what a user sees is the chain. */
const feedsOf: Readonly<Record<Level, readonly Feed[]>> = {
  rewrite: ['local'],
  implementation: ['local'],
  fidelity: ['local', 'chain'],
};

type LevelPair = ParityPair & Pick<PairRequest, 'device' | 'components'>;

/** What a level compares; undefined when there is nothing for it. */
function pairOf(level: Level, request: ParityRequest, device: Device): LevelPair | undefined {
  if (level !== 'rewrite') return { ...request[level], device };
  const rewritten = request.rewrite ?? {};
  const components = Object.keys(rewritten);
  if (components.length === 0) return undefined;
  // Both are references: what they differ by must not depend on a driver.
  return { reference: request.fidelity.reference, converted: rewritten, components, device: 'cpu' };
}

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
  const pairs = levelOrder.flatMap((level) => {
    const pair = pairOf(level, request, device);
    return pair === undefined ? [] : [{ level, pair: { ...pair, recipe, feeds: feedsOf[level] } }];
  });
  const total = pairs.reduce((sum, { pair }) => sum + pairSteps(pair, sample.prompts.length), 0);
  let done = 0;
  const levels: LevelReport[] = [];
  const gates: GateVerdict[] = [];
  for (const { level, pair } of pairs) {
    const result = await comparePair({
      ...pair,
      image,
      sample,
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
  const [only] = sample.pictures;
  return {
    seed: sample.seed,
    source: sample.source,
    ...(image === undefined || only === undefined || sample.source !== 'drawn'
      ? {}
      : { picture: { ...image.input, sha256: only.sha256 } }),
    ...(sample.source === 'drawn'
      ? {}
      : { pictures: sample.pictures.map(({ name, sha256 }) => ({ name: name ?? '', sha256 })) }),
    prompts: sample.prompts.map((prompt) => ({
      tokens: prompt.ids.length,
      imageTokens: prompt.spans.reduce((sum, { count }) => sum + count, 0),
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
