/**
 * Two models, or two folders of models, against each other on the same inputs, whoever made them. Nothing is written.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import {
  applies,
  type ComparisonVerdict,
  compareModels,
  judgeComparison,
  type ModelComparison,
  parseComparisonGates,
} from '../parity/index.ts';
import { type DiagnosticRecord, diagnostic, fail } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { type Reporter, runStage } from '../report/progress.ts';
import { list, systemReason } from '../report/show.ts';
import { silentReporter } from '../report/sinks.ts';
import type { Device, DeviceChoice } from '../runtime/devices.ts';
import { checkDevice } from './check-device.ts';
import type { ConvertContext } from './convert.ts';
import { orInterrupted } from './make-output.ts';
import { readInputs } from './read-inputs.ts';

export interface CompareOptions {
  /** An .onnx file, an output of ours, or a folder of .onnx files. The first counts as right. */
  readonly first: string;
  readonly second: string;
  /** A safetensors file with values for inputs; what is missing is drawn. Of a folder, every model takes its own. */
  readonly inputs?: string | undefined;
  /** Sizes of symbolic dimensions. */
  readonly dim?: Readonly<Record<string, number>> | undefined;
  /** Compares values inside that have the same name in both. */
  readonly taps?: boolean | undefined;
  /** Limits by metric, or by output and metric. */
  readonly gate?: Readonly<Record<string, number>> | undefined;
  readonly device?: DeviceChoice | undefined;
  /** Of what is drawn. */
  readonly seed?: number | undefined;
}

export interface CompareResult {
  /** Absolute. */
  readonly first: string;
  readonly second: string;
  readonly device: Device;
  readonly models: readonly (ModelComparison & { readonly gates: readonly ComparisonVerdict[] })[];
  /** False when a gate failed; `failure` says which. */
  readonly passed: boolean;
  readonly failure?: DiagnosticRecord;
}

/** A relative error of an inner value that sums in another order do not explain. */
const tapThreshold = 1e-3;

/**
 * Throws VlmError: VC4013 when there is nothing to compare, VC6105 for gates, VC6107 when models do not pair, VC6108 and
 * VC6109 for inputs, VC600x from the runtime, VC2xxx for files.
 */
export async function compare(options: CompareOptions, context: ConvertContext = {}): Promise<CompareResult> {
  const reporter = context.reporter ?? silentReporter;
  const signal = context.signal ?? new AbortController().signal;
  const cwd = context.cwd ?? process.cwd();
  const first = resolve(cwd, options.first);
  const second = resolve(cwd, options.second);
  const gates = parseComparisonGates(options.gate ?? {});
  const pairs = await pairFiles(first, second);
  const device = await checkDevice(options.device ?? 'cpu', reporter);
  const given = options.inputs === undefined ? new Map() : await readInputs(resolve(cwd, options.inputs));
  reporter.stages([{ id: 'compare', title: 'Compare' }]);
  try {
    const models = await runStage(
      reporter,
      'compare',
      async (progress) => {
        const made: CompareResult['models'][number][] = [];
        const total = pairs.length * (options.taps === true ? 3 : 2);
        let done = 0;
        for (const pair of pairs) {
          const compared = await compareModels({
            ...pair,
            given,
            dimensions: new Map(Object.entries(options.dim ?? {})),
            device,
            seed: options.seed ?? 1,
            taps: options.taps === true ? { threshold: tapThreshold } : undefined,
            onStep: (text) => {
              progress({ done, total, unit: 'steps', text });
              done += 1;
            },
            signal,
          });
          made.push({ ...compared, gates: [] });
        }
        return made;
      },
      (made) => plural(made.length, 'model'),
    );
    checkGiven(given, models, reporter);
    const judged = judge(models, gates);
    const failed = judged.flatMap(({ name, gates: verdicts }) =>
      verdicts.filter(({ passed }) => !passed).map((verdict) => ({ name, verdict })),
    );
    return {
      first,
      second,
      device: device.device,
      models: judged,
      passed: failed.length === 0,
      ...(failed.length === 0 ? {} : { failure: failureOf(failed) }),
    };
  } catch (error) {
    throw orInterrupted(error, signal);
  }
}

interface FilePair {
  readonly name: string;
  readonly first: string;
  readonly second: string;
}

/** Files of the same name in two folders; what has no partner is an error, not left out. */
async function pairFiles(first: string, second: string): Promise<readonly FilePair[]> {
  const [one, two] = [await modelFiles(first), await modelFiles(second)];
  if (typeof one === 'string' && typeof two === 'string') {
    return [{ name: basename(one, '.onnx'), first: one, second: two }];
  }
  if (typeof one === 'string' || typeof two === 'string') {
    throw fail('VC4013', { found: 'a file and a folder', where: `${first}, ${second}` });
  }
  const alone = [...one.keys(), ...two.keys()].filter((name) => !(one.has(name) && two.has(name))).sort();
  if (alone.length > 0) {
    throw fail('VC6107', { where: `${first}, ${second}`, found: `only one of them has ${list(alone)}` });
  }
  return [...one].map(([name, path]) => ({
    name: basename(name, '.onnx'),
    first: path,
    second: two.get(name) ?? path,
  }));
}

/** The path itself of a file; of a folder the models in it, or in its `onnx` folder, by name. */
async function modelFiles(path: string): Promise<string | ReadonlyMap<string, string>> {
  try {
    if (!(await stat(path)).isDirectory()) {
      if (extname(path).toLowerCase() === '.onnx') return path;
      throw fail('VC4013', { where: path, found: 'no .onnx file' });
    }
    const inner = join(path, 'onnx');
    const folder = (await stat(inner).catch(() => undefined))?.isDirectory() === true ? inner : path;
    const names = (await readdir(folder)).filter((name) => extname(name).toLowerCase() === '.onnx').sort();
    if (names.length === 0) throw fail('VC4013', { where: folder, found: 'a folder without .onnx files' });
    return new Map(names.map((name) => [name, join(folder, name)]));
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw fail('VC4013', { where: path, found: systemReason(cause), cause });
  }
}

/** Tensors that no model takes are misspelled, or of another model: VC6109 for all of them, a warning for some. */
function checkGiven(
  given: ReadonlyMap<string, unknown>,
  models: readonly ModelComparison[],
  reporter: Reporter,
): void {
  const used = new Set(models.flatMap(({ inputs }) => inputs.map(({ name }) => name)));
  // Recorded files hold outputs, too.
  const unused = [...given.keys()].filter((name) => !used.has(name) && !/^(out|mid)\./.test(name));
  if (unused.length === 0) return;
  const detail = {
    found: `no model has an input ${list(unused)}`,
    expected: `names of inputs: ${[...used].join(', ')}`,
  };
  if ([...given.keys()].some((name) => used.has(name))) reporter.warn([diagnostic('VC6110', detail)]);
  else throw fail('VC6109', detail);
}

/** A gate on all outputs is about every model; one that names an output about the models that have it. */
function judge(
  models: CompareResult['models'],
  gates: ReturnType<typeof parseComparisonGates>,
): CompareResult['models'] {
  const known = models.flatMap(({ outputs }) => outputs);
  // Says so where no model has the output, or the metric, that a gate names.
  judgeComparison(known, gates);
  return models.map((model) => {
    const own = gates.filter((gate) => model.outputs.some((one) => applies(one, gate)));
    return { ...model, gates: judgeComparison(model.outputs, own) };
  });
}

function failureOf(
  failed: readonly { readonly name: string; readonly verdict: ComparisonVerdict }[],
): DiagnosticRecord {
  const [first] = failed;
  if (first === undefined) throw new RangeError('no gate failed');
  const { name, verdict } = first;
  return fail('VC6203', {
    where: `${name}, ${verdict.output}.${verdict.metric}${verdict.where === undefined ? '' : `, ${verdict.where}`}`,
    found: `${verdict.value.toPrecision(3)}${failed.length > 1 ? `, and ${failed.length - 1} more failed` : ''}`,
    expected: `${verdict.direction === 'at-most' ? 'at most' : 'at least'} ${verdict.limit}`,
  }).record;
}
