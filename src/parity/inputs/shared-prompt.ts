/**
 * How pictures are seen that share a prompt. Where tiles are cut for a picture that has its prompt to itself, each of
 * several is one tile, and is written as such.
 */
import type { GenerationRecipe, PromptTemplate } from '../../architectures/recipe.ts';

/** A graph that is compiled for its tiles takes no others: there nothing changes. */
export function sharedPrompt(recipe: GenerationRecipe): GenerationRecipe {
  const { encoder, prompt } = recipe;
  if (encoder?.feed.form !== 'tiles' || encoder.feed.known !== undefined) return recipe;
  const { feed } = encoder;
  const single = { ...feed, squares: feed.squares.map(() => 1), least: 1, most: 1 };
  return {
    ...recipe,
    encoder: { ...encoder, feed: single },
    ...(prompt === undefined ? {} : { prompt: withoutViews(prompt) }),
  };
}

function withoutViews({ views: _, ...prompt }: PromptTemplate): PromptTemplate {
  return prompt;
}
