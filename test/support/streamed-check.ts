/** A check in parts of a golden case, all in memory, so that a test can change any build before it runs. */
import { createHash } from 'node:crypto';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import type { Model } from '../../src/graph/model.ts';
import type { ParityRequest } from '../../src/parity/index.ts';
import type { Builds } from '../../src/parity/stream/builds.ts';
import type { CutOptions } from '../../src/parity/stream/cuts.ts';
import type { PlacedPart } from '../../src/parity/stream/lanes.ts';
import { subjectOf } from '../../src/pipeline/check.ts';
import { buildsOf } from '../../src/pipeline/check-plan.ts';
import { compile } from '../../src/pipeline/compile.ts';
import { openSource } from '../../src/pipeline/open-source.ts';
import { type ConvertOptions, resolveOptions } from '../../src/pipeline/options.ts';
import { build, prepare } from '../../src/pipeline/plan.ts';
import { openSession, type Session } from '../../src/runtime/session.ts';
import { caseOptions, type GoldenCase } from './golden-cases.ts';

/** Everything a component, whatever it weighs, in one part. */
export const uncut: CutOptions = { limitBytes: Number.POSITIVE_INFINITY, at: 'size' };
export const blocks: CutOptions = { limitBytes: Number.POSITIVE_INFINITY, at: 'blocks' };

/** What was open while a check ran. */
export class Opened {
  sessions = 0;
  most = 0;
  total = 0;
  /** Bytes of the largest model that was open. */
  largest = 0;
}

export interface StreamedCase {
  readonly golden: GoldenCase;
  readonly options: Omit<ConvertOptions, 'checkpoint' | 'output'>;
  readonly cut?: CutOptions;
  /** Changes the original before it is converted. */
  readonly original?: (component: string, model: Model) => Promise<void>;
  /** Changes a component's builds. */
  readonly change?: (component: string, builds: Builds) => Promise<void>;
  readonly opened?: Opened;
}

/** Runs `body` with the request of a check; weights can be read while it lasts. */
export async function withStreamedCheck<T>(
  { golden, options, cut = blocks, original, change, opened = new Opened() }: StreamedCase,
  body: (request: ParityRequest) => Promise<T>,
): Promise<T> {
  const { resolution, tiling } = caseOptions(golden);
  const resolved = resolveOptions({ checkpoint: golden.checkpoint, resolution, tiling, ...options });
  const checkpoint = await openSource(resolved);
  try {
    const built = build(checkpoint, resolved);
    for (const { id, model } of built.components) await original?.(id, model);
    const prepared = {
      ...(await prepare(checkpoint, built, resolved)),
      components: await compile(built, resolved),
    };
    const builds = new Map(prepared.components.map((one) => [one.component.id, buildsOf(one)]));
    for (const [id, own] of builds) await change?.(id, own);
    return await body({
      subject: subjectOf(prepared),
      recipe: built.recipe,
      image: built.image,
      audio: built.audio,
      stream: {
        builds,
        cut,
        continuation: 'picked',
        place: (_component, models) => placeInMemory(models, opened),
      },
    });
  } finally {
    await checkpoint.close();
  }
}

/** All weights inside of the models. */
export async function placeInMemory(
  models: ReadonlyMap<string, Model>,
  opened = new Opened(),
): Promise<PlacedPart> {
  const encoded = new Map<string, Uint8Array>();
  for (const [build, model] of models) {
    const layout = layoutModel(model, { fileName: 'part', inlineLimit: 2 ** 30 });
    encoded.set(build, await encodeModel({ ...model, producerVersion: '' }, layout));
  }
  const find = (build: string): Uint8Array => encoded.get(build) ?? new Uint8Array(0);
  return {
    key: (build) => createHash('sha256').update(find(build)).digest('hex'),
    open: async (build, device, recordPlacement) => {
      const bytes = find(build);
      const session = await openSession({ bytes }, { device, recordPlacement });
      opened.sessions += 1;
      opened.total += 1;
      opened.most = Math.max(opened.most, opened.sessions);
      opened.largest = Math.max(opened.largest, bytes.byteLength);
      return counted(session, () => {
        opened.sessions -= 1;
      });
    },
    release: async () => {},
  };
}

function counted(session: Session, onRelease: () => void): Session {
  return {
    name: session.name,
    inputs: session.inputs,
    outputs: session.outputs,
    get placement() {
      return session.placement;
    },
    run: (...args) => session.run(...args),
    release: () => {
      onRelease();
      return session.release();
    },
  };
}
