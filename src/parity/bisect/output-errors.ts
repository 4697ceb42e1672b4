/** How far the outputs of models of one component are from the original's, run part after part on the same inputs. */
import type { Model } from '../../graph/model.ts';
import type { Device } from '../../runtime/session.ts';
import { toFloat32 } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { blockName } from '../stream/curve.ts';
import { type CutOptions, findCuts } from '../stream/cuts.ts';
import { type PartOutputs, runLanes } from '../stream/lanes.ts';
import { commonCuts, cutModel } from '../stream/parts.ts';
import type { ComponentRun } from './component-run.ts';
import { headRows, type Parts, type Place, placePart } from './part-lanes.ts';

export interface OutputErrorRequest {
  readonly original: Model;
  readonly models: readonly Model[];
  readonly run: ComponentRun;
  readonly cut: CutOptions;
  readonly device: Device;
  readonly place: Place;
  readonly onPart: (block: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** ‖error‖ / ‖value‖ over all runs, of each model. The cache is made on the way to the outputs. */
export async function outputErrors(request: OutputErrorRequest): Promise<readonly number[]> {
  const { original, models, run, device, signal } = request;
  const cuts = commonCuts(
    findCuts(original.graph, request.cut),
    [original, ...models].map(({ graph }) => graph),
  );
  const builds = [original, ...models].map(
    (model, index) => [`model ${index}`, cutModel(model, cuts)] as const,
  );
  const parts: Parts = new Map(builds);
  const sums = models.map(() => ({ errors: 0, squares: 0 }));
  const last = cuts.length;
  await runLanes({
    parts,
    lanes: builds.map(([build]) => ({ id: build, build, device, calls: run.calls })),
    pairs: sums.map((sum, index) => ({
      reference: 'model 0',
      other: `model ${index + 1}`,
      compare: (part, _call, wanted, found) => {
        if (part === last) add(sum, wanted, found, run);
      },
    })),
    cache: run.cache,
    give: headRows(parts, run.rows),
    trim: (_call, _name, value) => value,
    place: (part) => placePart(parts, part, request.place),
    recorded: [],
    onRecord: () => {},
    onPart: (part) => request.onPart(blockName(builds[0]?.[1] ?? [], part)),
    signal,
  });
  return sums.map(({ errors, squares }) => Math.sqrt(errors / squares));
}

function add(
  sum: { errors: number; squares: number },
  wanted: PartOutputs,
  found: PartOutputs,
  { cache }: ComponentRun,
): void {
  const caches = new Set(cache.values());
  for (const [name, value] of wanted) {
    const other = found.get(name);
    if (caches.has(name) || other === undefined || !isFloat(value.dtype)) continue;
    const [mine, theirs] = [toFloat32(value), toFloat32(other)];
    for (let at = 0; at < mine.length; at += 1) {
      const [reference = 0, output = 0] = [mine[at], theirs[at]];
      sum.errors += (output - reference) ** 2;
      sum.squares += reference * reference;
    }
  }
}
