/** How the numbers came about, in sentences. */
import { plural } from '../../report/format.ts';
import { placementLine } from '../placement.ts';
import type { ParityReport, SampleSummary } from './report.ts';

/** Without a full stop; words that options and columns use stand in `backticks`. */
export function methodLines({ levels, sample, runtime, placement, audio }: ParityReport): readonly string[] {
  // They have a table of their own.
  const placed = new Set(placement?.map(placementLine));
  const layers = levels.flatMap(({ cacheLayers }) => cacheLayers ?? []);
  const prompts = sample.prompts
    .map(
      ({ tokens, imageTokens }) =>
        `${tokens} tokens${imageTokens > 0 ? ` (${imageTokens} of the ${audio === undefined ? 'picture' : 'sound'})` : ''}`,
    )
    .join('; ');
  return [
    ...mediaLines(sample, audio === undefined ? 'Pictures' : 'Sounds'),
    `${plural(sample.prompts.length, 'prompt')}: ${prompts}; then ${plural(sample.decodeSteps, 'step')} with cache, ${sample.continuation === 'drawn' ? 'of drawn tokens' : 'the original picks the tokens, greedily'}`,
    ...drawingLine(sample),
    ...(layers.length === 0 ? [] : [`Cache compared in ${plural(Math.min(...layers), 'layer')}`]),
    "Fed `local`: each component gets the reference's activations; `chain`: its own model's, as in use",
    ...greedyLine(levels),
    ...runtime.notes.filter((note) => !placed.has(note)),
  ];
}

/** What was drawn by the model. */
function drawingLine({ drawing, decodeSteps, continuation }: SampleSummary): readonly string[] {
  if (drawing === undefined) return [];
  const { tokens, codes, sha256 } = drawing;
  const picked =
    continuation === 'drawn' ? '' : `, of which the original picks ${Math.min(decodeSteps + 1, codes)}`;
  return [
    `A picture from two rows of ${plural(tokens, 'token')}, ${plural(codes, 'code')} of the seed${picked}, sha256 ${sha256.slice(0, 16)}…`,
  ];
}

/** What was shown, to find it again: file names are the user's, so nothing in them may start a line or a code span. */
function mediaLines(
  { source, picture, sounds = [], pictures = [], seed }: SampleSummary,
  title: string,
): readonly string[] {
  const digest = (sha256: string): string => `sha256 ${sha256.slice(0, 16)}…`;
  if (picture !== undefined) {
    return [`A drawn picture of ${picture.width}x${picture.height}, seed ${seed}, ${digest(picture.sha256)}`];
  }
  if (sounds.length > 0) {
    const each = sounds.map(
      ({ frames, tokens, sha256 }) => `${frames} frames, ${tokens} tokens, ${digest(sha256)}`,
    );
    return [`${plural(sounds.length, 'drawn sound')}, seed ${seed}: ${each.join('; ')}`];
  }
  if (pictures.length === 0) return [];
  const named = pictures.map(({ name, sha256 }) => {
    const shown = name.replaceAll(/[\p{Cc}`]+/gu, ' ');
    return shown === '' ? digest(sha256) : `${shown} (${digest(sha256)})`;
  });
  return [`${source === 'recorded' ? 'Recorded inputs' : title}: ${named.join(', ')}`];
}

function greedyLine(levels: ParityReport['levels']): readonly string[] {
  const runs = levels.find(({ level }) => level === 'fidelity')?.greedy ?? [];
  if (runs.length === 0) return [];
  const parts = runs.map(({ agreed, of }) => `${agreed} of ${of}`).join(', ');
  return [`Greedy tokens shared with the original before the first difference, per prompt: ${parts}`];
}
