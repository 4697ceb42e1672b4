/**
 * MiniGPT-v2 as its original code finds it: a file of what was trained (`ckpt`), EVA's own (`vit_ckpt`), and a folder of
 * Llama 2 (`llama_model`). Here they become one checkpoint. What was trained goes over the other two, as the original
 * loads it last: projector, perhaps a tower, and low-rank factors for the language model, which are an adapter like any.
 */

import { readAdapterConfig } from '../../formats/checkpoint/adapters/adapter-config.ts';
import { sortKeys } from '../../formats/checkpoint/adapters/adapter-keys.ts';
import { type AppliedAdapter, applyAdapters } from '../../formats/checkpoint/adapters/apply.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { lastPart } from '../../formats/checkpoint/folder.ts';
import { fail } from '../../report/diagnostics.ts';
import { quote } from '../../report/show.ts';
import type { JoinedCheckpoint, ModelParts } from '../architecture.ts';
import { modules } from './modules.ts';

const languageModel = 'language_model';

/** Keys of the config that name weight files of the folder. */
type FileKey = 'ckpt' | 'vit_ckpt';
const fileDefaults = { vit_ckpt: 'eva_vit_g.safetensors' } as const;

export const miniGptParts: ModelParts = {
  adapted: 'whole',
  find: (main) => {
    weightFile(main, 'ckpt');
    weightFile(main, 'vit_ckpt');
    const name = new ConfigReader(main.config).string('llama_model');
    return [{ id: languageModel, name, where: 'config.json: llama_model', beside: true }];
  },
  join: (main, parts) => {
    const text = parts.get(languageModel);
    if (text === undefined) throw new RangeError('a model without its language model');
    return joined(main, text);
  },
};

function joined(main: Checkpoint, text: Checkpoint): JoinedCheckpoint {
  const [trained, tower] = [weightFile(main, 'ckpt'), weightFile(main, 'vit_ckpt')];
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, entry] of text.tensors) tensors.set(`${modules.text}.${name}`, entry);
  for (const [name, entry] of main.tensors) {
    if (entry.file === tower && tower !== trained) tensors.set(`${modules.tower}.${name}`, entry);
  }
  const factors = new Map<string, CheckpointTensor>();
  for (const [name, entry] of main.tensors) {
    if (entry.file !== trained) continue;
    if (/^llama_model\..*\.lora_[A-Za-z_]+(\.|$)/.test(name)) factors.set(name, entry);
    else tensors.set(moduleName(name), entry);
  }
  const whole: Checkpoint = {
    ...main,
    config: { ...main.config, text_config: text.config },
    tensors,
    json: new Map([...text.json, ...main.json]),
    ...(text.sentencePiece === undefined ? {} : { sentencePiece: text.sentencePiece }),
    problems: [...main.problems, ...text.problems],
  };
  const { checkpoint, adapters } = withFactors(whole, factors, trained);
  return { ...checkpoint, adapters };
}

/** Of a tensor that was trained, in the joined checkpoint. */
function moduleName(name: string): string {
  // Buffers, which the language model's own files may hold, too.
  if (name.endsWith('.rotary_emb.inv_freq')) return name;
  return name
    .replace(/^llama_model\.(base_model\.model\.)?/, `${modules.text}.`)
    .replace(/^visual_encoder\./, `${modules.tower}.`);
}

/** The language model with its low-rank updates; the original code leaves factors out where `lora_r` is 0. */
function withFactors(
  whole: Checkpoint,
  factors: ReadonlyMap<string, CheckpointTensor>,
  file: string,
): { readonly checkpoint: Checkpoint; readonly adapters: readonly AppliedAdapter[] } {
  const reader = new ConfigReader(whole.config);
  const rank = reader.int('lora_r', { max: configLimits.width, default: 64 });
  if (rank === 0) {
    return { checkpoint: { ...whole, tensors: new Map([...whole.tensors, ...factors]) }, adapters: [] };
  }
  const settings = {
    peft_type: 'LORA',
    r: rank,
    lora_alpha: reader.number('lora_alpha', { default: 16 }),
    target_modules: reader.value('lora_target_modules') ?? ['q_proj', 'v_proj'],
  };
  const configFile = 'config.json';
  const named = new Map(
    [...factors].map(([name, { tensor }]) => [name.replace(/^llama_model\./, ''), tensor]),
  );
  return applyAdapters(whole, [
    {
      share: 1,
      adapter: {
        name: file.replace(/\.safetensors$/, ''),
        path: whole.path,
        config: readAdapterConfig(settings, configFile),
        configFile,
        keys: sortKeys(named, file),
        file,
        whole: new Map(),
        wholeFile: file,
        model: undefined,
        sources: [],
        problems: [],
        close: async () => {},
      },
    },
  ]);
}

/** The file in the folder that the config names. Throws VC1131 for pickles, VC1315 where it is not there. */
function weightFile({ config, files, path }: Checkpoint, key: FileKey): string {
  const reader = new ConfigReader(config);
  const name = key === 'ckpt' ? reader.string(key) : reader.string(key, { default: fileDefaults[key] });
  const where = reader.place(key);
  const last = lastPart(name);
  const pickle = /\.(pth|pt|ckpt|bin)$/;
  const stem = last?.replace(/\.[^.]*$/, '');
  const beside = files.find((file) => pickle.test(file) && file.replace(pickle, '') === stem);
  if (last !== undefined && pickle.test(last)) throw refusePickle(where, key, last);
  if (last !== undefined && files.includes(last)) return last;
  if (beside !== undefined) throw refusePickle(where, key, beside);
  throw fail('VC1315', {
    where,
    found: quote(name),
    expected: last === undefined ? 'the name of a file' : `${last} in ${path}`,
    hint: 'docs/models.md, MiniGPT-v2, says how the folder is laid out',
  });
}

function refusePickle(where: string, key: FileKey, pickle: string): Error {
  const file = pickle.replace(/\.[^.]*$/, '.safetensors');
  const source = `torch.load(${JSON.stringify(pickle)}, map_location="cpu", weights_only=True)`;
  return fail('VC1131', {
    where,
    found: quote(pickle),
    expected: 'a .safetensors file',
    hint: [
      'if you trust where it is from, convert it once, in Python, in its folder:',
      '    import torch; from safetensors.torch import save_file',
      `    w = ${source}${key === 'ckpt' ? '["model"]' : ''}`,
      `    save_file({k: v.contiguous().clone() for k, v in w.items()}, ${JSON.stringify(file)})`,
      `and say "${key}": ${JSON.stringify(file)} in config.json (docs/models.md, MiniGPT-v2)`,
    ].join('\n'),
  });
}
