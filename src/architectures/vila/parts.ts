/**
 * VILA is saved as three models side by side: `llm/`, `vision_tower/`, `mm_projector/`, and a config that describes them
 * under `llm_cfg` and so on. That says where each was saved, too; the original code replaces it by the folder beside the
 * config, and so do we. Here the three become one checkpoint, with the parts' names before those of their tensors.
 */
import type { Checkpoint, CheckpointTensor, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import { fail } from '../../report/diagnostics.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { ModelParts } from '../architecture.ts';

const ids = ['llm', 'vision_tower', 'mm_projector'] as const;

type PartId = (typeof ids)[number];

export const partKey = (id: PartId): string => `${id}_cfg`;

/** Where the whole and the language model both have such a file, the whole's counts. */
const ownFile = /^(LICEN[CS]E|NOTICE|USE_POLICY|README)/i;

/** Told by its keys: what `model_type` says has changed with every release. */
export function isInThreeParts(config: JsonObject): boolean {
  return ids.some((id) => config[partKey(id)] !== undefined);
}

export const vilaParts: ModelParts = {
  adapted: 'whole',
  find: () => ids.map((id) => ({ id, name: id, where: `config.json: ${partKey(id)}` })),
  join: (main, parts) => {
    const [llm, tower, projector] = ids.map((id) => parts.get(id));
    if (llm === undefined || tower === undefined || projector === undefined) {
      throw new RangeError('a model without one of its parts');
    }
    return joined(main, { llm, vision_tower: tower, mm_projector: projector });
  },
};

function joined(main: Checkpoint, parts: Readonly<Record<PartId, Checkpoint>>): Checkpoint {
  const { llm, vision_tower: tower } = parts;
  const tensors = new Map<string, CheckpointTensor>(main.tensors);
  for (const id of ids) {
    for (const [name, entry] of parts[id].tensors) tensors.set(`${id}.${name}`, entry);
  }
  const config: JsonObject = {
    ...main.config,
    ...Object.fromEntries(ids.map((id) => [partKey(id), parts[id].config])),
    // Where adapters of the head look for it.
    tie_word_embeddings: llm.config.tie_word_embeddings ?? false,
  };
  // What the parts lend: tokenizer, template and generation settings, and the settings of pictures.
  const json = new Map<string, JsonValue>([
    ...tower.json,
    ...main.json,
    ...llm.json,
    ['config.json', config],
  ]);
  const folders = new Map<string, string>();
  for (const name of tower.files) if (!main.files.includes(name)) folders.set(name, tower.path);
  for (const name of llm.files)
    if (!ownFile.test(name) || !main.files.includes(name)) folders.set(name, llm.path);
  return {
    ...main,
    config,
    tensors,
    files: [...new Set([...main.files, ...folders.keys()])].sort(),
    partFolders: folders,
    json,
    ...(llm.chatTemplate === undefined ? {} : { chatTemplate: llm.chatTemplate }),
    ...(llm.sentencePiece === undefined ? {} : { sentencePiece: llm.sentencePiece }),
    problems: [...main.problems, ...ids.flatMap((id) => parts[id].problems)],
  };
}

/** The config of a part as its folder has it. Throws VC1201 where there is none. */
export function partConfig(config: JsonObject, id: PartId): JsonObject {
  const value = config[partKey(id)];
  if (isJsonObject(value)) return value;
  throw fail('VC1201', {
    where: `config.json: ${partKey(id)}`,
    found: 'no object',
    expected: `what ${id}/config.json says`,
  });
}
