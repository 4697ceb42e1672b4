/** Which passes a component goes through: those that the options choose, or those that are given as text. */
import type { BuiltModel, Component } from '../architectures/architecture.ts';
import { byComponent } from '../architectures/vocabulary.ts';
import { packageFormat } from '../packages/registry.ts';
import { hasBranches } from '../passes/merge-lora.ts';
import { fail } from '../report/diagnostics.ts';
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
  /** Those of them that the user named. */
  readonly asked: readonly Target[];
  /** Those that the options choose, not given as text. */
  readonly usual: boolean;
  /** Up to the first pass that fuses, quantizes or rounds. */
  readonly plain: readonly PipelineStep[];
  readonly rest: readonly PipelineStep[];
}

/** Throws VC4006 and VC4022 for components that options name, VC44xx for wrong pipeline text and unknown targets. */
export function chooseSteps(
  built: BuiltModel,
  options: ResolvedOptions,
): ReadonlyMap<string, ComponentSteps> {
  const { components } = built;
  const precisions = valuesOf(options.precision, components, '--precision');
  const texts = valuesOf(options.passes, components, '--passes');
  const named = namedTargets(options, components);
  return new Map(
    components.map((component) => {
      const { id } = component;
      const asked = precisions(id) ?? 'fp32';
      const text = texts(id);
      const targets = named(id) ?? packageFormat(options.format).targets;
      const steps =
        text === undefined
          ? defaultSteps(component, built, { ...options, precision: asked }, targets)
          : parsePipeline(text);
      const precision = text === undefined ? asked : precisionOfSteps(steps);
      const first = steps.findIndex(({ pass }) => !plainPasses.has(pass.name));
      const split = first === -1 ? steps.length : first;
      return [
        id,
        {
          precision,
          targets,
          asked: named(id) ?? [],
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
  options: ResolvedOptions & { readonly precision: Precision },
  targets: readonly Target[],
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
  steps.push(...precisionSteps(options.precision, options, targets), step('fuse-bias'), step('dead-code'));
  return steps;
}

/** The passes that change weights and their use. */
export function precisionSteps(
  precision: Precision,
  options: ResolvedOptions,
  targets: readonly Target[],
): readonly PipelineStep[] {
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
        ...(hasGather(targets) ? [] : [step('plain-gather')]),
      ];
    }
  }
}

/**
 * What a graph that is no component has to run on. Throws VC4405 where a target is not known, VC4006 where targets are
 * named by component.
 */
export function optionTargets({ target, format }: ResolvedOptions): readonly Target[] {
  if (target === undefined) return packageFormat(format).targets;
  if (isList(target)) return targetsOf(target);
  throw fail('VC4006', {
    where: '--target',
    found: Object.keys(target).map(quote).join(', '),
    expected: 'targets alone: the model is one graph',
  });
}

/** True where every target gathers quantized rows by an operator of their own. */
function hasGather(targets: readonly Target[]): boolean {
  const objection = unsupported(targets, 'com.microsoft::GatherBlockQuantized', ({ kernel }) =>
    kernel ? undefined : 'no kernel',
  );
  return objection === undefined;
}

function isList(value: object): value is readonly string[] {
  return Array.isArray(value);
}

/** The targets that the user named, by component id. */
function namedTargets(
  { target }: ResolvedOptions,
  components: readonly Component[],
): (id: string) => readonly Target[] | undefined {
  if (target === undefined || isList(target)) {
    const all = target && targetsOf(target);
    return () => all;
  }
  const own = byComponent(target, components, '--target');
  return (id) => {
    const ids = own.get(id);
    return ids && targetsOf(ids);
  };
}

/** An option that is one value for all, or values by address. */
function valuesOf<T extends string>(
  given: T | Readonly<Record<string, T>> | undefined,
  components: readonly Component[],
  option: string,
): (id: string) => T | undefined {
  if (typeof given !== 'object') return () => given;
  const own = byComponent(given, components, option);
  return (id) => own.get(id);
}

/** True when a graph runs adapters beside its weights. */
export function usesAdapters({ components }: BuiltModel): boolean {
  return components.some(({ model }) => hasBranches(model));
}

/** What passes given as text come to: the least exact of them decides, and with it the limits of the check. */
export function precisionOfSteps(steps: readonly PipelineStep[]): Precision {
  const names = new Set(steps.map(({ pass }) => pass.name));
  if (names.has('int4')) return 'int4';
  if (names.has('int8') || names.has('int8-channel')) return 'int8';
  return names.has('float16') ? 'fp16' : 'fp32';
}
