/**
 * Finds the weight files of a checkpoint folder and opens them: one `model.safetensors`, or shards named by an
 * index, or whatever `*.safetensors` the publisher put there. Headers only are read.
 */
import { type DiagnosticRecord, diagnostic, fail } from '../../report/diagnostics.ts';
import { list, quote } from '../../report/show.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { howToConvert, openSafetensors, safetensorsSource } from '../safetensors/read.ts';
import type { CheckpointTensor } from './checkpoint.ts';
import { type Folder, fileIn, fileNames } from './folder.ts';
import { parseWeightMap, type WeightMap } from './index-json.ts';
import { readIndex } from './read-json.ts';

export interface Weights {
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Open files, one per weight file; the caller closes them. */
  readonly sources: readonly ByteSource[];
}

interface WeightFiles {
  /** Names, sorted. */
  readonly files: readonly string[];
  /** The index that names them, where there is one. */
  readonly index?: { readonly name: string; readonly weightMap: WeightMap };
}

/** What every output folder of ours holds, and no checkpoint. */
export const outputManifest = 'vlm-convert.json';

const single = 'model.safetensors';
const indexSuffix = '.safetensors.index.json';

/**
 * None where the folder has none: `requireWeights` says so to the user.
 *
 * @param warn gets VC1126
 * @param label stands before the names of files, as `Checkpoint` has them
 * @throws VlmError VC10xx for a broken file; VC1120 to VC1126 for what does not fit together
 */
export async function openWeights(
  folder: Folder,
  warn: (record: DiagnosticRecord) => void,
  label?: string,
): Promise<Weights> {
  const { files, index } = await findWeights(folder);
  const sources: ByteSource[] = [];
  const tensors = new Map<string, CheckpointTensor>();
  try {
    for (const file of files) {
      const path = fileIn(folder, file);
      if (path === undefined) throw new RangeError(`${file} was found and is not there`);
      const name = label === undefined ? file : `${label}/${file}`;
      const source = await safetensorsSource(path, name);
      sources.push(source);
      for (const [tensorName, tensor] of (await openSafetensors(source)).tensors) {
        const other = tensors.get(tensorName);
        if (other !== undefined) {
          throw fail('VC1125', { where: quote(tensorName), found: `in ${other.file} and in ${name}` });
        }
        tensors.set(tensorName, { tensor, file: name });
      }
    }
    if (index !== undefined) checkIndex(index.name, index.weightMap, tensors, warn, label);
  } catch (cause) {
    await Promise.all(sources.map((source) => source.close()));
    throw cause;
  }
  return { tensors, sources };
}

/** The same choice as transformers makes: the single file, else the index, else what there is. */
async function findWeights(folder: Folder): Promise<WeightFiles> {
  if (folder.entries.has(single)) return { files: [single] };
  const names = [...folder.entries.keys()];
  const indexes = names.filter((name) => name.endsWith(indexSuffix));
  const preferred = `model${indexSuffix}`;
  const name = indexes.includes(preferred) ? preferred : indexes.length === 1 ? indexes[0] : undefined;
  if (name !== undefined) {
    const weightMap = parseWeightMap(await readIndex(folder, name), name);
    const files = [...new Set(weightMap.values())].sort();
    requireFiles(folder, files, name);
    return { files, index: { name, weightMap } };
  }
  const files = names.filter((file) => file.endsWith('.safetensors'));
  requireFiles(folder, shardNames(files), 'the numbers in the file names');
  return { files };
}

function requireFiles(folder: Folder, files: readonly string[], by: string): void {
  const missing = files.filter((file) => !folder.entries.has(file));
  if (missing.length === 0) return;
  const pickle = missing.find((file) => isPickle(file));
  throw fail('VC1123', {
    where: folder.path,
    found: `${missing.length} of ${files.length} missing: ${list(missing)}`,
    expected: `every file named by ${by}`,
    ...(pickle === undefined ? {} : { hint: howToConvert(pickle) }),
  });
}

/** Every name of the first shard set (`model-00001-of-00002.safetensors`) that is not whole; [] if none. */
function shardNames(files: readonly string[]): string[] {
  const sets = new Map<string, { before: string; count: string; held: Set<number> }>();
  for (const file of files) {
    const match = /^(.*-)([0-9]{5})-of-([0-9]{5})\.safetensors$/.exec(file);
    if (match === null) continue;
    const [, before = '', number = '', count = ''] = match;
    const set = sets.get(before + count) ?? { before, count, held: new Set() };
    set.held.add(Number(number));
    sets.set(before + count, set);
  }
  for (const { before, count, held } of sets.values()) {
    if (held.size === Number(count)) continue;
    return Array.from(
      { length: Number(count) },
      (_, i) => `${before}${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`,
    );
  }
  return [];
}

/** Throws VC1130, or VC1131 where there are pickles, for a folder without weight files. */
export function requireWeights(folder: Folder): void {
  if (!hasWeights(folder)) throw noWeights(folder);
}

/** Throws VC1130 for an output folder: its config.json says what a checkpoint's says, of parts that it has not. */
export function refuseOutput(folder: Folder): void {
  if (!folder.entries.has(outputManifest) || hasWeights(folder)) return;
  throw fail('VC1130', {
    where: folder.path,
    found: `an output of a conversion (${outputManifest})`,
    expected: 'a checkpoint',
    hint: 'name the checkpoint that it was made from; run, parity, compare and bisect take outputs, inspect their .onnx files',
  });
}

function hasWeights(folder: Folder): boolean {
  const suffixes = ['.safetensors', indexSuffix];
  return [...folder.entries.keys()].some((name) => suffixes.some((suffix) => name.endsWith(suffix)));
}

function noWeights(folder: Folder): Error {
  const pickles = fileNames(folder).filter(isPickle);
  const [first] = pickles;
  if (first !== undefined) {
    return fail('VC1131', {
      where: folder.path,
      found: list(pickles),
      expected: '*.safetensors',
      hint: howToConvert(first),
    });
  }
  const gguf = fileNames(folder).filter((name) => name.endsWith('.gguf'));
  return fail('VC1130', {
    where: folder.path,
    found: gguf.length > 0 ? list(gguf) : 'no file named *.safetensors',
    expected: `${single}, or ${single}.index.json with its shards`,
  });
}

/** By name: pickles are never opened. `training_args.bin` and the like hold no weights. */
function isPickle(name: string): boolean {
  return (
    /\.(pt|pth|ckpt)$/.test(name) || /^(pytorch_|adapter_|consolidated|model|diffusion_).*\.bin$/.test(name)
  );
}

function checkIndex(
  where: string,
  weightMap: WeightMap,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  warn: (record: DiagnosticRecord) => void,
  label: string | undefined,
): void {
  for (const [name, listed] of weightMap) {
    const file = label === undefined ? listed : `${label}/${listed}`;
    const held = tensors.get(name);
    if (held?.file === file) continue;
    throw fail('VC1124', {
      where: `${where}: ${quote(name)}`,
      found: held === undefined ? 'it is in none of the files' : `it is in ${held.file}`,
      expected: `in ${file}`,
    });
  }
  const unlisted = [...tensors.keys()].filter((name) => !weightMap.has(name));
  if (unlisted.length > 0) warn(diagnostic('VC1126', { where, found: list(unlisted) }));
}
