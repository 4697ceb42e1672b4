/** What a case recorded of a picture that was drawn against what graphs draw: the same measure as golden-deviations.ts. */
import type { GenerationRecipe } from '../../src/architectures/recipe.ts';
import type { Device } from '../../src/runtime/session.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from './deviation.ts';
import type { Recorded } from './read-io.ts';
import { type Drawn, drawRecipe } from './run-drawing.ts';
import { get } from './run-recipe.ts';
import type { ComponentFiles } from './write-models.ts';

export interface GoldenDrawing {
  readonly recipe: GenerationRecipe;
  readonly files: ComponentFiles;
  readonly io: Recorded;
  /** Whether it goes on with the recorded codes rather than with its own. */
  readonly forced?: boolean;
  /** Default cpu. */
  readonly device?: Device;
}

/** Both rows, conditional first, as the case recorded them beside those of an answer or alone. */
export function drawGolden({ recipe, files, io, forced, device }: GoldenDrawing): Promise<Drawn> {
  return drawRecipe({
    recipe,
    files,
    inputIds: io.get(io.has('in.gen_input_ids') ? 'in.gen_input_ids' : 'in.input_ids'),
    guidance: toFloat32(io.get(io.has('in.cfg_weight') ? 'in.cfg_weight' : 'in.gen_guidance_scale'))[0] ?? 0,
    ...(forced === true ? { codes: io.ints('out.gen_ids') } : {}),
    ...(device === undefined ? {} : { device }),
  });
}

/** `drawn.codes`: how many codes are others. */
export async function drawingDeviations(request: GoldenDrawing): Promise<Readonly<Record<string, number>>> {
  return drawnDeviations(await drawGolden(request), request.io);
}

export function drawnDeviations(drawn: Drawn, io: Recorded): Readonly<Record<string, number>> {
  const mid = io.has('mid.gen.inputs_embeds') ? 'mid.gen' : 'mid';
  const codes = io.ints('out.gen_ids');
  const against = (found: Float32Array, name: string): number => deviation(found, io.float32(name));
  return {
    'drawn.inputs': against(toFloat32(drawn.inputsEmbeds), `${mid}.inputs_embeds`),
    'drawn.prefill': against(toFloat32(get(drawn.prefill, 'hidden_states')), `${mid}.lm.norm`),
    'drawn.key': against(toFloat32(get(drawn.prefill, 'present.0.key')), `${mid}.present.0.key`),
    'drawn.value': against(toFloat32(get(drawn.prefill, 'present.0.value')), `${mid}.present.0.value`),
    'drawn.hidden': against(joined(drawn.hidden), 'out.gen_hidden'),
    'drawn.head': against(joined(drawn.headLogits), 'out.gen_head_logits'),
    'drawn.guided': against(joined(drawn.guidedLogits), 'out.gen_guided_logits'),
    'drawn.embeds': against(joined(drawn.embeds), 'out.gen_embeds'),
    'drawn.codes': codes.filter((code, step) => code !== drawn.ids[step]).length,
    'drawn.pixels': against(toFloat32(drawn.pixels), 'out.pixels'),
  };
}

function joined(steps: readonly Float32Array[]): Float32Array {
  return Float32Array.from(steps.flatMap((step) => [...step]));
}
