/**
 * The conversion at other picture sizes, to measure its activations there. The sizes are tried before anything is
 * written; their graphs are run part after part like those of the check, their weights computed into the scratch folder.
 */
import type { BuiltModel } from '../architectures/architecture.ts';
import type { Size } from '../architectures/media.ts';
import type { Checkpoint } from '../formats/checkpoint/checkpoint.ts';
import { type RangeReport, type SweepSize, sweepRanges } from '../parity/index.ts';
import { fail, VlmError } from '../report/diagnostics.ts';
import { plural } from '../report/format.ts';
import { type Reporter, runStage } from '../report/progress.ts';
import type { Device } from '../runtime/devices.ts';
import { readSample } from './check-inputs.ts';
import { placeParts } from './check-parts.ts';
import { checkCut } from './check-plan.ts';
import { type CompiledComponent, compile } from './compile.ts';
import type { ResolvedOptions } from './options.ts';
import { build } from './plan.ts';
import type { WriteLimits } from './write-models.ts';

/** A size and what the conversion's options make of it. */
export interface CompiledSize {
  readonly size: Size;
  readonly built: BuiltModel;
  readonly components: readonly CompiledComponent[];
}

/**
 * Compiles the checkpoint for each size, with the options of the conversion. Throws VC4204 with the reasons of all sizes
 * that cannot be, or when the model has no pictures.
 */
export async function compileSizes(
  checkpoint: Checkpoint,
  options: ResolvedOptions,
): Promise<readonly CompiledSize[]> {
  const refused: string[] = [];
  const compiled: CompiledSize[] = [];
  for (const size of options.sweepResolutions ?? []) {
    try {
      const resolved = { ...options, resolution: size };
      const built = build(checkpoint, resolved);
      if (built.image === undefined) throw fail('VC4204', { found: 'a model without pictures' });
      compiled.push({ size, built, components: await compile(built, resolved) });
    } catch (error) {
      if (!(error instanceof VlmError)) throw error;
      const { found, expected, message } = error.record;
      const reason = expected === undefined ? message : `${message}; expected ${expected}`;
      refused.push(`${found ?? sizeName(size)}: ${reason} (${error.code})`);
    }
  }
  if (refused.length > 0) {
    throw fail('VC4204', { where: '--sweep-resolutions', found: refused.join('\n            ') });
  }
  return compiled;
}

export interface SweepOptions {
  readonly checkpoint: Checkpoint;
  readonly options: ResolvedOptions;
  readonly device: Device;
  readonly scratch: string;
  readonly write: WriteLimits;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/** Throws VC5xxx when parts cannot be written, VC6xxx when they cannot be run. */
export async function sweep(sizes: readonly CompiledSize[], options: SweepOptions): Promise<RangeReport> {
  const { checkpoint, device, reporter, signal } = options;
  return await runStage(
    reporter,
    'sweep',
    (progress) => {
      let done = 0;
      return sweepRanges({
        sizes: sizes.map((one) => sweepSize(one, checkpoint, options.options)),
        cut: checkCut,
        // What is true of the sums does not hang on a device, which may lack the room for float32.
        devices: { plain: 'cpu', converted: device },
        place: (models) => placeParts(models, options),
        onStep: (text, total) => {
          progress({ done, total, unit: 'steps', text });
          done += 1;
        },
        signal,
      });
    },
    () => plural(sizes.length, 'size'),
  );
}

/** What is recorded has one size; at the others pictures are drawn. */
function sweepSize(
  { size, built, components }: CompiledSize,
  checkpoint: Checkpoint,
  { samples, seed }: ResolvedOptions,
): SweepSize {
  const { image, recipe } = built;
  if (image === undefined) throw new RangeError('a size of a model without pictures');
  return {
    size: sizeName(size),
    recipe,
    image,
    sample: () => readSample(built, checkpoint, { inputs: undefined, samples, seed }),
    models: new Map(
      components.map(({ component, plain, model }) => [component.id, { plain, converted: model }]),
    ),
  };
}

function sizeName({ width, height }: Size): string {
  return `${width}x${height}`;
}
