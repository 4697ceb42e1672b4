/**
 * Picture sizes of Qwen2-VL. Without a resolution the graph takes any grid; with one it is compiled for it, its sides
 * rounded to whole tokens as the processor rounds them.
 */
import type { DiagnosticRecord } from '../../report/diagnostics.ts';
import { diagnostic, fail } from '../../report/diagnostics.ts';
import type { ImageGeometry, Size } from '../media.ts';
import { patchGridOf, patchRowLayout } from '../patch-rows.ts';
import type { PatchRowFeed } from '../recipe.ts';
import { checkCount, checkSize, formatSize } from '../resolution.ts';
import { sizeObjection, smartResize } from '../smart-resize.ts';
import type { Processor } from './processor.ts';

/** Attention over more patches takes 16 GiB per head for its scores alone. */
const maxPatches = 65536;

/** What a check draws where any size will do: large enough for several tokens each way, small enough to be quick. */
const typical: Size = { width: 308, height: 224 };

export interface PictureSize {
  readonly geometry: ImageGeometry;
  readonly warnings: readonly DiagnosticRecord[];
}

/** A graph for any grid. */
export function anySize(feed: PatchRowFeed, { mean, std }: Processor): PictureSize {
  const unit = feed.patch * feed.merge;
  const resized = smartResize(typical, { ...feed, unit });
  const drawn = typeof resized === 'string' ? { width: unit, height: unit } : resized;
  const layout = patchRowLayout(patchGridOf(drawn, feed), feed);
  return {
    geometry: {
      ...layout,
      requested: drawn,
      mean,
      std,
      summary: `any size in multiples of ${unit}; checked at ${formatSize(drawn)} → ${layout.tokens} tokens`,
    },
    warnings: [],
  };
}

/**
 * A graph for one size. Throws VC4201 to VC4203 for sizes that make no picture; a size that the processor would not make
 * is warned about (VC4311).
 */
export function oneSize(requested: Size, feed: PatchRowFeed, { mean, std }: Processor): PictureSize {
  const unit = feed.patch * feed.merge;
  const request = { size: requested, where: 'resolution' };
  checkSize(request, unit, 'token');
  const objection = sizeObjection(requested, unit);
  if (objection !== undefined) {
    throw fail('VC4201', { where: request.where, found: `${formatSize(requested)}, ${objection}` });
  }
  const unlimited = { unit, minPixels: 0, maxPixels: Number.POSITIVE_INFINITY };
  const input = smartResize(requested, unlimited);
  if (typeof input === 'string') throw new RangeError(`${formatSize(requested)} was checked: ${input}`);
  const grid = patchGridOf(input, feed);
  checkCount(request, grid, maxPatches, 'patches');
  const layout = patchRowLayout(grid, feed);
  const rounded = formatSize(input) === formatSize(requested) ? '' : ` at ${formatSize(input)}`;
  return {
    geometry: {
      ...layout,
      requested,
      steps: [{ step: 'resize', to: input, filter: 'bicubic' }],
      mean,
      std,
      summary: `${formatSize(requested)} → ${grid.columns}x${grid.rows} patches of ${feed.patch}${rounded}, ${layout.tokens} tokens`,
    },
    warnings: limitWarning(input, feed),
  };
}

function limitWarning(input: Size, { minPixels, maxPixels }: PatchRowFeed): readonly DiagnosticRecord[] {
  const area = input.width * input.height;
  if (area >= minPixels && area <= maxPixels) return [];
  return [
    diagnostic('VC4311', {
      where: 'resolution',
      found: `${formatSize(input)}, ${area} pixels`,
      expected: `${minPixels} to ${maxPixels} pixels`,
    }),
  ];
}
