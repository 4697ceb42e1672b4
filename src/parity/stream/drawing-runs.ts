/**
 * The runs of the components that draw pictures: the embedding of codes, the head that reads hidden states as codes, and
 * the generator that makes pixels of them. All three see the codes of one drawing, known beforehand: the generator a whole
 * picture of them, the head as many positions as the decoder made.
 *
 * Layouts: hidden_states f32 [2, S, hidden], conditional row first; codes i64 [1, T]; pixels f32 [1, 3, H, W].
 */
import type { PictureGeneration } from '../../architectures/recipe.ts';
import { fail } from '../../report/diagnostics.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { embedNames, output } from '../components.ts';
import { drawingNames, guide } from '../guidance.ts';
import { type Drawing, drawingPlace } from '../inputs/drawing.ts';
import { Comparison, type Rows } from '../metrics.ts';
import { compareTensors, type Feed, finish, type OutputResult } from '../outputs.ts';
import { PictureComparison } from '../picture-metrics.ts';
import type { ComponentRun } from './component-run.ts';
import type { Call, PartOutputs } from './lanes.ts';
import { comparePresent, type Sink } from './sinks.ts';

const only: ReadonlySet<number> = new Set([0]);
const whole = (_call: number, _name: string, value: RunTensor): RunTensor => value;

/** A value of the original and one of the output. */
export interface BothValues {
  readonly reference: RunTensor;
  readonly converted: RunTensor;
}

/** Calls the callback with an output once it is there, of the original and of the output. */
function taker(name: string, take: (values: BothValues) => void): NonNullable<ComponentRun['onOutputs']> {
  return (_call, reference, converted) => {
    if (!reference.has(name)) return;
    take({ reference: output(reference, name), converted: output(converted, name) });
  };
}

export function codeEmbedCalls({ codes }: Drawing): readonly Call[] {
  return [{ feeds: new Map([[embedNames.input, int64Value([1, codes.length], codes)]]) }];
}

/** Embeddings [1, T, hidden] of all codes. */
export function codeEmbedRun(
  component: string,
  drawing: Drawing,
  take: (embeds: BothValues) => void,
): ComponentRun {
  const place = (row: number): string => `drawn picture, code ${row}`;
  return {
    component,
    calls: codeEmbedCalls(drawing),
    probe: only,
    sink: (feed) => {
      const comparison = new Comparison({ logits: false });
      return {
        add: (_call, reference, other) =>
          comparePresent(comparison, embedNames.output, reference, other, place),
        finish: () => [finish('code-embeds', embedNames.output, component, feed, comparison)],
      };
    },
    cache: new Map(),
    trim: whole,
    place: () => place,
    onOutputs: taker(embedNames.output, take),
  };
}

export interface HeadInputs {
  readonly pictures: PictureGeneration;
  readonly drawing: Drawing;
  /** [2, 1 + steps, hidden] */
  readonly hidden: BothValues;
}

export function headCalls(hidden: RunTensor): readonly Call[] {
  return [{ feeds: new Map([[drawingNames.hidden, hidden]]) }];
}

/** Logits of the last position of the prompt and of every step, of both rows. */
export function headRun({ pictures, drawing, hidden }: HeadInputs): ComponentRun {
  const { component } = pictures.head;
  const last = drawing.rows[0].length - 1;
  const positions = hidden.reference.shape[1] ?? 1;
  const place = (row: number): string =>
    drawingPlace(drawing, Math.floor(row / positions), last + (row % positions));
  return {
    component,
    calls: headCalls(hidden.reference),
    chained: headCalls(hidden.converted),
    probe: only,
    sink: (feed) => headSink(component, feed, pictures, place),
    cache: new Map(),
    trim: whole,
    place: () => place,
  };
}

/** Logits of each row, and what guidance makes of both. */
function headSink(
  component: string,
  feed: Feed,
  { guidance }: PictureGeneration,
  place: (row: number) => string,
): Sink {
  const logits = new Comparison({ logits: true });
  const guided = new Comparison({ logits: true });
  return {
    add: (_call, reference, other) => {
      const [wanted, found] = [reference.get(drawingNames.logits), other.get(drawingNames.logits)];
      if (wanted === undefined || found === undefined) return;
      compareTensors(logits, drawingNames.logits, wanted, found, place);
      const width = wanted.shape.at(-1) ?? 1;
      const data = guidedRows(wanted, guidance);
      const rows: Rows = { data, width, place: (row) => place(row).replace(', conditional row', '') };
      guided.add(rows, guidedRows(found, guidance));
    },
    finish: (): readonly OutputResult[] => [
      finish('code-logits', drawingNames.logits, component, feed, logits),
      finish('guided-logits', drawingNames.logits, component, feed, guided),
    ],
  };
}

/** [2, S, codes] → [S, codes] */
function guidedRows(logits: RunTensor, guidance: number): Float32Array {
  const all = toFloat32(logits);
  const half = all.length / 2;
  return guide(all.subarray(0, half), all.subarray(half), guidance);
}

/** The picture of all codes. */
export function generatorRun({ pictures, drawing }: Omit<HeadInputs, 'hidden'>): ComponentRun {
  const { component } = pictures.generator;
  return {
    component,
    calls: generatorCalls(drawing),
    probe: only,
    sink: (feed) => pixelSink(component, feed, pictures),
    cache: new Map(),
    trim: whole,
    place: (_call, _name, { shape }) => mapPlace(shape),
  };
}

export function generatorCalls({ codes }: Drawing): readonly Call[] {
  return [{ feeds: new Map([[drawingNames.codes, int64Value([1, codes.length], codes)]]) }];
}

/** Rows of maps [N, C, H, W]; of values of another rank their number. */
function mapPlace(shape: readonly number[]): (row: number) => string {
  const [, channels = 1, height = 1] = shape;
  if (shape.length !== 4) return (row) => `drawn picture, row ${row}`;
  return (row) => `drawn picture, channel ${Math.floor(row / height) % channels}, row ${row % height}`;
}

/** Numbers and picture; an element is a channel of a pixel. */
function pixelSink(component: string, feed: Feed, scale: PictureGeneration): Sink {
  const numbers = new Comparison({ logits: false });
  const pictures = new PictureComparison(scale);
  const name = drawingNames.pixels;
  return {
    add: (_call, reference: PartOutputs, other: PartOutputs) => {
      const [wanted, found] = [reference.get(name), other.get(name)];
      if (wanted === undefined || found === undefined) return;
      const width = wanted.shape[3] ?? 1;
      const place = (row: number): string =>
        `drawn picture, pixel row ${Math.floor(row / width)} column ${row % width}`;
      compareTensors(numbers, name, channelsLast(name, wanted), channelsLast(name, found), place);
      pictures.add(wanted, found);
    },
    finish: () => {
      const result = finish('pixels', name, component, feed, numbers);
      const picture = pictures.finish();
      return [picture === undefined ? result : { ...result, metrics: { ...result.metrics, picture } }];
    },
  };
}

/** [N, C, H, W] → [N, H, W, C] */
function channelsLast(name: string, pixels: RunTensor): RunTensor {
  const [pictures = 0, channels = 0, height = 0, width = 0] = pixels.shape;
  if (pixels.shape.length !== 4) {
    throw fail('VC6102', { where: name, found: `[${pixels.shape}]`, expected: 'pixels [N, 3, H, W]' });
  }
  const values = toFloat32(pixels);
  const area = height * width;
  const data = new Float32Array(values.length);
  for (let plane = 0; plane < pictures * channels; plane += 1) {
    const first = Math.floor(plane / channels) * channels * area + (plane % channels);
    for (let i = 0; i < area; i += 1) data[first + i * channels] = values[plane * area + i] ?? 0;
  }
  return float32Value([pictures, height, width, channels], data);
}
