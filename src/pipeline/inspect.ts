/**
 * What is inside a checkpoint folder, a .safetensors file or an .onnx file: headers are read, weights are not, but for
 * small constants that passes compute on.
 */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { type architectures, findArchitecture } from '../architectures/registry.ts';
import { type ComponentSummary, componentSummary } from '../architectures/vocabulary.ts';
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { modelTensors } from '../formats/onnx/layout.ts';
import { openModel } from '../formats/onnx/open.ts';
import { openSafetensors, safetensorsSource } from '../formats/safetensors/read.ts';
import { findNode, mermaidAround } from '../graph/mermaid.ts';
import type { Model } from '../graph/model.ts';
import { printModel } from '../graph/print.ts';
import { problemsOf, verifyAndInfer } from '../graph/verify.ts';
import { type DiagnosticRecord, fail, VlmError } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import { show, systemReason } from '../report/show.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type DTypeTotal, type InspectedGraph, inspectGraph, totals } from './inspect-graph.ts';
import { otherShapes } from './model-warnings.ts';
import { openSource } from './open-source.ts';
import { resolveOptions } from './options.ts';

export type { DTypeTotal, InspectedGraph, InspectedMeaning, InspectedPass } from './inspect-graph.ts';

export interface InspectedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** The file that holds it, where there are several. */
  readonly file?: string;
}

export interface InspectOptions {
  /** The graphs as text are wanted. */
  readonly graph?: boolean | undefined;
  /** A node, or a value that one makes: what is around it is wanted as a Mermaid flowchart. */
  readonly around?: string | undefined;
  /** Steps away from it; default 2. */
  readonly depth?: number | undefined;
}

interface Contents {
  readonly name: string;
  /** By component; an ONNX file is one, of its own name. */
  readonly graphs?: Readonly<Record<string, string>>;
  readonly around?: string;
  readonly tensors: readonly InspectedTensor[];
  readonly dtypes: readonly DTypeTotal[];
  /** What is wrong, errors and warnings; an error means that the conversion would refuse it. */
  readonly problems: readonly DiagnosticRecord[];
}

export interface InspectedComponent extends InspectedGraph, ComponentSummary {}

export interface InspectedCheckpoint extends Contents {
  readonly kind: 'checkpoint';
  readonly config: JsonObject;
  /** The family's id, or null where none knows it. */
  readonly architecture: string | null;
  readonly components: readonly InspectedComponent[];
  /** What the checkpoint does with a picture, in one line. */
  readonly image?: string;
  readonly audio?: string;
  /** Tensors that no component reads. */
  readonly unusedTensors: readonly string[];
}

export interface InspectedSafetensors extends Contents {
  readonly kind: 'safetensors';
  readonly metadata: Readonly<Record<string, string>>;
}

export interface InspectedOnnx extends Contents, InspectedGraph {
  readonly kind: 'onnx';
  readonly irVersion: number;
  readonly producer: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly functions: number;
}

export type Inspection = InspectedCheckpoint | InspectedSafetensors | InspectedOnnx;

/**
 * Throws VlmError when the file or folder cannot be read at all, and VC4020 when the node that is asked for is not
 * there; what can be read comes with its problems.
 */
export async function inspect(path: string, options: InspectOptions = {}): Promise<Inspection> {
  const kind = await stat(path).catch((cause: unknown) => {
    throw fail('VC4008', { where: path, found: systemReason(cause), cause });
  });
  if (kind.isDirectory() && extname(path) !== '.safetensors') return inspectCheckpoint(path, options);
  switch (extname(path).toLowerCase()) {
    case '.safetensors':
      return inspectSafetensors(path);
    case '.onnx':
      return inspectOnnx(path, options);
    default:
      throw fail('VC4008', { where: path, expected: 'a folder, a .safetensors file or an .onnx file' });
  }
}

async function inspectCheckpoint(path: string, options: InspectOptions): Promise<InspectedCheckpoint> {
  const checkpoint = await openSource(resolveOptions({ checkpoint: path }));
  try {
    const tensors = [...checkpoint.tensors].map(([name, { tensor, file }]) => ({
      ...tensorRow(name, tensor),
      file,
    }));
    const problems: DiagnosticRecord[] = [...checkpoint.problems];
    let architecture: string | null = null;
    let built: ReturnType<(typeof architectures)[number]['build']> | undefined;
    try {
      const family = findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys()));
      architecture = family.id;
      built = family.build(checkpoint, { tiling: 'fit', loraTiles: 'nearest' });
      problems.push(...built.warnings);
    } catch (error) {
      if (!(error instanceof VlmError)) throw error;
      problems.push(error.record);
    }
    const components: InspectedComponent[] = [];
    for (const component of built?.components ?? []) {
      const found = await inspectGraph(component.model, true);
      components.push({ ...componentSummary(component), ...found.graph });
      problems.push(...found.problems);
    }
    const models = new Map((built?.components ?? []).map(({ id, model }) => [id, model]));
    return {
      kind: 'checkpoint',
      name: checkpoint.name,
      config: checkpoint.config,
      architecture,
      components,
      ...(built?.image === undefined ? {} : { image: built.image.summary }),
      ...(built?.audio === undefined ? {} : { audio: built.audio.summary }),
      unusedTensors: built?.unusedTensors ?? [],
      tensors,
      dtypes: totals(tensors),
      problems,
      ...views(path, models, options),
    };
  } finally {
    await checkpoint.close();
  }
}

async function inspectSafetensors(path: string): Promise<InspectedSafetensors> {
  const source = await safetensorsSource(path, basename(path));
  try {
    const file = await openSafetensors(source);
    const tensors = [...file.tensors].map(([name, tensor]) => tensorRow(name, tensor));
    return {
      kind: 'safetensors',
      name: basename(path),
      metadata: Object.fromEntries(file.metadata),
      tensors,
      dtypes: totals(tensors),
      problems: [],
    };
  } finally {
    await source.close();
  }
}

async function inspectOnnx(path: string, options: InspectOptions): Promise<InspectedOnnx> {
  const { model, close } = await openModel(path);
  try {
    const name = basename(path);
    const tensors = [...modelTensors(model)].map((each) => tensorRow(each.name, each.tensor));
    const problems = typed(model, name);
    const { graph, problems: faults } = await inspectGraph(
      model,
      problems.every(({ severity }) => severity !== 'error'),
    );
    return {
      kind: 'onnx',
      name,
      irVersion: model.irVersion,
      producer: `${model.producerName} ${model.producerVersion}`.trim(),
      opsets: Object.fromEntries(
        [...model.opsetImports].map(([domain, version]) => [domain || 'ai.onnx', version]),
      ),
      functions: model.functions.length,
      ...graph,
      tensors,
      dtypes: totals(tensors),
      problems: [...problems, ...faults],
      ...views(path, new Map([[name, model]]), options),
    };
  } finally {
    await close();
  }
}

/** Infers the types of a sound model; what is wrong with any other. */
function typed(model: Model, name: string): readonly DiagnosticRecord[] {
  try {
    return otherShapes(name, verifyAndInfer(model));
  } catch (error) {
    if (!(error instanceof VlmError)) throw error;
    const all = problemsOf(model);
    return (all.length === 0 ? [error] : all).map(({ record }) => record);
  }
}

/** What was asked for beside the inspection. Throws VC4020 where no model has the node. */
function views(
  where: string,
  models: ReadonlyMap<string, Model>,
  { graph, around, depth = 2 }: InspectOptions,
): Pick<Contents, 'graphs' | 'around'> {
  const texts = (): Record<string, string> =>
    Object.fromEntries([...models].map(([id, model]) => [id, printModel(model)]));
  const asked = graph === true ? { graphs: texts() } : {};
  if (around === undefined) return asked;
  for (const model of models.values()) {
    const node = findNode(model, around);
    if (node !== undefined) return { ...asked, around: mermaidAround(node, depth) };
  }
  const names = [...models.values()].flatMap((model) => [...model.graph.nodes()].map((node) => node.name));
  const hint = didYouMean(around, names);
  throw fail('VC4020', { where, found: show(around), ...(hint === undefined ? {} : { hint }) });
}

function tensorRow(name: string, tensor: Tensor): InspectedTensor {
  return { name, dtype: tensor.dtype, shape: tensor.shape, bytes: tensor.byteLength };
}
