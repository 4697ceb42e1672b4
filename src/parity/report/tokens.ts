/** The worst token of a picture, or frame of a sound, for all forms of the report. */
import type { TokenMap } from '../metrics.ts';
import { frameName } from '../places.ts';
import type { ParityReport } from './report.ts';
import { formatNumber } from './text.ts';

export interface WorstToken {
  /** Index of the token map. */
  readonly map: number;
  readonly token: number;
  readonly row: number;
  readonly column: number;
  readonly value: number;
  /** `tile row 0 column 2, token row 5 column 9: 0.8, 14 times the median`; `sound 0, frame 12 (0.48 s): …`. */
  readonly text: string;
}

/** The token with the largest error, one that is not finite before all others; undefined when nothing differs. */
export function worstToken(tokens: readonly TokenMap[]): WorstToken | undefined {
  let worst: Omit<WorstToken, 'text'> | undefined;
  for (const [map, { errors, columns }] of tokens.entries()) {
    for (const [token, value] of errors.entries()) {
      const size = Number.isFinite(value) ? value : Number.POSITIVE_INFINITY;
      if (size <= (worst?.value ?? 0)) continue;
      worst = { map, token, row: Math.floor(token / columns), column: token % columns, value: size };
    }
  }
  if (worst === undefined) return undefined;
  const all = tokens.flatMap(({ errors }) => errors).sort((a, b) => a - b);
  const times = worst.value / (all[Math.floor(all.length / 2)] ?? 0);
  const beside = Number.isFinite(times)
    ? `, ${formatNumber(Number(times.toPrecision(3)))} times the median`
    : '';
  const { view = '', seconds } = tokens[worst.map] ?? {};
  const place =
    seconds === undefined
      ? `token row ${worst.row} column ${worst.column}`
      : frameName(worst.column, seconds);
  return { ...worst, text: `${view}, ${place}: ${formatNumber(worst.value)}${beside}` };
}

/** Token maps of a level's output, and where they stand in the report. */
export interface LevelTokens {
  readonly level: string;
  readonly output: string;
  readonly feed: string;
  /** Indices of the level and of its output. */
  readonly at: readonly [number, number];
  readonly tokens: readonly TokenMap[];
  /** Whether a gate of that level and output failed. */
  readonly failed: boolean;
}

export function levelTokens({ levels, gates }: ParityReport): readonly LevelTokens[] {
  return levels.flatMap(({ level, outputs }, levelIndex) =>
    outputs.flatMap(({ output, feed, metrics: { tokens = [] } }, outputIndex) =>
      tokens.length === 0
        ? []
        : [
            {
              level,
              output,
              feed,
              at: [levelIndex, outputIndex] as const,
              tokens,
              failed: gates.some((gate) => !gate.passed && gate.level === level && gate.output === output),
            },
          ],
    ),
  );
}

const bars = '▁▂▃▄▅▆▇█';
/** Characters that a line takes. */
const lineWidth = 60;
/** From the lowest bar to the highest. */
const lineDecades = 2;

/**
 * `sound 0, 0.00 to 1.28 s: ▁▂▃█▂▁`, the largest error of the frames behind each bar; undefined for a picture, and where
 * nothing differs.
 */
export function frameLine({ view, columns, errors, seconds }: TokenMap): string | undefined {
  const largest = Math.max(...errors.filter(Number.isFinite));
  if (seconds === undefined || !(largest > 0 || errors.some((error) => !Number.isFinite(error)))) {
    return undefined;
  }
  const width = Math.min(lineWidth, columns);
  const line = Array.from({ length: width }, (_, at) => {
    const from = Math.floor((at * columns) / width);
    const own = Math.max(...errors.slice(from, Math.floor(((at + 1) * columns) / width)));
    if (!Number.isFinite(own)) return '!';
    const height = own > 0 ? 1 + Math.log10(own / largest) / lineDecades : 0;
    return bars[Math.max(0, Math.round(height * (bars.length - 1)))] ?? '';
  });
  return `${view}, 0.00 to ${(columns * seconds).toFixed(2)} s: ${line.join('')}`;
}
