/** What a sweep over three sizes might find: a tower with room, with little, and without, and a decoder in float32. */
import type {
  ComponentRanges,
  RangeReport,
  RangesAtSize,
  ValueRange,
} from '../../../src/parity/report/range-report.ts';

const blockNames = ['embed', ...Array.from({ length: 12 }, (_, index) => `block.${index}`), 'pool'];

function value(node: string, block: string, max: number, where: string): ValueRange {
  return { value: `${node}_out`, node, operator: 'MatMul', block, max, headroom: 65504 / max, where };
}

/** Largest at block 7. */
function tower(most: number): ComponentRanges {
  const blocks = blockNames.map((name, index) => {
    const max = most / 2 ** Math.abs(index - 8);
    return { name, max, headroom: 65504 / max };
  });
  const nearest = [
    value('block.7/MatMul_7', 'block.7', most, 'tile row 0 column 2, token 89, channel 3'),
    value('block.6/MatMul_7', 'block.6', most / 2, 'global view, token 1, channel 3'),
  ];
  const inside = [
    value('block.7/MatMul_3', 'block.7', 120, 'tile row 0 column 0, head 1, token 5, channel 9'),
  ];
  const lost = {
    value: 'block.7/MatMul_7_out',
    node: 'block.7/MatMul_7',
    operator: 'MatMul',
    block: 'block.7',
    count: 3,
    elements: 1024,
    where: 'tile row 0 column 2, token 89, channel 3',
  };
  return {
    component: 'vision',
    float16: true,
    values: 50,
    nearest,
    inside,
    blocks,
    ...(most > 65504 ? { nonFinite: lost } : {}),
  };
}

function decoder(most: number): ComponentRanges {
  const nearest = [value('layer.0/Mul_13', 'layer.0', most, 'prompt 1, position 4 (image), channel 11')];
  return {
    component: 'decoder',
    float16: false,
    values: 80,
    nearest,
    inside: [],
    blocks: [{ name: 'layer.0', max: most, headroom: 65504 / most }],
  };
}

function atSize(width: number, height: number, most: number): RangesAtSize {
  const size = `${width}x${height}`;
  return {
    size,
    input: { width, height },
    summary: `${size} → tiles`,
    views: 1 + (width * height) / 448 ** 2,
    tokens: 256,
    promptTokens: 291,
    components: [tower(most), decoder(40)],
  };
}

/** The largest activation of the tower at each of three sizes. */
export function rangeReport(most: readonly [number, number, number]): RangeReport {
  const [first, second, third] = most;
  return {
    limit: 65504,
    sizes: [atSize(448, 448, first), atSize(896, 896, second), atSize(1344, 896, third)],
  };
}
