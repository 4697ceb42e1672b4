/**
 * A PEFT adapter merged into the weights of an exported graph: the graph's layers are seen as a checkpoint, to which the
 * adapter is applied as to any other (formats/checkpoint/adapters), and what changed goes back to where the graph reads
 * it. Nothing is read: merged weights are derived tensors in the element type of the base.
 */
import {
  type AdaptedTensor,
  applyAdapters,
  type WeightedAdapter,
} from '../../formats/checkpoint/adapters/apply.ts';
import type { Adapter } from '../../formats/checkpoint/adapters/open-adapter.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint/checkpoint.ts';
import type { Model } from '../../graph/model.ts';
import { fail } from '../../report/diagnostics.ts';
import { nearest } from '../../report/nearest.ts';
import { list, quote } from '../../report/show.ts';
import { removeDeadCode } from '../../rewrite/dead-code.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Alignment, alignNames } from './align-names.ts';
import { type GraphModules, type GraphTensor, graphModules } from './graph-modules.ts';

/** One weight of the graph that an adapter changed. */
export interface MergedWeight {
  /** As the adapter calls it. */
  readonly module: string;
  /** The initializer that it was, and the nodes that read it. */
  readonly weight: string;
  readonly nodes: readonly string[];
  readonly change: Pick<AdaptedTensor, 'kind' | 'rank' | 'scale'>;
}

/**
 * Merges an adapter into a graph.
 * @param name of the model, for messages
 * @throws VlmError VC1306 where no module of the adapter is in the graph, VC1307 where some are not, or fit in two ways;
 *   what `applyAdapters` throws for the adapter itself. The graph is then as it was
 */
export function mergeAdapterIntoGraph(
  model: Model,
  { adapter, share }: WeightedAdapter,
  name = model.graph.name,
): readonly MergedWeight[] {
  const { graph } = model;
  const modules = graphModules(graph);
  const weights = new Set([...modules.tensors.keys()].flatMap((each) => moduleOf(each) ?? []));
  const alignment = alignNames([...adapter.keys.modules.keys()], weights);
  checkAlignment(adapter, alignment, modules, name);
  refuseWhole(adapter);
  const named = new Map<string, GraphTensor>();
  for (const tensor of modules.tensors.values()) {
    const own = alignment.rename(tensor.name);
    if (!named.has(own)) named.set(own, tensor);
  }
  const { adapters } = applyAdapters(asCheckpoint(name, named), [{ adapter: straight(adapter), share }]);
  const changes = new Map<string, AdaptedTensor>();
  for (const change of adapters.flatMap((applied) => applied.changes)) changes.set(change.name, change);
  refuseTied(adapter, changes, named);
  const merged = [...changes].flatMap(([own, { module, kind, rank, scale, after }]): MergedWeight[] => {
    const target = named.get(own);
    if (target === undefined) return [];
    replace(target, own, target.stored(after));
    const change = {
      kind,
      ...(rank === undefined ? {} : { rank }),
      ...(scale === undefined ? {} : { scale }),
    };
    return [{ module, weight: target.value.name, nodes: target.places.map(({ node }) => node.name), change }];
  });
  removeDeadCode(graph);
  return merged;
}

function moduleOf(tensor: string): string | undefined {
  return /^(.+)\.(?:weight|bias)$/.exec(tensor)?.[1];
}

/** All modules of the adapter, or an error that says which are where. */
function checkAlignment(
  { file, keys }: Adapter,
  { found, missing, ambiguous }: Alignment,
  { tensors, fixed }: GraphModules,
  model: string,
): void {
  if (keys.modules.size === 0) throw fail('VC1301', { where: file, found: 'no tensor' });
  if (ambiguous.length > 0) {
    throw fail('VC1307', {
      where: file,
      found: `${list(missing)} in ${model}, which could be any of those under ${list(ambiguous)}`,
    });
  }
  if (missing.length === 0) return;
  const known = [...new Set([...tensors.keys()].flatMap((name) => moduleOf(name) ?? []))];
  const packed = [...fixed.keys()];
  const described = missing.slice(0, 4).map((module) => {
    const quantized = packed.find((each) => each === module || each.endsWith(`.${module}`));
    if (quantized !== undefined) return `${quote(module)} (${fixed.get(quantized)})`;
    const near = nearest(module, known)[0] ?? sameEnd(module, known);
    return near === undefined ? quote(module) : `${quote(module)} (nearest: ${quote(near)})`;
  });
  const more = missing.length > described.length ? ` and ${missing.length - described.length} more` : '';
  const matched = [...found]
    .slice(0, 4)
    .map(([own, there]) => (own === there ? quote(own) : `${quote(own)} as ${quote(there)}`));
  const rest = found.size > matched.length ? ` and ${found.size - matched.length} more` : '';
  throw fail(found.size === 0 ? 'VC1306' : 'VC1307', {
    where: file,
    found:
      `${missing.length} of ${keys.modules.size} modules are not in ${model}: ${described.join(', ')}${more}` +
      (found.size === 0 ? '' : `; found: ${matched.join(', ')}${rest}`),
    ...(known.length === 0
      ? { hint: 'the export left no names of layers: export it with names, or merge before' }
      : {}),
  });
}

/** A module of the graph with the same last part. */
function sameEnd(module: string, known: readonly string[]): string | undefined {
  const last = `.${module.split('.').at(-1)}`;
  return known.find((each) => `.${each}`.endsWith(last));
}

/** Weights are given as [out, in] here, whatever the source model stores. */
function straight(adapter: Adapter): Adapter {
  return { ...adapter, config: { ...adapter.config, fanInFanOut: false } };
}

/**
 * A weight that replaces a whole one is stored the way of the source model, which a square does not show; those beside the
 * adapter have names that no export keeps.
 */
function refuseWhole({ config, keys, file, whole, wholeFile }: Adapter): void {
  if (whole.size > 0)
    throw fail('VC1303', { where: wholeFile, found: `${whole.size} weights beside the adapter` });
  if (!config.fanInFanOut) return;
  for (const [module, { weight, baseWeight }] of keys.modules) {
    if ((weight ?? baseWeight) === undefined) continue;
    throw fail('VC1303', { where: `${file}: ${module}`, found: 'a whole weight, with fan_in_fan_out' });
  }
}

/** Rows that were trained belong to both sides of a tied table. */
function refuseTied(
  { file }: Adapter,
  changes: ReadonlyMap<string, AdaptedTensor>,
  named: ReadonlyMap<string, GraphTensor>,
): void {
  for (const [own, { kind, module }] of changes) {
    const table = named.get(own)?.value;
    const shared = [...named].some(([other, { value }]) => other !== own && value === table);
    if (kind !== 'rows' || !shared) continue;
    throw fail('VC1303', {
      where: `${file}: ${module}`,
      found: 'trained rows of a table that the head shares',
    });
  }
}

function asCheckpoint(name: string, tensors: ReadonlyMap<string, GraphTensor>): Checkpoint {
  const entries = [...tensors].map(([own, { tensor }]): readonly [string, CheckpointTensor] => [
    own,
    { tensor, file: name },
  ]);
  return {
    name,
    path: name,
    config: { tie_word_embeddings: false },
    tensors: new Map(entries),
    files: [],
    json: new Map(),
    problems: [],
    close: async () => {},
  };
}

/** Other layers that read the same constant keep it as it is. */
function replace({ value, places }: GraphTensor, name: string, tensor: Tensor): void {
  const { graph } = value;
  if (value.initializer !== undefined && value.uses.size === places.length && !value.isOutput) {
    graph.setInitializer(value, tensor);
    return;
  }
  const made = graph.addInitializer(graph.freshName(name), tensor);
  for (const { node, index } of places) node.graph.setInput(node, index, made);
}
