/** A bisection of a golden case, all in memory, with any passes. */
import { createHash } from 'node:crypto';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { encodeModel } from '../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../src/formats/onnx/layout.ts';
import type { Model } from '../../src/graph/model.ts';
import { drawSample, type PlacedPart } from '../../src/parity/index.ts';
import { bisectComponents, type ComponentBisection } from '../../src/pipeline/bisect-components.ts';
import { checkCut } from '../../src/pipeline/check-plan.ts';
import { type ConvertOptions, resolveOptions } from '../../src/pipeline/options.ts';
import type { PipelineStep } from '../../src/pipeline/pipeline-text.ts';
import { build } from '../../src/pipeline/plan.ts';
import { chooseSteps } from '../../src/pipeline/steps.ts';
import { openSession, type Session } from '../../src/runtime/session.ts';
import { caseOptions, type GoldenCase } from './golden-cases.ts';

export interface BisectCase {
  readonly golden: GoldenCase;
  readonly options: Omit<ConvertOptions, 'checkpoint' | 'output'>;
  /** Changes the passes of a component. */
  readonly steps?: (component: string, steps: readonly PipelineStep[]) => readonly PipelineStep[];
  readonly component?: string;
  readonly threshold?: number;
  /** Called while the checkpoint is open. */
  readonly with?: (results: readonly ComponentBisection[]) => Promise<void>;
}

export async function bisectCase(one: BisectCase): Promise<readonly ComponentBisection[]> {
  const { golden, options, steps = (_id, own) => own } = one;
  const { resolution, tiling } = caseOptions(golden);
  const resolved = resolveOptions({ checkpoint: golden.checkpoint, resolution, tiling, ...options });
  const checkpoint = await openCheckpoint(golden.checkpoint);
  try {
    const built = build(checkpoint, resolved);
    const choices = chooseSteps(built, resolved);
    const chosen = [...choices].map(([id, { plain, rest }]) => [id, steps(id, [...plain, ...rest])] as const);
    const results = await bisectComponents({
      built,
      steps: new Map(chosen),
      targets: new Map([...choices].map(([id, { targets }]) => [id, targets])),
      wanted: one.component === undefined ? undefined : [one.component],
      sample: drawSample(built.recipe, built.image ?? built.audio, 1),
      device: 'cpu',
      cut: { ...checkCut, limitBytes: Number.POSITIVE_INFINITY },
      threshold: one.threshold,
      place: placeInMemory,
      open: openInMemory,
      onStep: () => {},
      signal: undefined,
    });
    await one.with?.(results);
    return results;
  } finally {
    await checkpoint.close();
  }
}

export async function openInMemory(model: Model): Promise<Session> {
  return openSession({ bytes: await bytesOf(model) }, { device: 'cpu' });
}

/** All weights inside. */
function bytesOf(model: Model): Promise<Uint8Array> {
  const layout = layoutModel(model, { fileName: 'model', inlineLimit: 2 ** 30 });
  return encodeModel({ ...model, producerVersion: '' }, layout);
}

async function placeInMemory(models: ReadonlyMap<string, Model>): Promise<PlacedPart> {
  const encoded = new Map<string, Uint8Array>();
  for (const [name, model] of models) encoded.set(name, await bytesOf(model));
  const find = (name: string): Uint8Array => encoded.get(name) ?? new Uint8Array(0);
  return {
    key: (name) => createHash('sha256').update(find(name)).digest('hex'),
    open: (name, device, recordPlacement) => openSession({ bytes: find(name) }, { device, recordPlacement }),
    release: async () => {},
  };
}
