/**
 * Puts the parts of a check where the runtime can read them. Parts of the output read its data files, in place;
 * weights of the other builds are computed into the scratch folder, those that builds share once, and removed when
 * the part has run.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeModel } from '../formats/onnx/encode.ts';
import { layoutModels, type ModelLayout } from '../formats/onnx/layout.ts';
import type { Model } from '../graph/model.ts';
import { type BuildName, type PlacedPart, referenceBuilds } from '../parity/index.ts';
import { type ModelInMemory, openSession } from '../runtime/session.ts';
import { sha256 } from './digest.ts';
import { executePlan } from './engine/execute.ts';
import { planModels, type WriteLimits } from './write-models.ts';

export interface PartFolders {
  /** Absolute; holds the output's data files. */
  readonly output: string;
  /** Absolute. */
  readonly scratch: string;
}

/** What writing may take beyond what the check itself holds, where `--memory` leaves less. */
const leastWriting = 256 << 20;

/** Throws as `executePlan` and `encodeModel`. */
export async function placeParts(
  models: ReadonlyMap<BuildName, Model>,
  layout: ModelLayout,
  folders: PartFolders,
  options: { readonly write: WriteLimits; readonly signal: AbortSignal },
): Promise<PlacedPart> {
  const written = [...models].filter(([build]) => referenceBuilds.includes(build));
  const name = `part-${randomUUID()}`;
  const folder = join(folders.scratch, name);
  const own = layoutModels(
    written.map(([, model]) => model),
    { fileName: 'part' },
  );
  const planned = await planModels([{ folder: name, layout: own }]);
  await executePlan(planned, {
    ...options.write,
    memoryBytes: Math.max(options.write.memoryBytes, process.memoryUsage.rss() + leastWriting),
    root: folders.scratch,
    constantsPath: `${folder}.constants`,
    durable: false,
    signal: options.signal,
  });
  const placed = new Map<BuildName, ModelInMemory & { readonly key: string }>();
  for (const [build, model] of models) {
    const isWritten = referenceBuilds.includes(build);
    const bytes = await encodeModel(anonymous(model), isWritten ? own : layout);
    const at = isWritten ? folder : folders.output;
    placed.set(build, { bytes, folder: at, key: `${at}:${sha256(bytes)}` });
  }
  const find = (build: BuildName): ModelInMemory & { readonly key: string } => {
    const found = placed.get(build);
    if (found === undefined) throw new RangeError(`the part has no ${build}`);
    return found;
  };
  return {
    key: (build) => find(build).key,
    open: (build, device, recordPlacement) => openSession(find(build), { device, recordPlacement }),
    release: async () => {
      await rm(folder, { recursive: true, force: true });
      await rm(`${folder}.constants`, { force: true });
    },
  };
}

/** Without what says how the model came about: builds that compute the same are then the same bytes. */
function anonymous(model: Model): Model {
  return { ...model, producerName: '', producerVersion: '', docString: '' };
}
