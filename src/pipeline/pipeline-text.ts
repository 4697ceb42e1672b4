/**
 * Pipelines as text: `merge-lora,retarget-resolution{1344x896},fuse-attention,int4{block=32,symmetric=true}`.
 * Printing gives the shortest form, without options that have their default; parsing the printed text gives
 * the pipeline back.
 */
import type { Pass } from '../passes/pass.ts';
import { findPass, passes } from '../passes/registry.ts';
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';

export type OptionValue = string | number | boolean;
export type PassOptions = Readonly<Record<string, OptionValue>>;

/** One pass of a pipeline with its validated options, defaults filled in. */
export interface PipelineStep {
  readonly pass: Pass;
  readonly options: PassOptions;
}

/** A step by name; VC4402 for an unknown pass, VC4403 for options that it does not take. */
export function step(name: string, options: PassOptions = {}): PipelineStep {
  const pass = findPass(name);
  if (pass === undefined) {
    const names = passes.map((known) => known.name);
    const hint = didYouMean(name, names);
    throw fail('VC4402', {
      where: name,
      expected: names.join(', '),
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const parsed = pass.options.safeParse(options);
  if (!parsed.success) {
    throw fail('VC4403', {
      where: `${name}{${printOptions(pass, options)}}`,
      found: parsed.error.issues
        .map((issue) => [...issue.path.map(String), issue.message].join(': '))
        .join('; '),
    });
  }
  return { pass, options: parsed.data as PassOptions };
}

/** VC4401 when the text is not well formed; see also `step`. */
export function parsePipeline(text: string): readonly PipelineStep[] {
  if (text.trim() === '') return [];
  const steps: PipelineStep[] = [];
  // `name{options}` items; what is left over must be the commas between them.
  const item = /\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:\{([^{}]*)\})?\s*(,|$)/y;
  let at = 0;
  for (;;) {
    item.lastIndex = at;
    const match = item.exec(text);
    const name = match?.[1];
    if (match === null || name === undefined) {
      throw fail('VC4401', { found: text, where: `character ${at + 1}: ${text.slice(at, at + 20)}` });
    }
    steps.push(step(name, parseOptions(name, match[2] ?? '')));
    at = item.lastIndex;
    if (match[3] === '') return steps;
  }
}

export function printPipeline(steps: readonly PipelineStep[]): string {
  return steps
    .map(({ pass, options }) => {
      const defaults = pass.options.safeParse({});
      const usual = defaults.success ? (defaults.data as PassOptions) : {};
      const text = printOptions(
        pass,
        Object.fromEntries(Object.entries(options).filter(([name, value]) => usual[name] !== value)),
      );
      return text === '' ? pass.name : `${pass.name}{${text}}`;
    })
    .join(',');
}

function parseOptions(name: string, text: string): PassOptions {
  const options: Record<string, OptionValue> = {};
  if (text.trim() === '') return options;
  for (const part of text.split(',')) {
    const [left = '', right, ...rest] = part.split('=').map((side) => side.trim());
    const key = right === undefined ? findPass(name)?.positional : left;
    const value = right ?? left;
    // Own names only: `__proto__` is no option.
    if (key === undefined || key in options || !/^[A-Za-z]+$/.test(key) || value === '' || rest.length > 0) {
      throw fail('VC4401', { where: name, found: part, expected: 'option=value, each once' });
    }
    options[key] = parseValue(value);
  }
  return options;
}

function parseValue(text: string): OptionValue {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function printOptions(pass: Pass, options: PassOptions): string {
  return Object.entries(options)
    .sort(([a], [b]) => Number(b === pass.positional) - Number(a === pass.positional))
    .map(([name, value]) => (name === pass.positional ? `${value}` : `${name}=${value}`))
    .join(',');
}
