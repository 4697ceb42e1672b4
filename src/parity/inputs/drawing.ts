/**
 * What a check asks a model for that draws pictures: a prompt in two rows, the conditional and the unconditional one, and
 * the codes that it goes on with, which are drawn like the prompt: as many as make a picture.
 */
import { createHash } from 'node:crypto';
import type { GenerationRecipe, PictureGeneration } from '../../architectures/recipe.ts';
import { Random } from './random.ts';

export interface Drawing {
  /** Ids of the conditional row, then of the unconditional one, which is as long. */
  readonly rows: readonly [readonly number[], readonly number[]];
  /** A picture's, row-major; each step is fed with the next one. */
  readonly codes: readonly number[];
}

/** Ids of text between those that are kept, in each prompt. */
const textLength = 12;

/** Follows from the recipe and the seed; undefined for a model that draws no pictures. */
export function drawDrawing({ pictures, textIds }: GenerationRecipe, seed: number): Drawing | undefined {
  if (pictures === undefined) return undefined;
  const random = new Random(seed + 2);
  const text = Array.from({ length: textLength }, () => random.int(0, textIds));
  const kept = pictures.kept === 'ends' ? [] : pictures.kept;
  const conditional = [...kept.slice(0, 1), ...text, ...kept.slice(1)];
  const { rows, columns } = pictures.grid;
  return {
    rows: [conditional, unconditionalRow(conditional, pictures)],
    codes: drawCodes(rows * columns, pictures.codes, random),
  };
}

/** None twice before all were there: the more rows of the tables are looked up, the more are held to the original's. */
function drawCodes(count: number, codes: number, random: Random): readonly number[] {
  const drawn: number[] = [];
  while (drawn.length < count) {
    const left = Math.min(count - drawn.length, codes);
    const round = new Set<number>();
    while (round.size < left) round.add(random.int(0, codes));
    drawn.push(...round);
  }
  return drawn;
}

/** The row that says nothing of what is drawn, as long as the one that does. */
export function unconditionalRow(
  ids: readonly number[],
  { kept, padId }: Pick<PictureGeneration, 'kept' | 'padId'>,
): readonly number[] {
  const isKept = (id: number, place: number): boolean =>
    kept === 'ends' ? place === 0 || place === ids.length - 1 : kept.includes(id);
  return ids.map((id, place) => (isKept(id, place) ? id : padId));
}

/** Steps after the prefill that a check makes of it: the last code is fed to no one. */
export function drawingSteps({ codes }: Drawing, decodeSteps: number): number {
  return Math.min(decodeSteps, codes.length - 1);
}

/** What a report says of it. */
export function summariseDrawing(drawing: Drawing): {
  readonly tokens: number;
  readonly codes: number;
  readonly sha256: string;
} {
  return {
    tokens: drawing.rows[0].length,
    codes: drawing.codes.length,
    sha256: createHash('sha256').update(JSON.stringify(drawing)).digest('hex'),
  };
}

export const promptRows = ['conditional row', 'unconditional row'] as const;

/** `drawn picture, unconditional row, decode step 3`: of a row, 0 or 1, and a position of the prompt and what follows it. */
export function drawingPlace(drawing: Drawing, row: number, position: number): string {
  return `drawn picture, ${promptRows[row] ?? `row ${row}`}, ${positionOfDrawing(drawing, position)}`;
}

export function positionOfDrawing({ rows: [{ length }] }: Drawing, position: number): string {
  return position < length ? `position ${position}` : `decode step ${position - length}`;
}
