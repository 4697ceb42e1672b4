/** The tables that were recorded of the family without any model, in `fixtures/` and VLM_GOLDENS. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { goldenFolders } from '../../golden-folders.ts';

function read(name: string): unknown {
  const found = goldenFolders
    .map((root) => join(root, 'minicpm-v-2.5', name))
    .filter((path) => existsSync(path));
  // The newest knowledge is in VLM_GOLDENS, which comes last.
  const path = found.at(-1);
  if (path === undefined) throw new Error(`no ${name}`);
  return JSON.parse(readFileSync(path, 'utf8'));
}

export interface IdTable {
  readonly largest_n: number;
  /** By n: the indices at which the id is one less than floor(i · side / n). */
  readonly exceptions: Readonly<Record<string, readonly number[]>>;
}

/** By side. */
export const idTables: ReadonlyMap<number, IdTable> = new Map(
  Object.entries((read('position-ids-table.json') as { sides: Record<string, IdTable> }).sides).map(
    ([side, table]) => [Number(side), table],
  ),
);

export interface RecordedSlicing {
  readonly grid_columns_rows: readonly [number, number] | null;
  readonly source: readonly [number, number];
  readonly slice: readonly [number, number] | null;
  readonly views: number;
  readonly source_patches_hw: readonly [number, number];
  readonly slice_patches_hw: readonly [number, number] | null;
}

interface SlicingTable {
  readonly patch_size: number;
  readonly settings: Readonly<
    Record<string, { readonly max_slice_nums: number; readonly scale_resolution: number }>
  >;
  readonly images: readonly (Readonly<Record<string, RecordedSlicing>> & {
    readonly width: never;
    readonly height: never;
  })[];
}

const slicingTable = read('preprocessing-table.json') as SlicingTable;

/** Every picture under every setting. */
export const recordedSlicings = slicingTable.images.flatMap((image) =>
  Object.entries(slicingTable.settings).map(([name, { max_slice_nums, scale_resolution }]) => {
    const recorded = image[name];
    if (recorded === undefined) throw new Error(`no ${name} for ${JSON.stringify(image)}`);
    return {
      picture: { width: Number(image.width), height: Number(image.height) },
      settings: { maxSlices: max_slice_nums, scale: scale_resolution, patch: slicingTable.patch_size },
      recorded,
    };
  }),
);
