/** The ids that follow each prompt, which every build is fed with: one more than there are steps. */
import type { GenerationRecipe } from '../../architectures/architecture.ts';
import { fail } from '../../report/diagnostics.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { embedIds, splice } from '../components.ts';
import { decode } from '../decoding.ts';
import { Random } from '../inputs/random.ts';
import type { Sample } from '../inputs/sample.ts';
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

/** Picked greedily by the original, whose embedding table and decoder are loaded whole. */
export async function pickContinuations(
  request: StreamRequest,
  features: readonly RunTensor[],
): Promise<readonly (readonly number[])[]> {
  const { recipe, sample, decodeSteps, devices, signal } = request;
  const open = async (component: string) => {
    const model = request.builds.get(component)?.reference;
    if (model === undefined) throw fail('VC6101', { expected: `a component ${component}` });
    const placed = await request.place(component, new Map([['reference', model]]));
    const session = await placed.open('reference', devices.reference, false).catch(async (error: unknown) => {
      await placed.release();
      throw error;
    });
    const close = async (): Promise<void> => {
      await session.release();
      await placed.release();
    };
    return { session, close };
  };
  const embed = await open(recipe.embed.component);
  try {
    const decoder = await open(recipe.decoder.component);
    try {
      const picked: (readonly number[])[] = [];
      for (const [index, prompt] of sample.prompts.entries()) {
        signal?.throwIfAborted();
        const start = splice(await embedIds(embed.session, prompt.ids), prompt, features);
        const { picks } = await decode(decoder.session, recipe, prompt, start, decodeSteps, (pick) => {
          if (pick < 0) throw fail('VC6104', { where: `logits, prompt ${index}` });
          return embedIds(embed.session, [pick]);
        });
        picked.push(picks);
      }
      return picked;
    } finally {
      await decoder.close();
    }
  } finally {
    await embed.close();
  }
}
