/**
 * What rows of a component's values are: tokens of a picture's views, positions of a prompt and of what follows it; of a
 * picture that is drawn its codes, and the two rows of its prompt, which stand where the views of a picture do.
 */
import { isPicture } from '../../architectures/log-mel.ts';
import { type Drawing, drawDrawing, drawingSteps, positionOfDrawing, promptRows } from '../inputs/drawing.ts';
import { frameName, positionPlace, viewName } from '../places.ts';
import { decoderSchedule } from '../stream/calls.ts';
import type { StreamRequest } from '../stream/request.ts';
import type { RowNames } from './confine.ts';

/** `call`: the run of the component, in the order in which the check makes them. */
export function rowNames(
  component: string,
  call: number,
  { recipe, sample, decodeSteps }: Pick<StreamRequest, 'recipe' | 'sample' | 'decodeSteps'>,
): RowNames {
  const layout = sample.media[call]?.layout;
  if (component === recipe.encoder?.component && layout !== undefined) {
    if (!isPicture(layout)) {
      const { rows, secondsPerToken } = layout;
      const row = (index: number, behindTower: boolean): string =>
        `sound ${call}, ${behindTower ? frameName(index, secondsPerToken) : `position ${index}`}`;
      return { views: [], tokensPerView: 0, tokens: rows, row };
    }
    const prefix = sample.media.length === 1 ? '' : `picture ${call}, `;
    return {
      views: layout.views.map((view) => `${prefix}${viewName(view)}`),
      ...(layout.tiles === undefined
        ? {}
        : { tiles: layout.tiles.map((tile) => `${prefix}${viewName(tile)}`) }),
      tokensPerView: layout.tokensPerView,
      tokens: layout.tokens,
      row: (index, behindTower) => `${behindTower ? 'token' : 'row'} ${index}`,
    };
  }
  const drawing = drawDrawing(recipe, sample.seed);
  const isDecoder = component === recipe.decoder.component;
  const schedule = decoderSchedule(sample.prompts.length, decodeSteps, drawing);
  const run = isDecoder ? schedule[call] : { prompt: call };
  if (recipe.pictures !== undefined && drawing !== undefined) {
    const { head, embed, generator } = recipe.pictures;
    if (component === embed.component || component === generator.component) {
      return { views: [], tokensPerView: 0, row: (index) => `code ${index}` };
    }
    const { length } = drawing.rows[0];
    if (component === head.component) {
      return rowsOfDrawing(drawing, length - 1, 1 + drawingSteps(drawing, decodeSteps));
    }
    if (run?.prompt === sample.prompts.length) {
      const { step } = run;
      return step === undefined
        ? rowsOfDrawing(drawing, 0, length)
        : rowsOfDrawing(drawing, length + step, 1);
    }
  }
  const prompt = sample.prompts[run?.prompt ?? 0];
  const first = run?.step === undefined ? 0 : (prompt?.ids.length ?? 0) + run.step;
  return {
    views: [],
    tokensPerView: 0,
    row: (index) =>
      prompt === undefined ? `row ${index}` : positionPlace(run?.prompt ?? 0, prompt, first + index),
  };
}

/** So many positions of both rows, from one of them on. */
function rowsOfDrawing(drawing: Drawing, first: number, positions: number): RowNames {
  return {
    views: promptRows,
    tokensPerView: positions,
    row: (index) => positionOfDrawing(drawing, first + index),
  };
}
