/** What rows of a component's values are: tokens of a picture's views, positions of a prompt and of what follows it. */
import { isPicture } from '../../architectures/log-mel.ts';
import { positionPlace, viewName } from '../places.ts';
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
      const row = (index: number): string => `sound ${call}, position ${index}`;
      return { views: [], tokensPerView: 0, row };
    }
    const prefix = sample.media.length === 1 ? '' : `picture ${call}, `;
    return {
      views: layout.views.map((view) => `${prefix}${viewName(view)}`),
      tokensPerView: layout.tokensPerView,
      row: (index, behindTower) => `${behindTower ? 'token' : 'row'} ${index}`,
    };
  }
  const isDecoder = component === recipe.decoder.component;
  const run = isDecoder ? decoderSchedule(sample.prompts.length, decodeSteps)[call] : { prompt: call };
  const prompt = sample.prompts[run?.prompt ?? 0];
  const first = run?.step === undefined ? 0 : (prompt?.ids.length ?? 0) + run.step;
  return {
    views: [],
    tokensPerView: 0,
    row: (index) =>
      prompt === undefined ? `row ${index}` : positionPlace(run?.prompt ?? 0, prompt, first + index),
  };
}
