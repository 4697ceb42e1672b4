/** Frames and sizes of videos, against a table that was made with the publisher's own tools. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { smartResize } from '../../src/architectures/smart-resize.ts';
import { videoFrames, videoLimits } from '../../src/architectures/video-frames.ts';
import { goldenFolders } from '../golden-folders.ts';

interface Video {
  readonly total_frames: number;
  readonly video_fps: number;
  readonly error?: string;
  readonly nframes?: number;
  /** Null for long videos. */
  readonly frame_indices?: readonly number[] | null;
  readonly frame_indices_first_last_8?: readonly number[];
  readonly sizes?: readonly {
    readonly width: number;
    readonly height: number;
    readonly resized_width: number;
    readonly resized_height: number;
  }[];
}

const path = goldenFolders
  .map((folder) => join(folder, 'qwen2-vl/preprocessing-table.json'))
  .find((file) => existsSync(file));
if (path === undefined) throw new Error('no table of videos');
const { video: videos } = JSON.parse(readFileSync(path, 'utf8')) as { readonly video: readonly Video[] };

/** Of the released processor. */
const hub = { minPixels: 3136, maxPixels: 12845056 };

describe.each(videos)('$total_frames frames at $video_fps a second', (video) => {
  it('are looked at as the publisher looks at them', () => {
    const found = videoFrames(video.total_frames, video.video_fps);
    if (video.error !== undefined) {
      expect(found).toContain('would be looked at');
      return;
    }
    if (typeof found === 'string') throw new Error(found);
    expect(found.length).toBe(video.nframes);
    if (video.frame_indices != null) expect(found).toEqual(video.frame_indices);
    const ends = found.length <= 8 ? [...found, ...found] : [...found.slice(0, 8), ...found.slice(-8)];
    expect(ends).toEqual(video.frame_indices_first_last_8);
    const limits = videoLimits(found.length, hub);
    for (const { width, height, resized_width, resized_height } of video.sizes ?? []) {
      const size = smartResize({ width, height }, { unit: 28, ...limits });
      expect(size).toEqual({ width: resized_width, height: resized_height });
    }
    expect(video.sizes?.length).toBeGreaterThan(0);
  });
});

it("are held to the processor's own limits", () => {
  expect(videoLimits(4, { minPixels: 3136, maxPixels: 6272 })).toEqual({ minPixels: 3136, maxPixels: 6272 });
  expect(videoLimits(4, { minPixels: 200704, maxPixels: 401408 })).toEqual({
    minPixels: 200704,
    maxPixels: 401408,
  });
});
