/**
 * Draws a picture through the components of a model as a recipe says: prefill of a conditional and an unconditional row,
 * code after code with guidance, and the generator. It shares no code with the product's own loop.
 *
 * Rows are stacked in pairs: the conditional one first.
 */
import type { GenerationRecipe, PictureGeneration } from '../../src/architectures/recipe.ts';
import type { Device, Session } from '../../src/runtime/session.ts';
import { float32Value, int64Value, type RunTensor, toFloat32 } from '../../src/runtime/values.ts';
import { get, withSession } from './run-recipe.ts';
import type { ComponentFiles } from './write-models.ts';

export interface DrawRequest {
  readonly recipe: GenerationRecipe;
  readonly files: ComponentFiles;
  /** int64 [2, tokens], both rows of one prompt. */
  readonly inputIds: RunTensor;
  readonly guidance: number;
  /** Codes to go on with, one by one, whatever the logits say; left out: the best ones. */
  readonly codes?: readonly number[];
  /** Default cpu. */
  readonly device?: Device;
}

export interface Drawn {
  /** [2, tokens, hidden] */
  readonly inputsEmbeds: RunTensor;
  /** Outputs of the prefill. */
  readonly prefill: ReadonlyMap<string, RunTensor>;
  /** The best code of every step. */
  readonly ids: readonly number[];
  /** Per step: [2, hidden], [2, codes], [codes], [hidden]. */
  readonly hidden: readonly Float32Array[];
  readonly headLogits: readonly Float32Array[];
  readonly guidedLogits: readonly Float32Array[];
  readonly embeds: readonly Float32Array[];
  /** [1, 3, H, W], of the codes that were gone on with. */
  readonly pixels: RunTensor;
}

type Values = ReadonlyMap<string, RunTensor>;

export function drawingOf({ pictures }: GenerationRecipe): PictureGeneration {
  if (pictures === undefined) throw new Error('the recipe draws no pictures');
  return pictures;
}

/** The unconditional row of a prompt, as the recipe makes it. */
export function unconditional(ids: readonly number[], { kept, padId }: PictureGeneration): number[] {
  const isKept = (id: number, place: number): boolean =>
    kept === 'ends' ? place === 0 || place === ids.length - 1 : kept.includes(id);
  return ids.map((id, place) => (isKept(id, place) ? id : padId));
}

export async function drawRecipe(request: DrawRequest): Promise<Drawn> {
  const { recipe, files, inputIds, guidance, device = 'cpu' } = request;
  const { head, embed, generator, grid } = drawingOf(recipe);
  const open = <T>(component: string, body: (session: Session) => Promise<T>): Promise<T> =>
    withSession(files, component, device, body);
  const count = grid.rows * grid.columns;
  const inputsEmbeds = await open(recipe.embed.component, async (session) =>
    get(await session.run(new Map([['input_ids', inputIds]])), 'inputs_embeds'),
  );
  const steps = await open(recipe.decoder.component, (decoder) =>
    open(head.component, (headSession) =>
      open(embed.component, async (embedSession) => {
        const found: Omit<Drawn, 'pixels' | 'inputsEmbeds' | 'prefill'> & { ids: number[] } = {
          ids: [],
          hidden: [],
          headLogits: [],
          guidedLogits: [],
          embeds: [],
        };
        let outputs = await decoder.run(decoderInputs(recipe, inputsEmbeds, undefined));
        const prefill = outputs;
        for (let step = 0; step < count; step += 1) {
          const last = lastPlaces(get(outputs, recipe.decoder.hidden ?? ''));
          const logits = toFloat32(get(await headSession.run(new Map([['hidden_states', last]])), 'logits'));
          const guided = guide(logits, guidance);
          const best = guided.indexOf(guided.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));
          const code = request.codes?.[step] ?? best;
          const next = get(
            await embedSession.run(new Map([['input_ids', int64Value([2, 1], [code, code])]])),
            'inputs_embeds',
          );
          found.ids.push(best);
          append(found.hidden, toFloat32(last));
          append(found.headLogits, logits);
          append(found.guidedLogits, guided);
          append(found.embeds, toFloat32(next).slice(0, recipe.hiddenSize));
          if (step + 1 < count) outputs = await decoder.run(decoderInputs(recipe, next, outputs));
        }
        return { ...found, prefill };
      }),
    ),
  );
  const codes = int64Value([1, count], [...(request.codes ?? steps.ids)]);
  const pixels = await open(generator.component, async (session) =>
    get(await session.run(new Map([['codes', codes]])), 'pixels'),
  );
  return { ...steps, inputsEmbeds, pixels };
}

function append<T>(list: readonly T[], value: T): void {
  (list as T[]).push(value);
}

/** All that came so far counts, padding of the unconditional row included. */
function decoderInputs({ decoder }: GenerationRecipe, embeds: RunTensor, before: Values | undefined): Values {
  const [rows = 0, tokens = 0] = embeds.shape;
  const past = before === undefined ? 0 : (get(before, 'present.0.key').shape[2] ?? 0);
  const ones = Array.from({ length: rows * (past + tokens) }, () => 1);
  const feeds = new Map([
    ['inputs_embeds', embeds],
    ['attention_mask', int64Value([rows, past + tokens], ones)],
  ]);
  for (let layer = 0; layer < decoder.layers; layer += 1) {
    for (const part of ['key', 'value']) {
      const empty = float32Value([rows, decoder.kvHeads, 0, decoder.headDim], new Float32Array(0));
      const name = `${layer}.${part}`;
      feeds.set(`past_key_values.${name}`, before === undefined ? empty : get(before, `present.${name}`));
    }
  }
  return feeds;
}

/** [2, tokens, hidden] → [2, 1, hidden] */
function lastPlaces(states: RunTensor): RunTensor {
  const [rows = 0, tokens = 0, hidden = 0] = states.shape;
  const all = toFloat32(states);
  const last = new Float32Array(rows * hidden);
  for (let row = 0; row < rows; row += 1) {
    const end = (row + 1) * tokens * hidden;
    last.set(all.subarray(end - hidden, end), row * hidden);
  }
  return float32Value([rows, 1, hidden], last);
}

/** u + w (c - u) of [2, codes], each step rounded as torch does it. */
function guide(logits: Float32Array, guidance: number): Float32Array {
  const codes = logits.length / 2;
  const weight = Math.fround(guidance);
  return Float32Array.from({ length: codes }, (_, code) => {
    const u = logits[codes + code] ?? Number.NaN;
    const c = logits[code] ?? Number.NaN;
    return u + Math.fround(weight * Math.fround(c - u));
  });
}

/** RGB bytes [H, W, 3] of pixels [1, 3, H, W]. */
export function pictureBytes(pixels: RunTensor, { mean, std }: PictureGeneration): Uint8Array {
  const [, channels = 0, height = 0, width = 0] = pixels.shape;
  const values = toFloat32(pixels);
  const area = height * width;
  const bytes = new Uint8Array(area * channels);
  for (let i = 0; i < area; i += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const value = (values[channel * area + i] ?? 0) * (std[channel] ?? 1) + (mean[channel] ?? 0);
      bytes[i * channels + channel] = Math.trunc(Math.min(Math.max(value * 255, 0), 255));
    }
  }
  return bytes;
}
