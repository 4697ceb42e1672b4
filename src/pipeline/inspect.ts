/**
 * What is inside a checkpoint folder, a .safetensors file or an .onnx file: headers are read, weights are not.
 */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { type architectures, findArchitecture } from '../architectures/registry.ts';
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { modelTensors } from '../formats/onnx/layout.ts';
import { openModel } from '../formats/onnx/open.ts';
import { openSafetensors, safetensorsSource } from '../formats/safetensors/read.ts';
import { formatType } from '../graph/types.ts';
import { problemsOf } from '../graph/verify.ts';
import { type DiagnosticRecord, fail, VlmError } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import type { Tensor } from '../tensor/tensor.ts';

import { openSource } from './open-source.ts';
import { resolveOptions } from './options.ts';

export interface InspectedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** The file that holds it, where there are several. */
  readonly file?: string;
}

/** Bytes and count of the tensors of one dtype. */
export interface DTypeTotal {
  readonly dtype: string;
  readonly tensors: number;
  readonly bytes: number;
}

interface Contents {
  readonly name: string;
  readonly tensors: readonly InspectedTensor[];
  readonly dtypes: readonly DTypeTotal[];
  /** What is wrong, errors and warnings; an error means that the conversion would refuse it. */
  readonly problems: readonly DiagnosticRecord[];
}

export interface InspectedComponent {
  readonly id: string;
  readonly kind: string;
  readonly modality: string;
  readonly nodes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface InspectedCheckpoint extends Contents {
  readonly kind: 'checkpoint';
  readonly config: JsonObject;
  /** The family's id, or null where none knows it. */
  readonly architecture: string | null;
  readonly components: readonly InspectedComponent[];
  /** What the checkpoint does with a picture, in one line. */
  readonly image?: string;
  /** Tensors that no component reads. */
  readonly unusedTensors: readonly string[];
}

export interface InspectedSafetensors extends Contents {
  readonly kind: 'safetensors';
  readonly metadata: Readonly<Record<string, string>>;
}

export interface InspectedOnnx extends Contents {
  readonly kind: 'onnx';
  readonly irVersion: number;
  readonly producer: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Operator to count, most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  readonly functions: number;
}

export type Inspection = InspectedCheckpoint | InspectedSafetensors | InspectedOnnx;

/** Throws VlmError when the file or folder cannot be read at all; what can be read comes with its problems. */
export async function inspect(path: string): Promise<Inspection> {
  const kind = await stat(path).catch((cause: unknown) => {
    throw fail('VC4008', { where: path, found: systemReason(cause), cause });
  });
  if (kind.isDirectory() && extname(path) !== '.safetensors') return inspectCheckpoint(path);
  switch (extname(path).toLowerCase()) {
    case '.safetensors':
      return inspectSafetensors(path);
    case '.onnx':
      return inspectOnnx(path);
    default:
      throw fail('VC4008', { where: path, expected: 'a folder, a .safetensors file or an .onnx file' });
  }
}

async function inspectCheckpoint(path: string): Promise<InspectedCheckpoint> {
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
    return {
      kind: 'checkpoint',
      name: checkpoint.name,
      config: checkpoint.config,
      architecture,
      components: (built?.components ?? []).map(({ id, kind, modality, model }) => ({
        id,
        kind,
        modality,
        nodes: model.graph.nodeCount,
        inputs: model.graph.inputs.map((value) => `${value.name} ${formatType(value.type)}`),
        outputs: model.graph.outputs.map((value) => `${value.name} ${formatType(value.type)}`),
      })),
      ...(built?.image === undefined ? {} : { image: built.image.summary }),
      unusedTensors: built?.unusedTensors ?? [],
      tensors,
      dtypes: totals(tensors),
      problems,
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

async function inspectOnnx(path: string): Promise<InspectedOnnx> {
  const { model, close } = await openModel(path);
  try {
    const tensors = [...modelTensors(model)].map(({ name, tensor }) => tensorRow(name, tensor));
    const counts = new Map<string, number>();
    for (const node of model.graph.nodes()) counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
    return {
      kind: 'onnx',
      name: basename(path),
      irVersion: model.irVersion,
      producer: `${model.producerName} ${model.producerVersion}`.trim(),
      opsets: Object.fromEntries(
        [...model.opsetImports].map(([domain, version]) => [domain || 'ai.onnx', version]),
      ),
      inputs: model.graph.inputs.map((value) => `${value.name} ${formatType(value.type)}`),
      outputs: model.graph.outputs.map((value) => `${value.name} ${formatType(value.type)}`),
      operators: Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))),
      functions: model.functions.length,
      tensors,
      dtypes: totals(tensors),
      problems: problemsOf(model).map(({ record }) => record),
    };
  } finally {
    await close();
  }
}

function tensorRow(name: string, tensor: Tensor): InspectedTensor {
  return { name, dtype: tensor.dtype, shape: tensor.shape, bytes: tensor.byteLength };
}

/** By bytes, largest first. */
function totals(tensors: readonly InspectedTensor[]): DTypeTotal[] {
  const byType = new Map<string, DTypeTotal>();
  for (const { dtype, bytes } of tensors) {
    const known = byType.get(dtype) ?? { dtype, tensors: 0, bytes: 0 };
    byType.set(dtype, { dtype, tensors: known.tensors + 1, bytes: known.bytes + bytes });
  }
  return [...byType.values()].sort((a, b) => b.bytes - a.bytes || (a.dtype < b.dtype ? -1 : 1));
}
