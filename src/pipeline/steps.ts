/** Which passes a component goes through: those that the options choose, or those that are given as text. */
import type { BuiltModel, Component } from '../architectures/architecture.ts';
import { packageFormat } from '../packages/registry.ts';
import { hasBranches } from '../passes/merge-lora.ts';
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import { quote } from '../report/show.ts';
import { targetsOf } from '../targets/registry.ts';
import { type Target, unsupported } from '../targets/target.ts';
import type { Precision, ResolvedOptions } from './options.ts';
import type { PassRecord } from './pass-manager.ts';
import { type PipelineStep, parsePipeline, step } from './pipeline-text.ts';

/**
 * Passes that leave a graph of the same plain operators and of weights that mean the same, and what becomes of the
 * sums in it: `kept` passes drop, move and rename, `changed` ones compute weights or sum in another order. What
 * stands after them is the plain graph: the rewrite level of parity compares it with the reference, the
 * implementation level compares the output with it.
 */
export const plainPasses: ReadonlyMap<string, 'kept' | 'changed'> = new Map([
  ['retarget-resolution', 'changed'],
  ['merge-lora', 'changed'],
  ['freeze-defaults', 'kept'],
  ['fold', 'kept'],
  ['dead-code', 'kept'],
]);

/** True when a plain pass did something that the rewrite level has to prove. */
export function changesSums(plain: readonly Pick<PassRecord, 'name' | 'changed'>[]): boolean {
  return plain.some(({ name, changed }) => changed && plainPasses.get(name) === 'changed');
}

export interface ComponentSteps {
  readonly precision: Precision;
  readonly targets: readonly Target[];
  /** Those that the options choose, not given as text. */
  readonly usual: boolean;
  /** Up to the first pass that fuses, quantizes or rounds. */
  readonly plain: readonly PipelineStep[];
  readonly rest: readonly PipelineStep[];
}

/** Throws VC4006 when an option names a component that is not there, VC44xx for wrong pipeline text. */
export function chooseSteps(
  built: BuiltModel,
  options: ResolvedOptions,
): ReadonlyMap<string, ComponentSteps> {
  const ids = built.components.map((component) => component.id);
  for (const [option, value] of [
    ['--precision', options.precision],
    ['--passes', options.passes],
  ] as const) {
    if (typeof value === 'object') checkComponents(option, Object.keys(value), ids);
  }
  const targets = optionTargets(options);
  return new Map(
    built.components.map((component) => {
      const asked = precisionOf(options, component.id);
      const text = typeof options.passes === 'object' ? options.passes[component.id] : options.passes;
      const steps = text === undefined ? defaultSteps(component, built, asked, options) : parsePipeline(text);
      const precision = text === undefined ? asked : precisionOfSteps(steps);
      const first = steps.findIndex(({ pass }) => !plainPasses.has(pass.name));
      const split = first === -1 ? steps.length : first;
      return [
        component.id,
        {
          precision,
          targets,
          usual: text === undefined,
          plain: steps.slice(0, split),
          rest: steps.slice(split),
        },
      ];
    }),
  );
}

/**
 * What is recognised in the graphs of our own architectures, from small to large. Layer norms are one operator in them
 * already; projections stay apart, since checks and reports know weights by the names that the checkpoint has.
 */
const fusions: readonly string[] = [
  'fuse-rmsnorm',
  'fuse-gelu',
  'fuse-silu',
  'fuse-rotary',
  'fuse-attention',
  'fuse-skip-norm',
];

function defaultSteps(
  component: Component,
  built: BuiltModel,
  precision: Precision,
  options: ResolvedOptions,
): readonly PipelineStep[] {
  const steps: PipelineStep[] = [];
  if (component.modality === 'image' && built.image !== undefined) {
    const { width, height } = built.image.input;
    // Rows of patches have no size that the pass could hold against the one asked for.
    const pixels = built.recipe.encoder?.feed.form === 'pixels';
    steps.push(step('retarget-resolution', pixels ? { resolution: `${width}x${height}` } : {}));
  }
  if (options.lora === 'merge' && hasBranches(component.model)) steps.push(step('merge-lora'));
  // A plan reads headers only, and the check replaces weights by their names.
  steps.push(step('fold', { weights: false }), step('dead-code'), ...fusions.map((name) => step(name)));
  // A bias goes into a quantized product first, which costs nothing there.
  steps.push(...precisionSteps(precision, options), step('fuse-bias'), step('dead-code'));
  return steps;
}

/** The passes that change weights and their use. */
export function precisionSteps(precision: Precision, options: ResolvedOptions): readonly PipelineStep[] {
  switch (precision) {
    case 'fp32':
      return [];
    case 'fp16':
      return [step('float16', { keepIo: options.ioDtype === 'float32' })];
    case 'int8':
    case 'int4': {
      const { blockSize: block, symmetric, quantizeEmbeddings: embedding } = options;
      return [
        step(precision, { block, symmetric, embedding }),
        ...(hasGather(options) ? [] : [step('plain-gather')]),
      ];
    }
  }
}

/** What the graphs have to run on. Throws VC4405 where a target is not known. */
export function optionTargets({ target, format }: ResolvedOptions): readonly Target[] {
  return target === undefined ? packageFormat(format).targets : targetsOf(target);
}

/** True where every runtime that the format is for gathers quantized rows by an operator of their own. */
function hasGather(options: ResolvedOptions): boolean {
  const objection = unsupported(
    optionTargets(options),
    'com.microsoft::GatherBlockQuantized',
    ({ kernel }) => (kernel ? undefined : 'no kernel'),
  );
  return objection === undefined;
}

/** True when a graph runs adapters beside its weights. */
export function usesAdapters({ components }: BuiltModel): boolean {
  return components.some(({ model }) => hasBranches(model));
}

function precisionOf(options: ResolvedOptions, id: string): Precision {
  return typeof options.precision === 'string' ? options.precision : (options.precision[id] ?? 'fp32');
}

/** What passes given as text come to: the least exact of them decides, and with it the limits of the check. */
export function precisionOfSteps(steps: readonly PipelineStep[]): Precision {
  const names = new Set(steps.map(({ pass }) => pass.name));
  if (names.has('int4')) return 'int4';
  if (names.has('int8') || names.has('int8-channel')) return 'int8';
  return names.has('float16') ? 'fp16' : 'fp32';
}

function checkComponents(option: string, named: readonly string[], ids: readonly string[]): void {
  for (const id of named) {
    if (ids.includes(id)) continue;
    const hint = didYouMean(id, ids);
    throw fail('VC4006', {
      where: option,
      found: quote(id),
      expected: ids.join(', '),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
