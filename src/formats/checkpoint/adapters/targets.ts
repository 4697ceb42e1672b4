/**
 * Which modules an adapter's config chooses, as PEFT chooses them (tuners_utils.check_target_module_exists and
 * other.get_pattern_key), and with which rank and scale.
 */
import { fail } from '../../../report/diagnostics.ts';
import type { AdapterConfig, ByPattern, ModuleChoice } from './adapter-config.ts';
import { type NamePattern, PatternError } from './name-pattern.ts';

/** True where the config targets the module of that name. Throws VC1309 when a pattern takes too long. */
export function isTarget(config: AdapterConfig, module: string): boolean {
  const { targets, excluded } = config;
  if (excluded !== undefined && choosesByName(excluded, module)) return false;
  if (targets === undefined) return true;
  if (targets.kind === 'pattern') return matches(targets.pattern, module);
  // A name in full is meant, whatever its layer.
  if (targets.names.includes(module)) return true;
  return choosesByName(targets, module) && isInLayers(config, module);
}

/** True where the module, or one that holds it, is saved whole. PEFT compares endings of text, without a dot. */
export function isSaved({ saved }: AdapterConfig, module: string): boolean {
  const parts = module.split('.');
  return parts.some((_, index) => {
    const holder = parts.slice(0, index + 1).join('.');
    return saved.some((ending) => holder.endsWith(ending));
  });
}

export interface RankAndScale {
  readonly rank: number;
  readonly scale: number;
}

/** Rank and alpha of a module are looked up independently. */
export function rankAndScale(config: AdapterConfig, module: string): RankAndScale {
  const rank = firstMatch(config.ranks, module) ?? config.rank;
  const alpha = firstMatch(config.alphas, module) ?? config.alpha;
  return { rank, scale: alpha / (config.rankStabilised ? Math.sqrt(rank) : rank) };
}

function choosesByName(choice: ModuleChoice, module: string): boolean {
  if (choice.kind === 'pattern') return matches(choice.pattern, module);
  return choice.names.some((name) => module === name || module.endsWith(`.${name}`));
}

function isInLayers({ layers, layerPatterns }: AdapterConfig, module: string): boolean {
  if (layers === undefined) return true;
  const parts = module.split('.');
  const numbered = parts.flatMap((part, index) =>
    /^\d+$/.test(part) && index < parts.length - 1 ? [index] : [],
  );
  if (layerPatterns.length === 0) {
    const first = numbered.find((index) => index >= 2);
    return first !== undefined && layers.includes(Number(parts[first]));
  }
  for (const pattern of layerPatterns) {
    // The last place that fits, as a greedy expression finds it.
    const found = numbered.findLast((index) => matches(pattern, parts.slice(0, index).join('.')));
    if (found !== undefined) return layers.includes(Number(parts[found]));
  }
  return false;
}

function firstMatch(values: ByPattern, module: string): number | undefined {
  return values.find(({ pattern }) => matches(pattern, module))?.value;
}

function matches(pattern: NamePattern, module: string): boolean {
  try {
    return pattern.matches(module);
  } catch (cause) {
    if (!(cause instanceof PatternError)) throw cause;
    throw fail('VC1309', {
      where: 'adapter_config.json',
      found: `${pattern.source}: ${cause.message}`,
      cause,
    });
  }
}
