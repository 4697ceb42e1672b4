/**
 * A small model that shows a fault, as files that need nothing else: the graph before and after the pass, what goes in,
 * what should come out and what does, and how to see it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutModel } from '../formats/onnx/layout.ts';
import { writeSafetensors } from '../formats/safetensors/write.ts';
import type { Model } from '../graph/model.ts';
import type { Reproduction } from '../parity/index.ts';
import { plural } from '../report/format.ts';
import { runtimeVersion } from '../runtime/session.ts';
import type { RunTensor } from '../runtime/values.ts';
import { inlineTensor } from '../tensor/tensor.ts';
import type { PassFault } from './bisect-components.ts';
import { sha256 } from './digest.ts';
import type { ManifestFile } from './manifest.ts';
import { writeFileSynced } from './output-folder.ts';
import { toolVersion } from './version.ts';
import { type ModelToWrite, planModels, type WriteLimits, writeModels } from './write-models.ts';

/** Weights up to this size stand in the model file. */
const inlineLimit = 4 << 20;

export interface ReproducerOptions {
  /** Absolute; the files go into a folder of the component's name in it. */
  readonly root: string;
  readonly constantsPath: string;
  readonly write: WriteLimits;
  readonly signal: AbortSignal;
}

/** Writes the files; relative to the root. Throws as `writeModels` and `writeSafetensors`. */
export async function writeReproducer(
  fault: PassFault,
  found: Reproduction,
  { root, constantsPath, write, signal }: ReproducerOptions,
): Promise<readonly ManifestFile[]> {
  const folder = fault.component;
  const models = modelsOf(found).map(([fileName, model]): ModelToWrite => {
    return { folder, model, layout: layoutModel(model, { fileName, inlineLimit }) };
  });
  const options = { ...write, nonFinite: 'keep', root, constantsPath, signal, durable: true } as const;
  const files = [...(await writeModels(models, await planModels(models), options))];
  const add = async (name: string, bytes?: Uint8Array): Promise<void> => {
    const path = `${folder}/${name}`;
    if (bytes !== undefined) await writeFileSynced(join(root, path), bytes);
    const written = bytes ?? (await readFile(join(root, path)));
    files.push({ path, bytes: written.byteLength, sha256: sha256(written) });
  };
  for (const [name, values] of valuesOf(found)) {
    await writeSafetensors(join(root, folder, name), tensorsOf(values));
    await add(name);
  }
  const text = new TextEncoder();
  await add('fault.json', text.encode(`${JSON.stringify(fault, null, 2)}\n`));
  await add('README.md', text.encode(await readme(fault, found)));
  return files;
}

/** The command that shows the fault, to be run in the folder. */
export function showCommand(fault: PassFault, found: Reproduction): string {
  if (found.applied === undefined) return `vlm-convert quantize before.onnx out --passes '${fault.pass}'`;
  const first = hasOtherWeights(found) ? 'expected.onnx' : 'before.onnx';
  const gate = fault.limit === undefined ? '' : ` --gate max=${fault.limit}`;
  return `vlm-convert compare ${first} after.onnx --inputs inputs.safetensors${gate}`;
}

/** Whether the pass says that weights are others now. */
function hasOtherWeights({ before, applied }: Reproduction): boolean {
  return applied !== undefined && applied.fair !== before;
}

function modelsOf(found: Reproduction): readonly (readonly [string, Model])[] {
  const { before, applied } = found;
  if (applied === undefined) return [['before', before]];
  const fair = hasOtherWeights(found) ? [['expected', applied.fair] as const] : [];
  return [['before', before], ...fair, ['after', applied.after]];
}

function valuesOf({
  inputs,
  expected,
  found,
}: Reproduction): readonly (readonly [string, ReadonlyMap<string, RunTensor>])[] {
  const all = [
    ['inputs.safetensors', inputs],
    ['expected.safetensors', expected],
    ['found.safetensors', found],
  ] as const;
  return all.filter(([, values]) => values.size > 0);
}

function tensorsOf(values: ReadonlyMap<string, RunTensor>): Parameters<typeof writeSafetensors>[1] {
  return new Map(
    [...values].map(([name, { dtype, shape, data }]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return [name, inlineTensor(dtype, shape, bytes)];
    }),
  );
}

async function readme(fault: PassFault, found: Reproduction): Promise<string> {
  const { name, version } = await runtimeVersion();
  const { error, thrown, nodes } = found;
  const symptom =
    error === undefined
      ? `${thrown?.code}: ${thrown?.record.message}${thrown?.record.found === undefined ? '' : ` (${thrown.record.found})`}`
      : `\`${error.output}\` is off by ${size(error.max)} of its standard deviation (relative error ${size(error.relative)}); allowed is ${fault.limit}`;
  const other = hasOtherWeights(found)
    ? ['- `expected.onnx`: the same with the values that the pass says its weights have now']
    : [];
  const after =
    found.applied === undefined
      ? []
      : [...other, '- `after.onnx`: what the pass makes of it (without rounding of activations)'];
  const values =
    found.inputs.size === 0
      ? []
      : [
          '- `inputs.safetensors`, `expected.safetensors`, `found.safetensors`: what goes in, what comes out before and after',
        ];
  return [
    `# ${fault.pass} on ${plural(nodes, 'node')} of ${fault.component}`,
    '',
    `Pass: \`${fault.pass}\``,
    '',
    `What is wrong: ${symptom}`,
    '',
    'To see it:',
    '',
    '```sh',
    showCommand(fault, found),
    '```',
    '',
    `To run the pass again: \`vlm-convert quantize before.onnx out --passes '${fault.pass}'\``,
    '',
    '- `before.onnx`: what the pass is given',
    ...after,
    ...values,
    '- `fault.json`: the component, the block, the node and the weight, as vlm-convert bisect found them',
    '',
    `vlm-convert ${toolVersion()}, ${name} ${version}`,
    '',
  ].join('\n');
}

function size(value: number): string {
  return Number.isFinite(value) ? value.toPrecision(3) : 'infinitely much';
}
