/** Models with their weights inside, for runs that need no files; and sizes of a conversion as a sweep takes them. */
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../../src/formats/onnx/layout.ts';
import type { Model } from '../../../src/graph/model.ts';
import { drawSample } from '../../../src/parity/inputs/sample.ts';
import { type SweepSize, sweepRanges } from '../../../src/parity/ranges/sweep.ts';
import type { RangeReport } from '../../../src/parity/report/range-report.ts';
import type { PlacedPart } from '../../../src/parity/stream/lanes.ts';
import { compile } from '../../../src/pipeline/compile.ts';
import { openSource } from '../../../src/pipeline/open-source.ts';
import { type ConvertOptions, resolveOptions } from '../../../src/pipeline/options.ts';
import { build } from '../../../src/pipeline/plan.ts';
import type { Device } from '../../../src/runtime/devices.ts';
import { openSession, type Session } from '../../../src/runtime/session.ts';
import { blocks } from '../../support/streamed-check.ts';

export async function openInMemory(model: Model, device: Device = 'cpu'): Promise<Session> {
  const layout = layoutModel(model, { fileName: 'part', inlineLimit: 2 ** 30 });
  return await openSession({ bytes: await encodeModel(model, layout) }, { device });
}

export function placeInMemory(models: ReadonlyMap<string, Model>): Promise<PlacedPart> {
  const find = (build: string): Model => {
    const model = models.get(build);
    if (model === undefined) throw new RangeError(`there is no ${build}`);
    return model;
  };
  return Promise.resolve({
    key: (build) => build,
    open: (build, device) => openInMemory(find(build), device),
    release: async () => {},
  });
}

export interface SweepCase {
  readonly checkpoint: string;
  readonly options?: Omit<ConvertOptions, 'checkpoint' | 'output'>;
  /** Width and height. */
  readonly sizes: readonly (readonly [number, number])[];
  readonly seed?: number;
  /** Changes a component's output. */
  readonly plant?: (component: string, converted: Model) => Promise<void>;
}

/** Compiles a checkpoint for each size and measures it. */
export async function sweepCase({
  checkpoint: folder,
  options,
  sizes,
  seed = 1,
  plant = () => Promise.resolve(),
}: SweepCase): Promise<RangeReport> {
  const checkpoint = await openSource(resolveOptions({ checkpoint: folder }));
  try {
    const all: SweepSize[] = [];
    for (const [width, height] of sizes) {
      const resolved = resolveOptions({ checkpoint: folder, ...options, resolution: { width, height } });
      const built = build(checkpoint, resolved);
      const { recipe, image } = built;
      if (image === undefined) throw new TypeError('a model without pictures');
      const models = new Map(
        (await compile(built, resolved)).map((one) => [
          one.component.id,
          { plain: one.plain, converted: one.model },
        ]),
      );
      for (const [id, { converted }] of models) await plant(id, converted);
      const sample = async () => drawSample(recipe, image, seed);
      all.push({ size: `${width}x${height}`, recipe, image, sample, models });
    }
    return await sweepRanges({
      sizes: all,
      cut: blocks,
      devices: { plain: 'cpu', converted: 'cpu' },
      place: placeInMemory,
      onStep: () => {},
      signal: undefined,
    });
  } finally {
    await checkpoint.close();
  }
}
