/**
 * `--lora runtime`: the factors of an adapter as inputs of the graphs, so that one set of weights serves many adapters.
 *
 *   lora.<module>.A      [lora_batch_size, in, rank]
 *   lora.<module>.B      [lora_batch_size, rank, out]
 *   lora.<module>.scale  [lora_batch_size, 1, 1]
 *
 * lora_batch_size is 1 for all rows of a batch, or the batch size: an adapter per row. The rank may be any, also 0: none.
 * The adapter that the graphs were made with stands beside them under the names of the inputs.
 */
import { encodeHeader, layOut } from '../formats/safetensors/header.ts';
import { cloneModel } from '../graph/clone.ts';
import type { Model } from '../graph/model.ts';
import { type Dim, tensorType } from '../graph/types.ts';
import type { Value } from '../graph/value.ts';
import type { AdapterRecord } from '../parity/index.ts';
import { adapterBranches } from '../passes/merge-lora.ts';
import { fail } from '../report/diagnostics.ts';
import { list, quote } from '../report/show.ts';
import { readAll, type Tensor } from '../tensor/tensor.ts';
import type { ResolvedOptions } from './options.ts';
import type { PlannedSideFile } from './side-files.ts';

/** The adapter as the inputs take it. */
export const adapterFile = 'adapter.safetensors';

export interface WithAdapterInputs {
  readonly model: Model;
  /** What the inputs were before, by their names. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** How initializers of a module's branch are called: blocks/linear.ts. */
const factorName = /^(.*)\.lora\.[abs][a-z]*$/;

/** A copy of the model that takes the factors of its branches as inputs. */
export function withAdapterInputs(original: Model): WithAdapterInputs {
  const model = cloneModel(original);
  const { graph } = model;
  const tensors = new Map<string, Tensor>();
  const expose = (value: Value, name: string, shape: readonly Dim[]): void => {
    const tensor = value.initializer;
    // A module that runs twice has its inputs already.
    if (tensor === undefined) return;
    graph.replaceAllUses(value, graph.addInput(name, tensorType(tensor.dtype, shape)));
    graph.removeInitializer(value);
    tensors.set(name, tensor);
  };
  for (const { a, b, scale, low } of adapterBranches(model)) {
    const module = factorName.exec(a.name)?.[1];
    const [, inputs = null] = shapeOf(a);
    const [, , outputs = null] = shapeOf(b);
    if (module === undefined) continue;
    const [rank, batch] = [`rank.${module}`, 'lora_batch_size'];
    expose(a, `lora.${module}.A`, [batch, inputs, rank]);
    expose(b, `lora.${module}.B`, [batch, rank, outputs]);
    expose(scale, `lora.${module}.scale`, [batch, 1, 1]);
    const type = low.type;
    if (type?.kind === 'tensor' && type.shape !== undefined) {
      graph.setType(low, tensorType(type.dtype, [...type.shape.slice(0, -1), rank]));
    }
  }
  return { model, tensors };
}

function shapeOf({ type }: Value): readonly Dim[] {
  return type?.kind === 'tensor' ? (type.shape ?? []) : [];
}

/**
 * Throws VC1317 unless there is one adapter, all of which became inputs: what it changes otherwise would stay in the
 * graphs with every other adapter. Throws VC4002 for clients that know no such inputs.
 */
export function checkSwitchable(
  adapters: readonly AdapterRecord[] | undefined,
  inputs: ReadonlyMap<string, Tensor>,
  format: ResolvedOptions['format'],
): void {
  if (format !== 'onnx') {
    throw fail('VC4002', {
      where: '--lora',
      found: `runtime with --format ${format}`,
      expected: '--format onnx',
    });
  }
  const [adapter, ...others] = adapters ?? [];
  if (adapter === undefined || others.length > 0) {
    throw fail('VC1317', {
      found: `${others.length + Number(adapter !== undefined)} adapters`,
      expected: 'one',
      ...(adapter === undefined ? { hint: 'name it: --adapter <folder>' } : {}),
    });
  }
  const fixed = adapter.changes.filter(
    ({ tensor, component }) => component !== null && !inputs.has(`lora.${tensor.replace(/\.weight$/, '')}.A`),
  );
  if (fixed.length === 0) return;
  throw fail('VC1317', {
    where: adapter.name,
    found: list(fixed.map(({ tensor, kind }) => `${tensor} (${kind})`)),
    expected: 'low-rank factors of linear layers alone',
  });
}

/** The file of the factors, in the element type that the inputs have. */
export function adapterSideFile(tensors: ReadonlyMap<string, Tensor>): PlannedSideFile {
  const entries = layOut(tensors);
  const header = encodeHeader({ metadata: new Map(), entries });
  const begin = 8 + header.byteLength;
  const bytes = begin + (entries.at(-1)?.end ?? 0);
  return {
    path: adapterFile,
    bytes,
    content: async () => {
      const content = new Uint8Array(bytes);
      new DataView(content.buffer).setBigUint64(0, BigInt(header.byteLength), true);
      content.set(header, 8);
      for (const entry of entries) {
        const tensor = tensors.get(entry.name);
        if (tensor === undefined) throw new RangeError(`${quote(entry.name)} was laid out and is not there`);
        content.set(await readAll(tensor, 'keep'), begin + entry.begin);
      }
      return content;
    },
  };
}
