/**
 * The structure of the VQ decoder, read from its tensors: no config of the original layout states it. What both codes
 * have in every checkpoint (attention in the deepest level) is expected and not looked for.
 */
import type { WeightReader } from '../blocks/weights.ts';
import type { VqDecoderConfig, VqLevel } from './config.ts';
import type { VqDecoderNames } from './layout.ts';

/** Far more than a picture of `maxSide` takes. */
const mostLevels = 16;
const mostBlocks = 64;

/** As released: what is missing is then named by a sensible shape. */
const released = { latent: 256, blocks: 3, channels: [512, 256, 256, 128, 128] } as const;

export interface VqCounts {
  readonly levels: number;
  /** Residual blocks of a level. */
  readonly blocks: number;
}

/** How many levels and blocks the tensors have. */
export function countVqBlocks(decoder: WeightReader, names: VqDecoderNames): VqCounts {
  const levels = decoder.countOf(names.levels, mostLevels);
  const blocks = decoder.countOf(`${names.levels}.0.${names.blocks}`, mostBlocks);
  return { levels: levels || released.channels.length, blocks: blocks || released.blocks };
}

/** Channels of every level, and where attention stands. */
export function readVqStructure(
  decoder: WeightReader,
  names: VqDecoderNames,
  { levels, blocks }: VqCounts,
): VqDecoderConfig {
  const level = (index: number): VqLevel => {
    const module = `${names.levels}.${index}`;
    // Behind every block of a level, or behind none.
    const attends = index === 0 || decoder.countOf(`${module}.attn`, blocks) > 0;
    const [channels] = decoder.shapeOf(`${module}.${names.blocks}.0.conv2.weight`) ?? [];
    return {
      channels: channels ?? released.channels[index] ?? 128,
      attention: Array.from({ length: blocks }, () => attends),
    };
  };
  return {
    latent: decoder.shapeOf('conv_in.weight')?.[1] ?? released.latent,
    levels: Array.from({ length: levels }, (_, index) => level(index)),
  };
}
