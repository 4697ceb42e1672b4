/**
 * Modules of a checkpoint, found by the names that an adapter gives them. Every version of transformers wrapped the
 * same modules in other holders (`model.language_model.layers.0`, `language_model.model.layers.0`), so names are
 * compared without the holders' parts.
 */
import type { CheckpointTensor, JsonObject } from '../checkpoint.ts';

/** Parts of names that say how a model is wrapped, not which module it is. */
const wrappers: ReadonlySet<string> = new Set([
  'model',
  'language_model',
  'llm',
  'vision_model',
  'transformer',
]);

/** What the embedding of text ids is called. */
const embeddings: ReadonlySet<string> = new Set(['embed_tokens', 'wte', 'word_embeddings', 'tok_embeddings']);

export const headModule = 'lm_head';

/** A name without the parts that differ between layouts of one model. */
function coreName(module: string): string {
  return module
    .split('.')
    .filter((part) => !wrappers.has(part))
    .join('.');
}

export class BaseModules {
  /** Names in the checkpoint, by themselves and by their core; null where several modules have it. */
  readonly #names = new Map<string, string | null>();
  /** Modules that hold a weight, in the order of the files. */
  readonly modules: readonly string[];
  /** The module that turns text ids into vectors. */
  readonly embedding: string | undefined;

  constructor(tensors: ReadonlyMap<string, CheckpointTensor>) {
    const modules = [...tensors.keys()].flatMap((name) =>
      name.endsWith('.weight') ? [name.slice(0, -'.weight'.length)] : [],
    );
    for (const module of modules) {
      const core = coreName(module);
      this.#names.set(core, this.#names.has(core) ? null : module);
    }
    // A name in full beats a core.
    for (const module of modules) this.#names.set(module, module);
    this.modules = modules;
    this.embedding = modules.find((module) => embeddings.has(module.split('.').at(-1) ?? ''));
  }

  /** The checkpoint's name of a module, undefined where it has none of that name, or several. */
  find(module: string): string | undefined {
    return this.#names.get(module) ?? this.#names.get(coreName(module)) ?? undefined;
  }
}

/** True where the config says that the head is the embedding table, or the files hold no head. */
export function isTied(config: JsonObject, modules: BaseModules): boolean {
  if (modules.embedding === undefined) return false;
  const text = config.text_config;
  const says = (object: unknown): boolean =>
    typeof object === 'object' && object !== null && 'tie_word_embeddings' in object
      ? object.tie_word_embeddings === true
      : false;
  return says(config) || says(text) || modules.find(headModule) === undefined;
}

/** The config of a model whose head has weights of its own. */
export function untiedConfig(config: JsonObject): JsonObject {
  const { text_config: text } = config;
  return {
    ...config,
    tie_word_embeddings: false,
    ...(typeof text === 'object' && text !== null && !Array.isArray(text)
      ? { text_config: { ...text, tie_word_embeddings: false } }
      : {}),
  };
}
