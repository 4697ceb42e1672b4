/** Opens a PEFT adapter folder: adapter_config.json and the header of adapter_model.safetensors. */
import { type DiagnosticRecord, fail } from '../../../report/diagnostics.ts';
import type { ByteSource } from '../../../tensor/byte-source.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import { isJsonObject } from '../../json.ts';
import { howToConvert, openSafetensors, safetensorsSource } from '../../safetensors/read.ts';
import type { JsonObject } from '../checkpoint.ts';
import { type Folder, fileIn, openFolder } from '../folder.ts';
import { readSideFile } from '../read-json.ts';
import { type AdapterConfig, readAdapterConfig } from './adapter-config.ts';
import { type AdapterKeys, sortKeys } from './adapter-keys.ts';

export const adapterConfigName = 'adapter_config.json';
const weightsName = 'adapter_model.safetensors';
/** What LLaVA's training code saves beside an adapter: weights that were trained whole. */
const wholeName = 'non_lora_trainables.safetensors';

export interface Adapter {
  /** The folder's own name, for messages and reports. */
  readonly name: string;
  readonly path: string;
  readonly config: AdapterConfig;
  /** Where `config` stands, for messages. */
  readonly configFile: string;
  readonly keys: AdapterKeys;
  /** The file of the weights, for messages. */
  readonly file: string;
  /** Whole weights beside the adapter, by their names in the file. */
  readonly whole: ReadonlyMap<string, Tensor>;
  readonly wholeFile: string;
  /** config.json of the folder, where there is one. */
  readonly model: JsonObject | undefined;
  readonly sources: readonly ByteSource[];
  readonly problems: readonly DiagnosticRecord[];
  close(): Promise<void>;
}

/** True where a folder holds an adapter and no model of its own. */
export function isAdapterFolder({ entries }: Folder): boolean {
  return (
    entries.has(adapterConfigName) &&
    !entries.has('model.safetensors') &&
    ![...entries.keys()].some((name) => name.endsWith('.safetensors.index.json'))
  );
}

/**
 * @param label what the adapter's files are called in messages, plans and digests: unique among all inputs
 * @throws VlmError VC1301 where the folder holds no adapter, VC1131 for pickles, VC10xx for a broken file, VC1303 to
 *   VC1309 for what cannot be merged
 */
export async function openAdapter(path: string, label?: string): Promise<Adapter> {
  const folder = await openFolder(path);
  const problems: DiagnosticRecord[] = [];
  const warn = (record: DiagnosticRecord) => problems.push(record);
  const place = label ?? folder.name;
  const read = async (name: string): Promise<JsonObject | undefined> => {
    if (fileIn(folder, name) === undefined) return undefined;
    const value = await readSideFile(folder, name, (record) => {
      if (name !== adapterConfigName || record.code !== 'VC1115') return warn(record);
      throw fail('VC1302', { where: `${place}/${name}`, found: record.found ?? record.message });
    });
    if (!isJsonObject(value)) throw fail('VC1302', { where: `${place}/${name}`, expected: 'a JSON object' });
    return value;
  };
  const raw = await read(adapterConfigName);
  if (raw === undefined) {
    throw fail('VC1301', { where: folder.path, found: `no ${adapterConfigName}` });
  }
  const configFile = `${place}/${adapterConfigName}`;
  const config = readAdapterConfig(raw, configFile);
  const sources: ByteSource[] = [];
  const openFile = async (name: string): Promise<ReadonlyMap<string, Tensor>> => {
    const file = fileIn(folder, name);
    if (file === undefined) return refusePickle(folder, name);
    const source = await safetensorsSource(file, `${place}/${name}`);
    sources.push(source);
    return (await openSafetensors(source)).tensors;
  };
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  try {
    const tensors = await openFile(weightsName);
    if (tensors.size === 0) throw fail('VC1301', { where: folder.path, found: `no ${weightsName}` });
    return {
      name: folder.name,
      path: folder.path,
      config,
      configFile,
      keys: sortKeys(tensors, `${place}/${weightsName}`),
      file: `${place}/${weightsName}`,
      whole: await openFile(wholeName),
      wholeFile: `${place}/${wholeName}`,
      model: await read('config.json'),
      sources,
      problems,
      close,
    };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** Nothing, where there is no such file in any form. Throws VC1131 where it is a pickle. */
function refusePickle(folder: Folder, name: string): ReadonlyMap<string, Tensor> {
  const pickle = name.replace('.safetensors', '.bin');
  if (!folder.entries.has(pickle)) return new Map();
  throw fail('VC1131', { where: folder.path, found: pickle, expected: name, hint: howToConvert(pickle) });
}
