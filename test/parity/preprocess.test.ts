/** Sizes on the way from a user's picture to what the graphs take. */
import { expect, it } from 'vitest';
import type { ImageGeometry, PictureStep } from '../../src/architectures/media.ts';
import { preprocess } from '../../src/parity/inputs/preprocess.ts';

const input = { width: 28, height: 28 };
const run = (width: number, height: number, steps: readonly PictureStep[]) =>
  preprocess({ width, height, rgb: new Uint8Array(width * height * 3) }, { input } as ImageGeometry, steps);

it('refuses a strip that would not fit into memory on the way', () => {
  const crop = { step: 'center-crop', to: input } as const;
  const shortest = [{ step: 'shortest-side', side: 28, filter: 'bicubic' }, crop] as const;
  const square = [{ step: 'pad-square', color: [0, 0, 0] }, crop] as const;
  for (const steps of [shortest, square]) {
    expect(() => run(400_000, 1, steps)).toThrow('VC6109');
    expect(run(300, 2, steps)).toMatchObject(input);
  }
});
