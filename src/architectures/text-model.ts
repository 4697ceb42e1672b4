/** What models without pictures have in common: the side files of language models, and the size that they all refuse. */
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { fail } from '../report/diagnostics.ts';
import type { BuildOptions, SideFile } from './architecture.ts';
import { formatSize } from './resolution.ts';
import { sideFilesOf } from './side-files.ts';

/** Throws VC4201: there are no pictures whose size could be asked for. `hint`: what could, instead. */
export function refuseResolution({ resolution }: BuildOptions, hint?: string): void {
  if (resolution === undefined) return;
  throw fail('VC4201', {
    where: 'resolution',
    found: formatSize(resolution),
    expected: 'none: the model takes no pictures',
    ...(hint === undefined ? {} : { hint }),
  });
}

export function textSideFiles(checkpoint: Checkpoint): readonly SideFile[] {
  return sideFilesOf(checkpoint, { 'config.json': checkpoint.config });
}
