/**
 * What TextMonkey says in `visual` of config.json beyond Qwen-VL's tower: which of its additions run. What is left out has
 * the defaults of the original's class: none of them. `n_queries` is the number of all features of a picture, not that of a view's queries.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';

export interface TextMonkeyConfig {
  /** The attention across tiles runs. */
  readonly windowAttention: boolean;
  /** The whole picture, resized to one tile, is a view, too. */
  readonly globalView: boolean;
  /** Features that the token resampler keeps of those of the tiles; undefined: it does not run. */
  readonly kept: number | undefined;
  /** Features of a picture of the checkpoint's own size, where it says how many. */
  readonly span: number | undefined;
}

/** lora_repeat_num where the config leaves it out. */
export const defaultAdapters = 0;

/** `r` where the config leaves it out. */
const defaultKept = 512;

/** Throws VC12xx. */
export function readTextMonkeyConfig({ config }: Checkpoint): TextMonkeyConfig {
  const visual = new ConfigReader(config).object('visual');
  const kept = visual.int('r', { min: 1, max: configLimits.slots, default: defaultKept });
  return {
    windowAttention: visual.bool('add_window', { default: false }),
    globalView: visual.bool('use_global', { default: false }),
    kept: visual.bool('resampler', { default: false }) ? kept : undefined,
    span: visual.has('n_queries') ? visual.int('n_queries', { min: 1, max: configLimits.slots }) : undefined,
  };
}
