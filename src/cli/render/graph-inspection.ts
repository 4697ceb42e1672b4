/** What an inspection says of one graph, as sections of lines. */
import type { InspectedGraph } from '../../index.ts';
import { formatBytes, formatTable, plural } from '../../report/format.ts';
import { quote } from '../../report/show.ts';

/** Operators that are listed; `--json` has all. */
const mostOperators = 14;

/** Notes of a pass that are listed; `--json` has all. */
const mostNotes = 3;

const longestLine = 240;

/** Inputs listed for a symbol. */
const mostPlaces = 4;

export function graphSections(graph: InspectedGraph): readonly (readonly [string, readonly string[]])[] {
  return [
    ['Operators', operatorLines(graph)],
    ['Shapes', shapeLines(graph)],
    ['Meaning, in the file and after the default passes', meaningLines(graph)],
    ['Default passes', passLines(graph)],
  ];
}

function operatorLines({ operators }: InspectedGraph): readonly string[] {
  const all = Object.entries(operators);
  const shown = all.length > mostOperators + 1 ? all.slice(0, mostOperators) : all;
  const rows = shown.map(([op, { nodes, bytes }]) => [
    text(op),
    String(nodes),
    bytes === 0 ? '' : formatBytes(bytes),
  ]);
  const left = all.length - shown.length;
  return [...formatTable(rows, [1, 2]), ...(left === 0 ? [] : [`… and ${plural(left, 'more operator')}`])];
}

function shapeLines({ shapes }: InspectedGraph): readonly string[] {
  const { static: fixed, symbolic, unknown, symbols } = shapes;
  if (fixed + symbolic + unknown === 0) return [];
  const rows = Object.entries(symbols).map(([symbol, places]) => {
    const more = places.length - mostPlaces;
    return [
      text(symbol),
      places.slice(0, mostPlaces).map(text).join(', ') + (more > 0 ? ` and ${more} more` : ''),
    ];
  });
  return [
    `${plural(fixed, 'value')} of fixed shape, ${symbolic} with named dimensions, ${unknown} not known`,
    ...formatTable(rows),
  ];
}

function meaningLines({ meanings }: InspectedGraph): readonly string[] {
  return formatTable(
    Object.entries(meanings).map(([meaning, { found, optimized, operators }]) => {
      const named = Object.entries(operators).map(([op, count]) => `${op} ${count}`);
      const spelled = optimized - Object.values(operators).reduce((sum, count) => sum + count, 0);
      if (spelled > 0) named.push(`spelled out ${spelled}`);
      return [meaning.replaceAll('_', ' '), String(found), String(optimized), named.join(', ')];
    }),
    [1, 2],
  );
}

/** Passes that did something or say why not, then the names of the others. */
function passLines({ passes }: InspectedGraph): readonly string[] {
  const telling = passes.filter(({ changed, notes }) => changed || notes.length > 0);
  const width = Math.max(0, ...telling.map(({ name }) => name.length));
  const lines = telling.flatMap(({ name, stats, notes, nodes }) => {
    const counts = Object.entries(stats).filter(([, count]) => count !== 0);
    const did = counts.map(([what, count]) => `${what} ${count}`).join(', ');
    const shown = notes.length > mostNotes + 1 ? notes.slice(0, mostNotes) : notes;
    const left = notes.length - shown.length;
    return [
      `${name.padEnd(width)}  ${`${nodes} nodes`.padEnd(10)}  ${did === '' ? 'nothing' : did}`,
      ...shown.map((note) => `${' '.repeat(width)}  ${text(note)}`),
      ...(left === 0 ? [] : [`${' '.repeat(width)}  and ${plural(left, 'more note')}`]),
    ];
  });
  const others = passes.filter((pass) => !telling.includes(pass)).map(({ name }) => name);
  return others.length === 0 ? lines : [...lines, `nothing to do: ${others.join(', ')}`];
}

/** Text from a file, made safe for a terminal; notes may be longer than names. */
function text(line: string): string {
  const pieces = line.slice(0, longestLine).match(/.{1,80}/gsu) ?? [];
  return pieces.map((piece) => quote(piece).slice(1, -1)).join('') + (line.length > longestLine ? '…' : '');
}
