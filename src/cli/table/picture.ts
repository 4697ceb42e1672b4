/** What the graphs take: pictures of which size, sounds of which length. */
import type { OptionSpec } from './option-spec.ts';

export const pictureOptions = [
  {
    key: 'resolution',
    flag: '--resolution <WxH>',
    group: 'Picture',
    help: 'width x height of the pictures that the graphs take',
    type: { kind: 'size' },
    default: "the checkpoint's own",
    expected: 'width x height in whole pixels, such as 1544x896',
    convertOnly: true,
  },
  {
    key: 'tiling',
    flag: '--tiling <how>',
    group: 'Picture',
    help:
      'a size that is not a whole number of tiles: fit = the largest that fits inside (1544x896 becomes ' +
      '3x2 tiles, 1344x896); crop = as the original code does, the tiles ignore the rest and the global view ' +
      'sees it; cover = round up and pad',
    type: { kind: 'choice', values: ['fit', 'crop', 'cover'] },
    default: 'fit',
    expected: 'fit, crop or cover',
    convertOnly: true,
  },
  {
    key: 'maxAudioSeconds',
    flag: '--max-audio-seconds <n>',
    group: 'Picture',
    help: 'whole seconds of the longest sound that the graphs take, where the model takes sounds',
    type: { kind: 'count', most: 3600 },
    default: "the checkpoint's own",
    expected: 'whole seconds, from 1 on',
    convertOnly: true,
  },
] as const satisfies readonly OptionSpec[];
