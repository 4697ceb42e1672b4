/** The ids that follow each prompt, which every build is fed with: one more than there are steps. */
import type { GenerationRecipe } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Session } from '../../runtime/session.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { embedIds, embedRows, runDecoder, splice } from '../components.ts';
import { decode } from '../decoding.ts';
import { guidedLogits } from '../guidance.ts';
import { type Drawing, drawDrawing, drawingSteps } from '../inputs/drawing.ts';
import { Random } from '../inputs/random.ts';
import type { Sample } from '../inputs/sample.ts';
import { argMax } from '../metrics.ts';
import type { StreamRequest } from './request.ts';

/** Drawn like the prompts' text. */
export function drawContinuations(
  recipe: GenerationRecipe,
  sample: Sample,
  steps: number,
): readonly (readonly number[])[] {
  const random = new Random(sample.seed + 1);
  return sample.prompts.map(() => Array.from({ length: steps + 1 }, () => random.int(0, recipe.textIds)));
}

export interface Continuations {
  readonly continuations: readonly (readonly number[])[];
  /** Where the model draws pictures. */
  readonly drawing: Drawing | undefined;
}

/**
 * Picked greedily by the original, whose components are loaded whole: ids after each prompt, and the first codes of a
 * picture; the rest of these are drawn.
 */
export async function pickContinuations(
  request: StreamRequest,
  features: readonly RunTensor[],
): Promise<Continuations> {
  const { recipe, sample } = request;
  const drawing = drawDrawing(recipe, sample.seed);
  return withOriginal(request, recipe.embed.component, (embed) =>
    withOriginal(request, recipe.decoder.component, async (decoder) => ({
      continuations: await pickIds(request, features, embed, decoder),
      drawing: drawing && (await pickCodes(request, drawing, embed, decoder)),
    })),
  );
}

async function pickIds(
  { recipe, sample, decodeSteps, signal }: StreamRequest,
  features: readonly RunTensor[],
  embed: Session,
  decoder: Session,
): Promise<readonly (readonly number[])[]> {
  const picked: (readonly number[])[] = [];
  for (const [index, prompt] of sample.prompts.entries()) {
    signal?.throwIfAborted();
    const start = splice(await embedIds(embed, prompt.ids), prompt, features);
    const { picks } = await decode(decoder, recipe, prompt, start, decodeSteps, (pick) => {
      if (pick < 0) throw fail('VC6104', { where: `logits, prompt ${index}` });
      return embedIds(embed, [pick]);
    });
    picked.push(picks);
  }
  return picked;
}

async function pickCodes(
  request: StreamRequest,
  drawing: Drawing,
  embed: Session,
  decoder: Session,
): Promise<Drawing> {
  const { recipe, decodeSteps, signal } = request;
  const { pictures } = recipe;
  if (pictures === undefined) return drawing;
  const { rows } = drawing;
  const prompt = { ids: rows[0] };
  const steps = drawingSteps(drawing, decodeSteps);
  const codes: number[] = [];
  await withOriginal(request, pictures.head.component, (head) =>
    withOriginal(request, pictures.embed.component, async (embedCodes) => {
      let run = await runDecoder(decoder, recipe, prompt, await embedRows(embed, rows));
      while (run.hidden !== undefined) {
        signal?.throwIfAborted();
        const code = argMax(await guidedLogits(head, run.hidden, pictures, pictures.guidance));
        const step = codes.push(code) - 1;
        if (step === steps) break;
        const next = await embedRows(
          embedCodes,
          rows.map(() => [code]),
        );
        run = await runDecoder(decoder, recipe, prompt, next, { step, cache: run.cache });
      }
    }),
  );
  return { rows, codes: [...codes, ...drawing.codes.slice(codes.length)] };
}

/** Opens a component of the original for as long as the body runs. */
async function withOriginal<T>(
  { builds, devices, place }: StreamRequest,
  component: string,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const model = builds.get(component)?.reference;
  if (model === undefined) throw fail('VC6101', { expected: `a component ${component}` });
  const placed = await place(component, new Map([['reference', model]]));
  try {
    const session = await placed.open('reference', devices.reference, false);
    try {
      return await body(session);
    } finally {
      await session.release();
    }
  } finally {
    await placed.release();
  }
}
