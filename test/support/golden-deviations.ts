/**
 * What a case recorded against what graphs give on the recorded inputs: per output the worst element's error, in
 * standard deviations of the recorded one. Rows that the attention mask leaves out do not count.
 */
import type { GenerationRecipe } from '../../src/architectures/recipe.ts';
import type { Device } from '../../src/runtime/session.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { type CaseInputs, countedRows, countedSlots } from './case-inputs.ts';
import { deviation } from './deviation.ts';
import { drawingDeviations } from './golden-drawing.ts';
import type { Recorded } from './read-io.ts';
import { get, runRecipe } from './run-recipe.ts';
import type { ComponentFiles } from './write-models.ts';

export interface GoldenRun {
  readonly recipe: GenerationRecipe;
  readonly files: ComponentFiles;
  readonly inputs: CaseInputs;
  readonly io: Recorded;
  /** Default cpu. */
  readonly device?: Device;
}

/**
 * Of an answer, where the case recorded one: `features`, `logits`, `decode`, and `embeds`, `key`, `value` where they were
 * recorded. Of a picture that was drawn: those of golden-drawing.ts.
 */
export async function goldenDeviations(request: GoldenRun): Promise<Readonly<Record<string, number>>> {
  const { io } = request;
  const deviations = {
    ...(io.has('out.logits') ? await answerDeviations(request) : {}),
    ...(io.has('out.gen_ids') ? await drawingDeviations(request) : {}),
  };
  if (Object.keys(deviations).length === 0) throw new Error('a case without outputs');
  return deviations;
}

async function answerDeviations(request: GoldenRun): Promise<Readonly<Record<string, number>>> {
  const { recipe, files, inputs, io, device } = request;
  const run = await runRecipe({ recipe, files, ...inputs, ...(device === undefined ? {} : { device }) });
  const batch = inputs.decodeIds.length;
  const counted = (length: number) => countedRows(inputs, length);
  const features = recordedFeatures(io);
  const deviations: Record<string, number> = {
    ...(features === undefined ? {} : { features: deviation(toFloat32(run.imageFeatures), features) }),
    logits: deviation(toFloat32(run.logits), io.float32('out.logits'), counted(recipe.vocabSize)),
    decode: deviation(joinSteps(run.decodeLogits.map(toFloat32), batch), io.float32('out.decode_logits')),
  };
  if (io.has('mid.inputs_embeds')) {
    const recorded = io.float32('mid.inputs_embeds');
    deviations.embeds = deviation(toFloat32(run.inputsEmbeds), recorded, counted(recipe.hiddenSize));
  }
  // Attention sees only how far keys are apart: what position each was given shows in the cache alone.
  for (const part of ['key', 'value']) {
    if (!io.has(`mid.present.0.${part}`)) continue;
    const found = get(run.present, `present.0.${part}`);
    const recorded = io.float32(`mid.present.0.${part}`);
    deviations[part] = deviation(toFloat32(found), recorded, countedSlots(inputs, found.shape));
  }
  return deviations;
}

/** What the vision component gave, under the name that each family calls it by; undefined for text alone. */
export function recordedFeatures(io: Recorded): Float32Array | undefined {
  const names = ['image', 'video', 'vision', 'audio'].map((modality) => `out.${modality}_features`);
  const name = names.find((candidate) => io.has(candidate));
  return name === undefined ? undefined : io.float32(name);
}

/** The outputs that are further off than `limit`, as a test wants them: none. */
export function beyond(limit: number, deviations: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(deviations).filter(([, worst]) => !(worst <= limit));
}

/** Steps of [batch, 1, vocab] as recorded: [batch, steps, vocab]. */
function joinSteps(steps: readonly Float32Array[], batch: number): Float32Array {
  const size = (steps[0]?.length ?? 0) / batch;
  const joined = new Float32Array(steps.length * batch * size);
  for (const [step, logits] of steps.entries()) {
    for (let row = 0; row < batch; row += 1) {
      joined.set(logits.subarray(row * size, (row + 1) * size), (row * steps.length + step) * size);
    }
  }
  return joined;
}
