/** What quantizing and converting a model have in common: from a graph and what passes made of it to a planned output. */
import { basename } from 'node:path';
import { openAdapter } from '../formats/checkpoint/adapters/open-adapter.ts';
import { layoutModel, modelTensors } from '../formats/onnx/layout.ts';
import { openModel } from '../formats/onnx/open.ts';
import type { Model } from '../graph/model.ts';
import { printModel } from '../graph/print.ts';
import { verifyAndInfer } from '../graph/verify.ts';
import type { AdapterRecord } from '../parity/index.ts';
import type { DiagnosticRecord } from '../report/diagnostics.ts';
import type { ByteSource } from '../tensor/byte-source.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import { sha256 } from './digest.ts';
import { sourceFiles } from './inputs.ts';
import { chooseLinks, linkedFiles, noLinks } from './links.ts';
import type { OutputJob } from './make-output.ts';
import { mergeAdapterIntoGraph } from './merge-adapter/merge-adapter.ts';
import { otherShapes } from './model-warnings.ts';
import { labelOf } from './open-source.ts';
import type { AdapterChoice, Precision, ResolvedOptions } from './options.ts';
import type { OutputPlace } from './output-folder.ts';
import type { PassRecord } from './pass-manager.ts';
import { memoryToWrite, type Plan, planComponent, total } from './plan.ts';
import { toolVersion } from './version.ts';

/** A model as it was read, and what is known of it before passes change it. */
export interface GraphSource {
  /** Absolute. */
  readonly path: string;
  /** Name of the file, and without its extension. */
  readonly file: string;
  readonly name: string;
  readonly model: Model;
  readonly checkpoint: Plan['checkpoint'];
  /** What adapters made of its weights, in the order in which they were applied. */
  readonly adapters: readonly AdapterRecord[];
  /** The files that its weights lie in. */
  readonly inputs: readonly ByteSource[];
  readonly warnings: readonly DiagnosticRecord[];
  close(): Promise<void>;
}

/**
 * Opens a model, computes its types, verifies it, and merges adapters into its weights. Throws VC2xxx for the file,
 * VC3xxx for its graph, VC13xx for adapters.
 */
export async function openGraph(path: string, adapters: readonly AdapterChoice[] = []): Promise<GraphSource> {
  const file = basename(path);
  const { model, close } = await openModel(path);
  const opened: { close(): Promise<void> }[] = [{ close }];
  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.map((one) => one.close()));
  };
  try {
    const corrected = verifyAndInfer(model);
    const checkpoint = describe(file, model);
    const merged: AdapterRecord[] = [];
    const warnings: DiagnosticRecord[] = [];
    const labels = new Set<string>();
    for (const { path: folder, share } of adapters) {
      const label = labelOf(basename(folder), labels);
      const adapter = await openAdapter(folder, label);
      opened.push(adapter);
      warnings.push(...adapter.problems);
      merged.push({
        name: label,
        share,
        tensors: adapter.keys.tensors + adapter.whole.size,
        changes: mergeAdapterIntoGraph(model, { adapter, share }, file).map(({ module, weight, change }) => ({
          tensor: weight,
          module,
          ...change,
          component: file,
        })),
      });
    }
    return {
      path,
      file,
      name: file.replace(/\.onnx$/i, ''),
      model,
      checkpoint,
      adapters: merged,
      inputs: sourceFiles([...modelTensors(model)].map(({ tensor }) => tensor)),
      warnings: [...otherShapes(file, corrected), ...warnings],
      close: closeAll,
    };
  } catch (cause) {
    await closeAll();
    throw cause;
  }
}

/** What passes made of the model, which is what is written. */
export interface GraphResult {
  readonly records: readonly PassRecord[];
  /** Pipeline text. */
  readonly passes: string;
  readonly precision: Precision;
  /** Those that bear on the output, as the plan keeps them. */
  readonly recorded: JsonValue;
  readonly warnings: readonly DiagnosticRecord[];
  /** Bytes and memory that a check takes. */
  readonly check: { readonly scratch: number; readonly memory: number };
}

/** Lays the output out. Reads structure only. */
export async function planGraph(
  { name, model, checkpoint, adapters, inputs, warnings }: GraphSource,
  made: GraphResult,
  place: OutputPlace,
  options: ResolvedOptions,
): Promise<Omit<OutputJob, 'finish'>> {
  const links = options.linkWeights ? await chooseLinks(inputs, place) : noLinks;
  const layout = layoutModel(model, { fileName: name, linked: links.names });
  const linked = linkedFiles(links, [layout], '');
  const { precision, passes, records, check } = made;
  const component = await planComponent(
    {
      component: { id: name, kind: 'graph', modality: 'any', holds: [] },
      precision,
      passes,
      records,
      model,
      layout,
    },
    '',
  );
  const plan: Plan = {
    schema: 1,
    version: toolVersion(),
    checkpoint,
    architecture: 'onnx',
    options: made.recorded,
    ...(adapters.length === 0 ? {} : { adapters }),
    components: [component],
    files: [
      ...component.files,
      ...linked.map(({ path, source }) => ({ path, bytes: source.size, link: true as const })),
    ],
    bytes: { output: total(component.files), scratch: check.scratch },
    memory: { write: memoryToWrite([component], options), parity: check.memory },
    warnings: [
      ...warnings,
      ...made.warnings,
      ...links.warnings,
      ...records.flatMap(({ warnings: said }) => said),
    ],
  };
  return {
    plan,
    place,
    models: [{ folder: '', model, layout }],
    links: linked,
    inputs,
    options,
    // Masks of infinities are part of many graphs; in a weight that is quantized they are an error.
    nonFinite: options.allowNonfinite ? 'keep' : 'unquantized',
  };
}

/** Of the model as it was read. */
function describe(name: string, model: Model): Plan['checkpoint'] {
  const tensors = [...modelTensors(model)];
  const places = tensors.map(({ name: tensor, tensor: { dtype, shape, origin } }) =>
    origin.kind === 'source'
      ? [tensor, dtype, shape, origin.source.name, origin.offset]
      : [tensor, dtype, shape],
  );
  return {
    name,
    structureSha256: sha256(JSON.stringify([printModel(model), places])),
    tensors: tensors.length,
    tensorBytes: tensors.reduce((sum, { tensor }) => sum + tensor.byteLength, 0),
    unusedTensors: [],
  };
}
