/**
 * What a vision graph takes of a picture, in the forms that there are. Pictures are read and resized by sharp, whose
 * resizing is not Pillow's to the last digit: models see what they were trained on up to about one level of 255.
 */
import { Tensor } from 'onnxruntime-node';
import sharp, { type Sharp } from 'sharp';
import type { Cut, Feed, Geometry, Grid, PromptForm, Recipe, Size, Step } from './recipe.ts';

export interface Prepared {
  /** Inputs of the vision graph. */
  readonly feeds: Record<string, Tensor>;
  readonly tokens: number;
  readonly tokensPerView: number;
  readonly views: number;
  /** Tokens that lie in a grid, where positions need them. */
  readonly grid: { readonly rows: number; readonly columns: number };
  /** What stands for the picture in a prompt. */
  readonly text: (form: PromptForm) => string;
}

interface Pixels extends Size {
  readonly rgb: Uint8Array;
}

/** `alone`: no other picture shares the prompt. */
export async function prepare(
  path: string,
  { input, feed }: NonNullable<Recipe['encoder']>,
  image: Geometry,
  alone: boolean,
): Promise<Prepared> {
  const picture = await read(sharp(path).removeAlpha().toColourspace('srgb'));
  if (feed.form === 'patch-rows') return patchRows(picture, input, feed, image);
  if (feed.form === 'slices') return slices(picture, input, feed, image);
  if (feed.form === 'tiles') return tiles(picture, input, feed, image, alone);
  if (feed.form !== 'pixels') throw new Error(`an encoder of pictures that takes ${feed.form}`);
  const ready = await runSteps(picture, image.steps ?? []);
  const { tokens, tokensPerView } = image;
  return {
    feeds: { [input]: new Tensor(planes(ready, image), [1, 3, ready.height, ready.width]) },
    tokens,
    tokensPerView,
    views: 1,
    grid: { rows: 0, columns: 0 },
    text: ({ picture: mark }) => mark,
  };
}

async function read(pipeline: Sharp): Promise<Pixels> {
  const { data, info } = await pipeline.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgb: data };
}

const open = ({ width, height, rgb }: Pixels): Sharp => sharp(rgb, { raw: { width, height, channels: 3 } });

async function resize(picture: Pixels, { width, height }: Size): Promise<Pixels> {
  if (picture.width === width && picture.height === height) return picture;
  return read(open(picture).resize(width, height, { fit: 'fill', kernel: 'cubic' }));
}

/** Black where it lies outside. */
async function crop(
  picture: Pixels,
  left: number,
  top: number,
  size: Size,
  background = '#000',
): Promise<Pixels> {
  const x = Math.max(-left, 0);
  const y = Math.max(-top, 0);
  const right = Math.max(left + size.width - picture.width, 0);
  const bottom = Math.max(top + size.height - picture.height, 0);
  const wide = await read(open(picture).extend({ left: x, top: y, right, bottom, background }));
  return read(open(wide).extract({ left: left + x, top: top + y, ...size }));
}

async function runSteps(picture: Pixels, steps: readonly Step[]): Promise<Pixels> {
  let now = picture;
  for (const step of steps) {
    const { width, height } = now;
    if (step.step === 'resize') now = await resize(now, step.to);
    if (step.step === 'shortest-side') {
      const scale = step.side / Math.min(width, height);
      const longer = Math.trunc(Math.max(width, height) * scale);
      now = await resize(
        now,
        width <= height ? { width: step.side, height: longer } : { width: longer, height: step.side },
      );
    }
    if (step.step === 'center-crop') {
      const left = Math.floor((width - step.to.width) / 2);
      const top = Math.floor((height - step.to.height) / 2);
      now = await crop(now, left, top, step.to);
    }
    if (step.step === 'inside') {
      const { to, least, rounding } = step;
      const wide = width * to.height >= height * to.width;
      const [longer, target] = wide ? [width, to.width] : [height, to.height];
      const scaled = (side: number): number =>
        rounding === 'down' ? Math.trunc((side / longer) * target) : nearest(side * (target / longer));
      now = await resize(now, {
        width: Math.max(scaled(width), least),
        height: Math.max(scaled(height), least),
      });
    }
    if (step.step === 'pad' || step.step === 'pad-square') {
      const side = Math.max(width, height);
      const to = step.step === 'pad' ? step.to : { width: side, height: side };
      const [r, g, b] = step.color.map(Math.trunc);
      const left = -Math.floor((to.width - width) / 2);
      const top = -Math.floor((to.height - height) / 2);
      now = await crop(now, left, top, to, `rgb(${r},${g},${b})`);
    }
  }
  return now;
}

/** [3, height, width]; every step rounded to float32, as the processors of the models compute it. */
function planes({ width, height, rgb }: Pixels, { mean, std }: Geometry): Float32Array {
  const area = width * height;
  const out = new Float32Array(3 * area);
  const round = Math.fround;
  for (let i = 0; i < out.length; i += 1) {
    const channel = Math.floor(i / area);
    const value = round((rgb[(i % area) * 3 + channel] ?? 0) / 255);
    out[i] = round(value - round(mean[channel] ?? 0)) / round(std[channel] ?? 1);
  }
  return out;
}

/** Qwen2-VL: rows of patches (channel, frame, y, x), in blocks of merge · merge, every frame the same picture. */
async function patchRows(
  picture: Pixels,
  input: string,
  feed: Extract<Feed, { form: 'patch-rows' }>,
  image: Geometry,
): Promise<Prepared> {
  const { patch, merge, frames, grid } = feed;
  const ready =
    grid === undefined
      ? await runSteps(picture, image.steps ?? [])
      : await resize(picture, smartResize(picture, patch * merge, feed.minPixels, feed.maxPixels));
  const pixels = planes(ready, image);
  const rows = ready.height / patch;
  const columns = ready.width / patch;
  const length = 3 * frames * patch * patch;
  const data = new Float32Array(rows * columns * length);
  let at = 0;
  for (let block = 0; block < (rows * columns) / merge ** 2; block += 1) {
    for (let inner = 0; inner < merge ** 2; inner += 1) {
      const row = Math.floor(block / (columns / merge)) * merge + Math.floor(inner / merge);
      const column = (block % (columns / merge)) * merge + (inner % merge);
      for (let channel = 0; channel < 3; channel += 1) {
        for (let frame = 0; frame < frames; frame += 1) {
          for (let y = row * patch; y < (row + 1) * patch; y += 1, at += patch) {
            const from = (channel * ready.height + y) * ready.width + column * patch;
            data.set(pixels.subarray(from, from + patch), at);
          }
        }
      }
    }
  }
  const tokens = (rows * columns) / merge ** 2;
  return {
    feeds: {
      [input]: new Tensor(data, [rows * columns, length]),
      ...(grid === undefined
        ? {}
        : { [grid]: new Tensor('int64', BigInt64Array.of(1n, BigInt(rows), BigInt(columns)), [1, 3]) }),
    },
    tokens,
    tokensPerView: tokens,
    views: 1,
    grid: { rows: rows / merge, columns: columns / merge },
    text: ({ picture: mark }) => mark,
  };
}

function smartResize({ width, height }: Size, unit: number, least: number, most: number): Size {
  const each = (side: (pixels: number) => number): Size => ({ width: side(width), height: side(height) });
  const rounded = each((pixels) => nearest(pixels / unit) * unit);
  const beta = Math.sqrt((width * height) / (rounded.width * rounded.height > most ? most : least));
  if (rounded.width * rounded.height > most) return each((pixels) => Math.floor(pixels / beta / unit) * unit);
  if (rounded.width * rounded.height < least) return each((pixels) => Math.ceil(pixels / beta / unit) * unit);
  return rounded;
}

/** As Python rounds: halves to the even number. */
function nearest(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** MiniCPM: the whole picture, and slices of it where it is large; the patches of a view lie side by side. */
async function slices(
  picture: Pixels,
  input: string,
  feed: Extract<Feed, { form: 'slices' }>,
  image: Geometry,
): Promise<Prepared> {
  const { patch } = feed;
  const cut = feed.known ?? cutting(picture, feed);
  const views = [await resize(picture, cut.source)];
  const { rows, columns } = cut.slices?.grid ?? { rows: 0, columns: 0 };
  if (cut.slices !== undefined) views.push(...(await pieces(picture, cut.slices.grid, cut.slices.size)));
  const longest = Math.max(...views.map(({ width, height }) => (width * height) / patch));
  const data = new Float32Array(views.length * 3 * patch * longest);
  for (const [index, view] of views.entries()) {
    const pixels = planes(view, image);
    for (let line = 0; line < 3 * view.height; line += 1) {
      const channel = Math.floor(line / view.height);
      const y = line % view.height;
      const to = ((index * 3 + channel) * patch + (y % patch)) * longest + Math.floor(y / patch) * view.width;
      data.set(pixels.subarray(line * view.width, (line + 1) * view.width), to);
    }
  }
  const sizes = views.flatMap(({ width, height }) => [BigInt(height / patch), BigInt(width / patch)]);
  const { tokensPerView } = image;
  return {
    feeds: {
      [input]: new Tensor(data, [views.length, 3, patch, longest]),
      ...(feed.sizes === undefined
        ? {}
        : { [feed.sizes]: new Tensor('int64', BigInt64Array.from(sizes), [views.length, 2]) }),
    },
    tokens: views.length * tokensPerView,
    tokensPerView,
    views: views.length,
    grid: { rows: 0, columns: 0 },
    text: (form) => viewText(form, tokensPerView, rows, columns),
  };
}

/** The picture, resized once and cut, row by row. */
async function pieces(picture: Pixels, { rows, columns }: Grid, size: Size): Promise<readonly Pixels[]> {
  const { width, height } = size;
  const whole = await resize(picture, { width: width * columns, height: height * rows });
  const cut: Pixels[] = [];
  for (let i = 0; i < rows * columns; i += 1) {
    cut.push(await crop(whole, (i % columns) * width, Math.floor(i / columns) * height, size));
  }
  return cut;
}

/** NVILA: square tiles at several scales, the last of which has about the picture's shape. */
async function tiles(
  picture: Pixels,
  input: string,
  feed: Extract<Feed, { form: 'tiles' }>,
  image: Geometry,
  alone: boolean,
): Promise<Prepared> {
  const { squares, joined: isJoined, tokens } = feed;
  const one: Grid = { rows: 1, columns: 1 };
  const own = alone ? nearestGrid(picture, feed) : one;
  const grids = feed.known ?? [...squares.map((side) => (alone ? { rows: side, columns: side } : one)), own];
  const side = { width: feed.side, height: feed.side };
  const views: Pixels[] = [];
  for (const grid of grids) views.push(...(await pieces(picture, grid, side)));
  if (!isJoined && views.length > 1) views.push(await resize(picture, side));
  const pixels = views.map((view) => planes(view, image));
  const data = new Float32Array(pixels.reduce((sum, { length }) => sum + length, 0));
  for (const [index, view] of pixels.entries()) data.set(view, index * view.length);
  const sizes = grids.flatMap(({ rows, columns }) => [BigInt(rows), BigInt(columns)]);
  const shown = grids[feed.output] ?? one;
  const tokensPerView = isJoined ? shown.rows * shown.columns * tokens ** 2 : tokens ** 2;
  const count = isJoined ? 1 : views.length;
  const { rows, columns } = count > 1 ? own : { rows: 0, columns: 0 };
  return {
    feeds: {
      [input]: new Tensor(data, [views.length, 3, feed.side, feed.side]),
      ...(feed.grids === undefined
        ? {}
        : { [feed.grids]: new Tensor('int64', BigInt64Array.from(sizes), [grids.length, 2]) }),
    },
    tokens: count * tokensPerView,
    tokensPerView,
    views: count,
    grid: { rows: 0, columns: 0 },
    text: (form) =>
      alone || feed.known !== undefined ? viewText(form, tokensPerView, rows, columns) : form.picture,
  };
}

/** Of so many tiles, the shape whose sides are nearest to the picture's in proportion. */
function nearestGrid({ width, height }: Size, { side, least, most }: Extract<Feed, { form: 'tiles' }>): Grid {
  let best: Grid = { rows: 1, columns: 1 };
  let smallest = Number.POSITIVE_INFINITY;
  for (let count = least; count <= most; count += 1) {
    for (let columns = 1; columns <= count; columns += 1) {
      if (count % columns !== 0) continue;
      const error = Math.abs(width / height - columns / (count / columns));
      const fills = width * height > 0.5 * side * side * count;
      if (error > smallest || (error === smallest && !fills)) continue;
      best = { rows: count / columns, columns };
      smallest = error;
    }
  }
  return best;
}

/** Inputs of several pictures as those of one call: shorter views with zeros behind them. */
export function joined(feeds: readonly Record<string, Tensor>[]): Record<string, Tensor> {
  const [first = {}] = feeds;
  return Object.fromEntries(
    Object.keys(first).map((name) => {
      const parts = feeds.flatMap((each) => each[name] ?? []);
      const widths = parts.map(({ dims }) => dims.at(-1) ?? 0);
      const longest = Math.max(...widths);
      const views = parts.reduce((sum, { dims }) => sum + (dims[0] ?? 0), 0);
      const dims = [views, ...(first[name]?.dims.slice(1, -1) ?? []), longest];
      const size = dims.reduce((product, dim) => product * dim, 1);
      const data = first[name]?.type === 'int64' ? new BigInt64Array(size) : new Float32Array(size);
      let at = 0;
      for (const [index, part] of parts.entries()) {
        const width = widths[index] ?? 0;
        for (let from = 0; from < part.size; from += width, at += longest) {
          data.set(part.data.slice(from, from + width) as never, at);
        }
      }
      return [name, new Tensor(first[name]?.type ?? 'float32', data, dims)];
    }),
  );
}

function viewText({ picture, views }: PromptForm, tokens: number, rows: number, columns: number): string {
  if (views === undefined) return picture;
  const view = views.view.replace('{features}', views.feature.repeat(tokens));
  const lines = Array.from({ length: rows }, () => view.repeat(columns)).join(views.rowBreak);
  return rows === 0 ? view : view + views.slices.replace('{rows}', lines);
}

function cutting(picture: Size, { patch, scale, maxSlices }: Extract<Feed, { form: 'slices' }>): Cut {
  const near = (length: number, unit: number): number => Math.max(nearest(length / unit) * unit, unit);
  const best = ({ width, height }: Size): Size => {
    const scaled = Math.trunc(scale / Math.sqrt(width / height));
    return { width: near(Math.trunc(scaled * (width / height)), patch), height: near(scaled, patch) };
  };
  const { width, height } = picture;
  const source = best(picture);
  const multiple = Math.min(Math.ceil((width * height) / scale ** 2), maxSlices);
  if (multiple <= 1) return { source };
  const shapes = [multiple - 1, multiple, multiple + 1]
    .filter((count) => count !== 1 && count <= maxSlices)
    .flatMap((count) =>
      Array.from({ length: count }, (_, i) => i + 1)
        .filter((columns) => count % columns === 0)
        .map((columns) => ({ rows: count / columns, columns })),
    );
  const error = ({ rows, columns }: { rows: number; columns: number }): number =>
    Math.abs(Math.log(width / height) - Math.log(columns / rows));
  const grid = shapes.reduce((found, shape) => (error(shape) < error(found) ? shape : found));
  const whole = { width: near(width, grid.columns), height: near(height, grid.rows) };
  return {
    source,
    slices: { grid, size: best({ width: whole.width / grid.columns, height: whole.height / grid.rows }) },
  };
}
