/**
 * What targets run, form by form, as measured: docs/targets.json, and docs/targets.md that is made of it and of the
 * tables. Written by `npm run probe:targets` (scripts/probe-targets), never by hand.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { operatorsOf, opSchema } from '../../src/graph/op-schema.ts';
import { webgpuKernels } from '../../src/targets/kernel-data.ts';
import { kernelTable } from '../../src/targets/kernels.ts';
import { allTargets, targets } from '../../src/targets/registry.ts';
import { definition, noKernel } from '../../src/targets/target.ts';

const docs = resolve(import.meta.dirname, '../../docs');
export const recordFile = resolve(docs, 'targets.json');
export const tableFile = resolve(import.meta.dirname, '../../src/targets/probed-data.ts');
export const pageFile = resolve(docs, 'targets.md');

/**
 * `runs`: there, with the right numbers. `on the CPU`: the provider left it. `taken apart`: an operator that ONNX defines
 * by others, which ran instead. `wrong`: other numbers than the plain form. `refused`: the model does not load or run.
 */
export type Outcome = 'runs' | 'on the CPU' | 'taken apart' | 'wrong' | 'refused';

export interface FormRecord {
  readonly operator: string;
  /** Left out: the operator as such. */
  readonly form?: string;
  readonly opset: number;
  readonly cpu: Outcome;
  readonly webgpu: Outcome;
  readonly wasm: Outcome;
}

export interface TargetRecord {
  readonly runtime: string;
  readonly web: string;
  readonly forms: readonly FormRecord[];
}

export function readTargetRecord(): TargetRecord {
  return JSON.parse(readFileSync(recordFile, 'utf8')) as TargetRecord;
}

/** The record as text, a form in a line. */
export function recordText({ runtime, web, forms }: TargetRecord): string {
  const lines = forms.map((form) => `    ${JSON.stringify(form)}`).join(',\n');
  return `{\n  "runtime": ${JSON.stringify(runtime)},\n  "web": ${JSON.stringify(web)},\n  "forms": [\n${lines}\n  ]\n}\n`;
}

/** Operators of com.microsoft that passes write. */
const written = operatorsOf('com.microsoft') ?? [];

const marks: Readonly<Record<Outcome, string>> = {
  runs: 'yes',
  'on the CPU': 'left to the CPU',
  'taken apart': 'taken apart',
  wrong: '**wrong numbers**',
  refused: 'refused',
};

/** src/targets/probed-data.ts: what ran on WebGPU beyond the kernels of the generated table. */
export function tableText({ forms, runtime }: TargetRecord): string {
  const found = new Map<string, Set<number>>();
  for (const { operator, opset, webgpu } of forms) {
    const { domain, opType, version } = definition(operator, opset);
    const since = opSchema(domain, opType, version)?.since;
    if (webgpu !== 'runs' || since === undefined) continue;
    const registered = kernelTable(webgpuKernels).get(operator) ?? [];
    if (registered.some((kernel) => kernel.since <= since && since <= kernel.until)) continue;
    found.set(operator, (found.get(operator) ?? new Set()).add(since));
  }
  const line = ([operator, versions]: readonly [string, ReadonlySet<number>]): string =>
    `${operator.split('::').at(-1)} ${[...versions].map((since) => `${since}-`).join('|')}`;
  const of = (contrib: boolean): string =>
    [...found]
      .filter(([operator]) => operator.includes('::') === contrib)
      .map(line)
      .sort()
      .join('\n');
  return `/**
 * Kernels that the WebGPU provider of ${runtime} has beside those of kernel-data.ts, as found by running them.
 * Written by \`npm run probe:targets\`; the form is described in kernels.ts.
 */
export const probedWebgpu = \`
@
${of(false)}
@com.microsoft
${of(true)}
\`;
`;
}

const measured: ReadonlySet<string> = new Set(['cpu', 'webgpu', 'wasm']);

export function pageText({ runtime, web, forms }: TargetRecord): string {
  const tabled = allTargets.filter(({ id }) => !measured.has(id));
  const rows = forms.map(({ operator, form, opset, cpu, webgpu, wasm }) => [
    `\`${operator}\``,
    form ?? '',
    `${opset}`,
    marks[cpu],
    marks[webgpu],
    marks[wasm],
    ...tabled.map((target) =>
      noKernel([target], operator, { opset, dtype: 'float32' }) === undefined ? 'yes' : '–',
    ),
  ]);
  const head = ['Operator', 'Form', 'Opset', 'cpu', 'webgpu', 'wasm', ...tabled.map(({ id }) => id)];
  const known = written.filter(
    (name) => noKernel(targets, `com.microsoft::${name}`, { opset: 20, dtype: 'float32' }) === undefined,
  );
  return `${[
    '# Targets',
    '',
    'What passes may write depends on what the result has to run on: `--target cpu,webgpu` (the default), or any of',
    '`cpu`, `webgpu`, `wasm`, `cuda`, `tensorrt`, `generic`. A target is data (`src/targets`): the kernels that a',
    'provider registers, by operator, version and element type, and what is known of some operators beyond that.',
    '',
    '- `cpu`, `webgpu`: registered kernels of ONNX Runtime, and the forms below, executed.',
    '- `wasm`: the WebAssembly provider of ONNX Runtime Web in the build that has WebGPU, too, which is the one that',
    '  transformers.js loads: the kernels of `cpu` without those that it leaves out, and the forms below, executed.',
    '- `cuda`: registered kernels, from the source; not executed.',
    "- `tensorrt`: the operators that TensorRT's ONNX parser takes, from its list; not executed.",
    '- `generic`: operators of ai.onnx that the operator set of the model has, and nothing else.',
    '',
    'A node that a target named by `--target` has no kernel for is warned about by name (VC3303): its provider hands it',
    'to the CPU, with copies there and back. Integers of shapes and positions are computed on the CPU everywhere.',
    '',
    `Operators of com.microsoft that both cpu and webgpu have, and run well: ${known.map((name) => `\`${name}\``).join(', ')}.`,
    'An operator that takes longer than those that it would stand for is not written, though there is a kernel:',
    '',
    ...allTargets.flatMap(({ id, slow = {} }) =>
      Object.entries(slow).map(([operator, seen]) => `- \`${operator}\` on ${id}: ${seen}.`),
    ),
    '',
    '## Forms',
    '',
    `Written by \`npm run probe:targets\` with ${runtime} and ${web}, float32; WebGPU on`,
    'SwiftShader. In `cpu`, `webgpu` and `wasm` a form was run: its node ran on that provider, as the profile of the runtime',
    'says (there is none of `wasm`), and gave the numbers of the plain form.',
    '*Taken apart*: ONNX defines the operator by others, which ran instead. The other columns are what the tables say.',
    '',
    table(head, rows),
    '',
  ].join('\n')}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
