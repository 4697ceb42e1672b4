/**
 * Draws a picture that looks like a document to a vision tower: a shaded page, headings, lines of glyph-like
 * strokes, boxes, a bar chart and a photo-like patch. Fine strokes, flat areas and smooth gradients together
 * reach every scale that a tower looks at; noise alone would not.
 *
 * Layout: 8-bit RGB, [height, width, 3]. Everything follows from the size and the seed.
 */
import { Random } from './random.ts';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3]. */
  readonly rgb: Uint8Array;
}

type Colour = readonly [number, number, number];

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Panels are about this many pixels wide and high: several to a 448 tile. */
const panelSize = 224;

export function drawPicture(width: number, height: number, seed: number): Picture {
  const random = new Random(seed);
  const picture: Picture = { width, height, rgb: new Uint8Array(width * height * 3) };
  drawPage(picture);
  const columns = Math.max(1, Math.round(width / panelSize));
  const rows = Math.max(1, Math.round(height / panelSize));
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const panel = panels[(row * columns + column + random.int(0, 2)) % panels.length] ?? drawText;
      const x = Math.floor((column * width) / columns);
      const y = Math.floor((row * height) / rows);
      panel(
        picture,
        {
          x: x + 4,
          y: y + 4,
          width: Math.floor(((column + 1) * width) / columns) - x - 8,
          height: Math.floor(((row + 1) * height) / rows) - y - 8,
        },
        random,
      );
    }
  }
  return picture;
}

/** `pixel_values` of a picture: float32 [1, 3, height, width]. */
export function normalise(picture: Picture, mean: readonly number[], std: readonly number[]): Float32Array {
  const { width, height, rgb } = picture;
  const plane = width * height;
  const out = new Float32Array(3 * plane);
  for (const [channel, table] of levelTables(mean, std).entries()) {
    for (let i = 0; i < plane; i += 1) out[channel * plane + i] = table[rgb[i * 3 + channel] ?? 0] ?? 0;
  }
  return out;
}

/** What each of the 256 levels becomes in each channel: (fp32(u8) / 255 - mean) / std, every step rounded to float32. */
export function levelTables(mean: readonly number[], std: readonly number[]): readonly Float32Array[] {
  return [0, 1, 2].map((channel) => {
    const m = Math.fround(mean[channel] ?? 0);
    const s = Math.fround(std[channel] ?? 1);
    return Float32Array.from({ length: 256 }, (_, level) =>
      Math.fround(Math.fround(Math.fround(level / 255) - m) / s),
    );
  });
}

function drawPage(picture: Picture): void {
  const { width, height, rgb } = picture;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const shade = Math.round((24 * x) / width + (20 * y) / height);
      const at = (y * width + x) * 3;
      rgb[at] = 252 - shade;
      rgb[at + 1] = 250 - shade;
      rgb[at + 2] = 255 - 2 * shade;
    }
  }
}

type Panel = (picture: Picture, box: Box, random: Random) => void;

/** Lines of words of glyphs, each glyph a few strokes in a cell; the first line larger, as a heading. */
const drawText: Panel = (picture, box, random) => {
  let y = box.y;
  let size = random.int(14, 20);
  const ink: Colour = [random.int(0, 60), random.int(0, 60), random.int(0, 90)];
  while (y + size < box.y + box.height) {
    const end = box.x + Math.floor(box.width * (0.6 + 0.4 * random.unit()));
    let x = box.x;
    while (x + size < end) {
      for (let glyph = random.int(2, 8); glyph > 0 && x + size < end; glyph -= 1) {
        drawGlyph(picture, { x, y, width: Math.ceil(size * 0.55), height: size }, ink, random);
        x += Math.ceil(size * 0.75);
      }
      x += Math.ceil(size * 0.5);
    }
    y += Math.ceil(size * 1.5);
    size = Math.max(7, size - random.int(2, 6));
  }
};

function drawGlyph(picture: Picture, cell: Box, ink: Colour, random: Random): void {
  const thick = Math.max(1, Math.round(cell.height / 9));
  const right = cell.x + cell.width - thick;
  const bottom = cell.y + cell.height - thick;
  for (let stroke = random.int(2, 5); stroke > 0; stroke -= 1) {
    const x = random.int(cell.x, right + 1);
    const y = random.int(cell.y, bottom + 1);
    switch (random.int(0, 4)) {
      case 0:
        fill(picture, { x: cell.x, y, width: cell.width, height: thick }, ink);
        break;
      case 1:
        fill(picture, { x, y: cell.y, width: thick, height: cell.height }, ink);
        break;
      default:
        for (let step = 0; step < cell.height; step += 1) {
          const dx = Math.round((step * (right - cell.x)) / cell.height);
          fill(picture, { x: cell.x + dx, y: cell.y + step, width: thick, height: 1 }, ink);
        }
    }
  }
}

/** A table: frame, header and grid lines, a few words in each cell. */
const drawTable: Panel = (picture, box, random) => {
  const columns = random.int(2, 5);
  const rows = random.int(3, 7);
  const line: Colour = [70, 70, 80];
  fill(picture, { ...box, height: Math.floor(box.height / rows) }, [
    random.int(150, 230),
    random.int(170, 240),
    random.int(190, 250),
  ]);
  for (let column = 0; column <= columns; column += 1) {
    const x = box.x + Math.floor((column * (box.width - 1)) / columns);
    fill(picture, { x, y: box.y, width: 1, height: box.height }, line);
  }
  for (let row = 0; row <= rows; row += 1) {
    const y = box.y + Math.floor((row * (box.height - 1)) / rows);
    fill(picture, { x: box.x, y, width: box.width, height: 1 }, line);
  }
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const width = Math.floor(box.width / columns) - 6;
      const height = Math.floor(box.height / rows) - 6;
      const x = box.x + 3 + Math.floor((column * box.width) / columns);
      const y = box.y + 3 + Math.floor((row * box.height) / rows);
      for (let at = 0; at + 8 < width && height > 8; at += 8) {
        drawGlyph(picture, { x: x + at, y, width: 6, height: Math.min(10, height) }, [20, 20, 30], random);
      }
    }
  }
};

/** Axes and bars of different colours. */
const drawChart: Panel = (picture, box, random) => {
  const bars = random.int(4, 9);
  const slot = Math.max(2, Math.floor(box.width / bars));
  for (let bar = 0; bar < bars; bar += 1) {
    const height = Math.floor(box.height * (0.1 + 0.85 * random.unit()));
    fill(
      picture,
      {
        x: box.x + bar * slot + 2,
        y: box.y + box.height - height,
        width: Math.max(1, slot - 4),
        height,
      },
      [random.int(30, 240), random.int(30, 240), random.int(30, 240)],
    );
  }
  fill(picture, { x: box.x, y: box.y, width: 2, height: box.height }, [0, 0, 0]);
  fill(picture, { x: box.x, y: box.y + box.height - 2, width: box.width, height: 2 }, [0, 0, 0]);
};

/** A photo-like patch: gradients, soft discs and a little grain. */
const drawPhoto: Panel = (picture, box, random) => {
  const discs = Array.from({ length: 3 }, () => ({
    x: random.int(0, Math.max(1, box.width)),
    y: random.int(0, Math.max(1, box.height)),
    radius: 0.1 + 0.3 * random.unit(),
    tint: [random.int(-90, 90), random.int(-90, 90), random.int(-90, 90)] as const,
  }));
  for (let y = 0; y < box.height; y += 1) {
    for (let x = 0; x < box.width; x += 1) {
      const grain = random.int(-6, 7);
      let red = 60 + (150 * x) / box.width + grain;
      let green = 120 + (60 * y) / box.height + grain;
      let blue = 200 - (120 * (x + y)) / (box.width + box.height) + grain;
      for (const disc of discs) {
        const reach = disc.radius * box.width;
        const near = 1 - ((x - disc.x) ** 2 + (y - disc.y) ** 2) / (reach * reach);
        if (near <= 0) continue;
        red += disc.tint[0] * near;
        green += disc.tint[1] * near;
        blue += disc.tint[2] * near;
      }
      fill(picture, { x: box.x + x, y: box.y + y, width: 1, height: 1 }, [red, green, blue]);
    }
  }
};

const panels: readonly Panel[] = [drawText, drawChart, drawText, drawTable, drawPhoto];

/** Fills a box, clipped to the picture; colours are clamped to 0..255 and rounded. */
function fill(picture: Picture, box: Box, colour: Colour): void {
  const { width, height, rgb } = picture;
  const right = Math.min(width, box.x + box.width);
  const bottom = Math.min(height, box.y + box.height);
  const levels = colour.map((level) => Math.min(255, Math.max(0, Math.round(level))));
  for (let y = Math.max(0, box.y); y < bottom; y += 1) {
    for (let x = Math.max(0, box.x); x < right; x += 1) rgb.set(levels, (y * width + x) * 3);
  }
}
