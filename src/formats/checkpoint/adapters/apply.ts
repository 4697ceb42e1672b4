/**
 * Adapters applied to a checkpoint: the same names, whose tensors are computed from the base's and the adapters'.
 * Whoever builds graphs from it sees a checkpoint as any other; nothing is read here.
 *
 * Adapters are applied in the order given, each to what those before it made. Every tensor of an adapter has to
 * belong to a module of the checkpoint, and every layer that the adapter's config names has to be in its file.
 */
import { fail } from '../../../report/diagnostics.ts';
import { list, quote, show } from '../../../report/show.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import type { Checkpoint, CheckpointTensor } from '../checkpoint.ts';
import type { AdapterParts } from './adapter-keys.ts';
import { BaseModules, headModule, isTied, untiedConfig } from './base-modules.ts';
import type { Adapter } from './open-adapter.ts';
import { isSaved, isTarget, rankAndScale } from './targets.ts';
import { replaced, replacedRows, updatedBias, updatedEmbedding, updatedLinear } from './updates.ts';

export interface WeightedAdapter {
  readonly adapter: Adapter;
  /** Its scale is multiplied by this. */
  readonly share: number;
}

export type ChangeKind = 'low-rank' | 'dora' | 'bias' | 'rows' | 'whole';

/** A tensor of the checkpoint that an adapter changed. */
export interface AdaptedTensor {
  /** Its name in the checkpoint. */
  readonly name: string;
  /** The adapter's name of the module. */
  readonly module: string;
  readonly kind: ChangeKind;
  readonly rank?: number;
  /** With the share. */
  readonly scale?: number;
  /** The rows that were replaced, of `rows`. */
  readonly rows?: readonly number[];
  readonly before: Tensor;
  readonly after: Tensor;
}

export interface AppliedAdapter {
  readonly name: string;
  readonly share: number;
  /** Tensors in its file, all of which are used. */
  readonly tensors: number;
  readonly changes: readonly AdaptedTensor[];
  /** Its small tensors, which are looked through for values that are not finite. */
  readonly factors: readonly { readonly name: string; readonly tensor: Tensor }[];
}

export interface AdaptedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly adapters: readonly AppliedAdapter[];
}

/**
 * @throws VlmError VC1305 for tensors that the adapter's config does not explain, VC1306 and VC1307 where modules are
 *   not in the checkpoint, VC1314 where they are missing in the adapter, VC1308 for shapes, VC1310 for biases, VC1312
 *   for a share of what cannot be shared out
 */
export function applyAdapters(
  checkpoint: Checkpoint,
  adapters: readonly WeightedAdapter[],
): AdaptedCheckpoint {
  const state = new Application(checkpoint);
  const applied = adapters.map((one) => state.apply(one));
  return { checkpoint: state.result(), adapters: applied };
}

/** The checkpoint while adapters are applied to it. */
class Application {
  readonly #checkpoint: Checkpoint;
  readonly #tensors: Map<string, CheckpointTensor>;
  #modules: BaseModules;
  #untied = false;
  readonly #problems: Checkpoint['problems'][number][];

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
    this.#tensors = new Map(checkpoint.tensors);
    this.#modules = new BaseModules(this.#tensors);
    this.#problems = [...checkpoint.problems];
  }

  result(): Checkpoint {
    return {
      ...this.#checkpoint,
      tensors: this.#tensors,
      problems: this.#problems,
      config: this.#untied ? untiedConfig(this.#checkpoint.config) : this.#checkpoint.config,
    };
  }

  apply({ adapter, share }: WeightedAdapter): AppliedAdapter {
    const { keys, file } = adapter;
    this.#problems.push(...adapter.problems);
    checkFactors(adapter);
    const changes = this.#takeWhole(adapter, share);
    this.#untieFor(adapter);
    this.#checkMatches(adapter);
    const factors: { name: string; tensor: Tensor }[] = [];
    for (const [module, parts] of keys.modules) {
      checkExplained(adapter, module, parts, this.#modules);
      const base = this.#modules.find(module);
      if (base === undefined) throw new RangeError(`${module} was found before`);
      const where = `${file}: ${module}`;
      if (share !== 1 && (parts.weight ?? parts.bias ?? parts.tokens ?? parts.magnitude) !== undefined) {
        throw fail('VC1312', { where, found: show(share), expected: '1' });
      }
      changes.push(...this.#applyModule(adapter, share, module, base, parts, where));
      for (const [part, tensor] of Object.entries(parts) as [string, Tensor][]) {
        if (part !== 'weight' && part !== 'baseWeight') factors.push({ name: `${where}.${part}`, tensor });
      }
    }
    return { name: adapter.name, share, tensors: keys.tensors + adapter.whole.size, changes, factors };
  }

  /** Weights that stand whole beside the adapter come first: the adapter was trained with them. */
  #takeWhole({ whole, wholeFile }: Adapter, share: number): AdaptedTensor[] {
    if (whole.size === 0) return [];
    if (share !== 1) throw fail('VC1312', { where: wholeFile, found: show(share), expected: '1' });
    const named = [...whole].map(([key, tensor]) => [key.replace(/^base_model\./, ''), tensor] as const);
    // LLaVA's loader takes one wrapper off all of them where any has two.
    const doubled = named.some(([name]) => name.startsWith('model.model.'));
    const changes = named.flatMap(([key, tensor]): AdaptedTensor[] => {
      const name = doubled ? key.replace(/^model\./, '') : key;
      const before = this.#tensors.get(name)?.tensor;
      const after = before === undefined ? tensor : replaced(before, tensor, `${wholeFile}: ${key}`);
      this.#tensors.set(name, { tensor: after, file: wholeFile });
      return before === undefined ? [] : [{ name, module: name, kind: 'whole', before, after }];
    });
    this.#modules = new BaseModules(this.#tensors);
    return changes;
  }

  #applyModule(
    adapter: Adapter,
    share: number,
    module: string,
    base: string,
    parts: AdapterParts,
    where: string,
  ): AdaptedTensor[] {
    const { config, file } = adapter;
    const { rank, scale: full } = rankAndScale(config, module);
    const scale = full * share;
    const changes: AdaptedTensor[] = [];
    const change = (
      name: string,
      detail: Pick<AdaptedTensor, 'kind' | 'rank' | 'scale' | 'rows'>,
      after: Tensor,
    ): void => {
      changes.push({ name, module, ...detail, before: this.#take(name, where), after });
      this.#tensors.set(name, { tensor: after, file });
    };
    const weight = `${base}.weight`;
    const bias = `${base}.bias`;
    if (parts.baseWeight !== undefined) {
      this.#tensors.set(weight, {
        tensor: replaced(this.#take(weight, where), parts.baseWeight, where),
        file,
      });
    }
    for (const own of [parts.baseBias, parts.bias]) {
      if (own !== undefined) change(bias, { kind: 'bias' }, replaced(this.#bias(bias, where), own, where));
    }
    if (parts.weight !== undefined) {
      change(weight, { kind: 'whole' }, replaced(this.#take(weight, where), parts.weight, where));
    }
    const { magnitude } = parts;
    const options = { where, rank, scale, fanInFanOut: config.fanInFanOut, magnitude };
    const detail = { kind: magnitude === undefined ? 'low-rank' : 'dora', rank, scale } as const;
    if (parts.a !== undefined && parts.b !== undefined) {
      change(weight, detail, updatedLinear(this.#take(weight, where), parts.a, parts.b, options));
    }
    if (parts.embeddingA !== undefined && parts.embeddingB !== undefined) {
      const table = this.#take(weight, where);
      change(weight, detail, updatedEmbedding(table, parts.embeddingA, parts.embeddingB, options));
    }
    if (parts.bBias !== undefined) {
      const updated = updatedBias(this.#bias(bias, where), parts.bBias, scale, where);
      change(bias, { kind: 'bias', scale }, updated);
    }
    if (parts.tokens !== undefined) {
      const table = this.#take(weight, where);
      const rows = tokensOf(adapter, module);
      change(weight, { kind: 'rows', rows }, replacedRows(table, parts.tokens, rows, where));
    }
    return changes;
  }

  #take(name: string, where: string): Tensor {
    const found = this.#tensors.get(name)?.tensor;
    if (found === undefined) throw fail('VC1307', { where, found: `no ${quote(name)} in the checkpoint` });
    return found;
  }

  #bias(name: string, where: string): Tensor {
    const found = this.#tensors.get(name)?.tensor;
    if (found === undefined) throw fail('VC1310', { where, expected: quote(name) });
    return found;
  }

  /**
   * An adapter that changes one side of a tied embedding leaves two different tables: the head gets the table as it
   * was. Rows that were trained (`trainable_token_indices`) are those of both sides.
   */
  #untieFor({ keys, file }: Adapter): void {
    const { embedding } = this.#modules;
    if (this.#untied || embedding === undefined || !isTied(this.#checkpoint.config, this.#modules)) return;
    const touches = [...keys.modules].some(
      ([module, { tokens: _, ...parts }]) =>
        (module.endsWith(headModule) || this.#modules.find(module) === embedding) &&
        Object.values(parts).some((part) => part !== undefined),
    );
    if (!touches) return;
    this.#untied = true;
    const table = this.#take(`${embedding}.weight`, file);
    this.#tensors.set(`${headModule}.weight`, {
      tensor: table,
      file: this.#tensors.get(`${embedding}.weight`)?.file ?? file,
    });
    this.#modules = new BaseModules(this.#tensors);
  }

  /** Every module of the adapter is one of the checkpoint, and the adapter holds all layers of those that it targets. */
  #checkMatches({ keys, config, file, name }: Adapter): void {
    const names = [...keys.modules.keys()];
    if (names.length === 0) throw fail('VC1301', { where: file, found: 'no tensor' });
    const found = new Map(names.map((module) => [module, this.#modules.find(module)]));
    const missing = names.filter((module) => found.get(module) === undefined);
    if (missing.length > 0) {
      throw fail(missing.length === names.length ? 'VC1306' : 'VC1307', {
        where: file,
        found: `${missing.length} of ${names.length} modules are not in ${this.#checkpoint.name}: ${list(missing)}`,
      });
    }
    const held = new Set(found.values());
    const others = new Map(this.#modules.modules.map((module) => [module, layerless(module)]));
    const absent: string[] = [];
    for (const [module, { a }] of keys.modules) {
      const base = found.get(module);
      if (a === undefined || base === undefined) continue;
      const form = layerless(base);
      for (const [other, otherForm] of others) {
        if (otherForm !== form || held.has(other)) continue;
        const asNamed = sameHolder(module, base, other);
        if (asNamed !== undefined && isTarget(config, asNamed)) absent.push(asNamed);
      }
    }
    if (absent.length > 0) {
      throw fail('VC1314', {
        where: `${name}: ${file}`,
        found: `nothing for ${list([...new Set(absent)])}`,
        expected: 'factors for every layer of a module that target_modules names',
      });
    }
  }
}

/** A and B come together, with a magnitude where the config says DoRA. */
function checkFactors({ keys, config, file }: Adapter): void {
  for (const [module, parts] of keys.modules) {
    const where = `${file}: ${module}`;
    const pairs = [
      ['lora_A', parts.a, 'lora_B', parts.b],
      ['lora_embedding_A', parts.embeddingA, 'lora_embedding_B', parts.embeddingB],
    ] as const;
    for (const [nameA, a, nameB, b] of pairs) {
      if ((a === undefined) === (b === undefined)) continue;
      const found = a === undefined ? `${nameB} without ${nameA}` : `${nameA} without ${nameB}`;
      throw fail('VC1314', { where, found });
    }
    const adapted = parts.a !== undefined || parts.embeddingA !== undefined;
    if (adapted && config.dora !== (parts.magnitude !== undefined)) {
      const found = config.dora ? 'no lora_magnitude_vector' : 'a lora_magnitude_vector';
      throw fail(config.dora ? 'VC1314' : 'VC1305', { where, found, expected: `use_dora: ${config.dora}` });
    }
    if (!adapted && (parts.bBias ?? parts.magnitude ?? parts.baseWeight) !== undefined) {
      throw fail('VC1314', { where, found: 'no lora_A and lora_B' });
    }
  }
}

/** Nothing in the file that the config does not ask for: PEFT would leave it out without a word. */
function checkExplained(
  { config, configFile, file }: Adapter,
  module: string,
  parts: AdapterParts,
  modules: BaseModules,
): void {
  const where = `${file}: ${module}`;
  if ((parts.a ?? parts.embeddingA) !== undefined && !isTarget(config, module)) {
    throw fail('VC1305', {
      where,
      found: 'factors',
      expected: `a module that target_modules of ${configFile} chooses`,
    });
  }
  const base = modules.find(module);
  // PEFT saves both tables of text ids unasked where the vocabulary was resized.
  const saved = isSaved(config, module) || base === modules.embedding || base === modules.find(headModule);
  const trained = config.bias === 'all' || (parts.baseBias !== undefined && config.bias === 'lora_only');
  if (parts.weight !== undefined && !saved) {
    throw fail('VC1305', {
      where: `${where}.weight`,
      expected: `a module of modules_to_save in ${configFile}`,
    });
  }
  if ((parts.bias !== undefined && !saved && !trained) || (parts.baseBias !== undefined && !trained)) {
    throw fail('VC1305', { where: `${where}.bias`, found: `bias: ${config.bias} in ${configFile}` });
  }
  if (parts.bBias !== undefined && !config.loraBias) {
    throw fail('VC1305', { where: `${where}.lora_B.bias`, found: `lora_bias: false in ${configFile}` });
  }
}

function tokensOf({ config, configFile, file }: Adapter, module: string): readonly number[] {
  const { tokens } = config;
  const own =
    tokens instanceof Map
      ? [...tokens].find(([name]) => module === name || module.endsWith(`.${name}`))?.[1]
      : (tokens as readonly number[] | undefined);
  if (own === undefined) {
    throw fail('VC1305', {
      where: `${file}: ${module}`,
      found: 'trained rows',
      expected: `trainable_token_indices for it in ${configFile}`,
    });
  }
  return own;
}

/** A name with its numbers left open: the same for all layers of a stack. */
function layerless(module: string): string {
  return module.replace(/(^|\.)\d+(?=\.|$)/g, '$1*');
}

/**
 * What the adapter would call the module `other`, given that it calls `base` `module`: both differ from each other in
 * numbers only, which stand in the same order. Undefined where the adapter's name has other numbers.
 */
function sameHolder(module: string, base: string, other: string): string | undefined {
  const numbersOf = (name: string): string[] => name.split('.').filter((part) => /^\d+$/.test(part));
  const [own, wanted] = [numbersOf(base), numbersOf(other)];
  if (numbersOf(module).join() !== own.join()) return undefined;
  let next = 0;
  return module
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? (wanted[next++] ?? part) : part))
    .join('.');
}
