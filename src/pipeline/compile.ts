/**
 * Graphs through passes: for every component the reference as the architecture built it, the plain graph (with the
 * original weights for the rewrite level of parity, with the output's for the implementation level), and the graph
 * that is written, with the layout of its files. Nothing is read here.
 */
import type { BuiltModel, Component } from '../architectures/architecture.ts';
import { layoutModel, type ModelLayout } from '../formats/onnx/layout.ts';
import { cloneModel } from '../graph/clone.ts';
import type { Model } from '../graph/model.ts';
import { packageFormat } from '../packages/registry.ts';
import { expectedMeanings, missedMeanings } from '../passes/expected-meanings.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import { placementWarnings } from '../targets/placement.ts';
import { cast } from '../tensor/derived/cast.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { withAdapterInputs } from './adapter-inputs.ts';
import { type Links, noLinks } from './links.ts';
import type { Precision, ResolvedOptions } from './options.ts';
import { type PassRecord, type Reproducer, runPipeline } from './pass-manager.ts';
import { printPipeline } from './pipeline-text.ts';
import { type ComponentSteps, changesSums, chooseSteps } from './steps.ts';
import { toolVersion } from './version.ts';

export interface CompiledComponent {
  readonly component: Component;
  readonly precision: Precision;
  /** Pipeline text. */
  readonly passes: string;
  readonly records: readonly PassRecord[];
  /** Of the graph as a whole, besides those of passes. */
  readonly warnings: readonly DiagnosticRecord[];
  /**
   * The plain graph with the original weights, where passes gave it other sums than the reference has. It is `plain`
   * itself where the output's weights are the original ones.
   */
  readonly rewritten?: Model;
  /** Before the first pass that fuses, quantizes or rounds, with the values that the output's weights have. */
  readonly plain: Model;
  /** What is written. */
  readonly model: Model;
  readonly layout: ModelLayout;
  /** Where factors of adapters are inputs of what is written: the same graph that holds them, and what they are. */
  readonly bound?: { readonly model: Model; readonly factors: ReadonlyMap<string, Tensor> };
}

/** Called with the graph before a pass that broke it. */
export type OnBroken = (component: string, reproducer: Reproducer) => void | Promise<void>;

/** Throws VC44xx for the options, VC3xxx when a pass refuses or breaks a graph. */
export async function compile(
  built: BuiltModel,
  options: ResolvedOptions,
  onBroken: OnBroken = () => {},
  links: Links = noLinks,
): Promise<readonly CompiledComponent[]> {
  const steps = chooseSteps(built, options);
  const compiled: WithoutFiles[] = [];
  for (const component of built.components) {
    const chosen = steps.get(component.id);
    if (chosen === undefined) throw new RangeError(`no steps for ${component.id}`);
    compiled.push(await compileComponent(component, chosen, options, onBroken));
  }
  return withLayouts(compiled, packageFormat(options.format).dataNames?.(built, compiled), links);
}

type WithoutFiles = Omit<CompiledComponent, 'layout'>;

/** `dataNames`: by component, as the package format gives them. */
function withLayouts(
  compiled: readonly WithoutFiles[],
  dataNames: ReadonlyMap<string, ReadonlyMap<Tensor, string>> | undefined,
  links: Links,
): readonly CompiledComponent[] {
  const standing = new Map<string, number>();
  return compiled.map((each) => {
    const { id, fileName } = each.component;
    const names = dataNames?.get(id);
    const layout = layoutModel(each.model, {
      fileName,
      linked: links.names,
      standing,
      ...(names === undefined ? {} : { dataNames: names }),
    });
    return { ...each, layout };
  });
}

async function compileComponent(
  component: Component,
  steps: ComponentSteps,
  options: ResolvedOptions,
  onBroken: OnBroken,
): Promise<WithoutFiles> {
  const model = cloneModel(component.model);
  model.producerVersion = toolVersion();
  const instrumentation = {
    targets: steps.targets,
    onFailure: (reproducer: Reproducer) => onBroken(component.id, reproducer),
  };
  const first = await runPipeline(model, steps.plain, instrumentation);
  const original = cloneModel(model);
  const rest = await runPipeline(model, steps.rest, instrumentation);
  const open = options.lora === 'runtime' ? withAdapterInputs(model) : undefined;
  const written = open?.model ?? model;
  const plain = rest.substitutes.size === 0 ? original : substituted(original, rest.substitutes);
  return {
    component,
    precision: steps.precision,
    passes: printPipeline([...steps.plain, ...steps.rest]),
    records: [...first.records, ...rest.records],
    warnings: [
      ...(steps.usual ? missedMeanings(component.id, expectedMeanings(original), model) : []),
      ...placementWarnings(component.id, model, steps.asked),
    ],
    ...(changesSums(first.records) ? { rewritten: original } : {}),
    plain,
    model: written,
    ...(open === undefined ? {} : { bound: { model, factors: open.tensors } }),
  };
}

/** The plain graph with the values that passes say its initializers effectively have now, in its own element types. */
export function substituted(original: Model, tensors: ReadonlyMap<string, Tensor>): Model {
  const plain = cloneModel(original);
  for (const [name, tensor] of tensors) {
    const value = plain.graph.value(name);
    if (value?.initializer === undefined) {
      throw new RangeError(`a pass substitutes ${name}, which the plain graph does not have`);
    }
    const { dtype } = value.initializer;
    plain.graph.setInitializer(value, tensor.dtype === dtype ? tensor : cast(tensor, dtype));
  }
  return plain;
}
