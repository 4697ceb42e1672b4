/**
 * Reports with every optional part filled: of a conversion that went well, and of one with a fault in one block of
 * the tower that shows at one token of one tile. All numbers are made up, from a seed.
 */
import { createHash } from 'node:crypto';
import { type GateVerdict, judge, type Level } from '../../../src/parity/gates.ts';
import { drawPicture } from '../../../src/parity/inputs/picture.ts';
import { Random } from '../../../src/parity/inputs/random.ts';
import type { Metrics, TokenMap } from '../../../src/parity/metrics.ts';
import type { Feed, OutputKind } from '../../../src/parity/outputs.ts';
import type { Finding } from '../../../src/parity/report/finding.ts';
import type {
  BlockMetrics,
  ErrorCurve,
  LevelReport,
  ParityReport,
} from '../../../src/parity/report/report.ts';

const tile = 448;
const grid = { rows: 2, columns: 3, tile };
const input = { width: grid.columns * tile, height: grid.rows * tile };
const side = 16;

/** Which component gives what. */
const components: Readonly<Record<OutputKind, string>> = {
  features: 'vision',
  choices: 'vision',
  embeds: 'embed',
  logits: 'decoder',
  cache: 'decoder',
  hidden: 'decoder',
  'code-logits': 'gen_head',
  'guided-logits': 'gen_head',
  'code-embeds': 'gen_embed',
  pixels: 'image_decoder',
};

/** Where the fault is planted. */
export const fault = { component: 'vision', block: 11, map: 2, row: 5, column: 9 } as const;
export const faultToken = fault.row * side + fault.column;

/** A name that breaks out of anything that does not escape it. */
export const hostileName = `x</script><script>document.title="broken"</script>"'&|<!--\u0007]]>`;

const typical: Readonly<Record<Level, number>> = {
  device: 3e-6,
  rewrite: 2e-6,
  implementation: 4e-6,
  fidelity: 0.06,
};

export function fullReport({ broken = false, name = 'Monkey' } = {}): ParityReport {
  const random = new Random(7);
  /** About `size`, by a factor of two either way. */
  const near = (size: number): number => size * 2 ** (2 * random.unit() - 1);

  const tokenMaps = (level: Level): TokenMap[] =>
    Array.from({ length: grid.rows * grid.columns + 1 }, (_, map) => ({
      view:
        map === grid.rows * grid.columns
          ? 'global view'
          : `tile row ${Math.floor(map / grid.columns)} column ${map % grid.columns}`,
      rows: side,
      columns: side,
      errors: Array.from({ length: side * side }, (_, token) =>
        broken && level !== 'rewrite' && map === fault.map && token === faultToken
          ? 0.8
          : near(typical[level]),
      ),
    }));

  const metricsOf = (level: Level, output: OutputKind): Metrics => {
    const hit = broken && level !== 'rewrite' && output !== 'embeds';
    const relative = near(typical[level]) * (hit ? (level === 'fidelity' ? 2 : 9000) : 1);
    const maxStd = output === 'embeds' && level !== 'fidelity' ? 0 : relative * 4;
    return {
      elements: 4_587_520,
      rows: output === 'features' ? 1792 : 1844,
      std: 1.7,
      maxAbs: {
        value: maxStd * 1.7,
        where:
          output === 'features'
            ? `tile row 0 column 2, token ${faultToken}, channel 71`
            : 'prompt 1, position 44 (image), channel 9',
      },
      meanAbs: relative * 0.9,
      maxStd,
      meanStd: relative * 0.6,
      relative: output === 'embeds' && level !== 'fidelity' ? 0 : relative,
      cosine: 1 - relative ** 2 / 2,
      worstCosine: { value: 1 - 4 * relative ** 2, where: 'tile row 0 column 2, token 89' },
      nonFinite: { count: 0 },
      quantiles: { p50: relative * 0.4, p90: relative, p99: relative * 1.6, p999: relative * 2.5 },
      tolerances: [
        { atol: 1e-5, rtol: Number.POSITIVE_INFINITY },
        { atol: 1e-3, rtol: relative * 3 },
      ],
      ...(output === 'logits'
        ? {
            logits: {
              kl: relative ** 2,
              klMax: { value: 7 * relative ** 2, where: 'prompt 1, decode step 3' },
              top1: hit ? 0.61 : 0.993,
              top1Interval: hit ? { low: 0.587, high: 0.632 } : { low: 0.988, high: 0.996 },
              top5: hit ? 0.8 : 1,
              top5Interval: hit ? { low: 0.781, high: 0.818 } : { low: 0.998, high: 1 },
              agreed5: hit ? 1475 : 1844,
              perplexity: { reference: 7.21, output: 7.21 * (1 + relative), change: relative, n: 1820 },
              agreed: hit ? 1125 : 1831,
              n: 1844,
            },
            differences: histogram(relative),
          }
        : {}),
      ...(output === 'features' ? { tokens: tokenMaps(level) } : {}),
    };
  };

  const histogram = (spread: number): NonNullable<Metrics['differences']> => {
    const bins = 48;
    const reach = 6 * spread;
    const edges = Array.from({ length: bins + 1 }, (_, edge) => -reach + (2 * reach * edge) / bins);
    const counts = Array.from({ length: bins }, (_, bin) => {
      const at = (bin + 0.5 - bins / 2) / (bins / 12);
      return Math.round(near(2e5 * Math.exp(-(at ** 2) / 2)));
    });
    return { edges, counts };
  };

  const level = (id: Level, outputs: readonly (readonly [OutputKind, Feed])[]): LevelReport => ({
    level: id,
    outputs: outputs.map(([output, feed]) => ({
      output,
      name: output,
      component: components[output],
      feed,
      metrics: metricsOf(id, output),
    })),
    greedy:
      id === 'fidelity'
        ? [
            { prompt: 0, agreed: broken ? 1 : 9, of: 9 },
            { prompt: 1, agreed: broken ? 0 : 7, of: 9 },
            { prompt: 2, agreed: 9, of: 9 },
          ]
        : [],
    ...(id === 'rewrite' ? {} : { cacheLayers: 32 }),
  });

  const curve = (component: string, blocks: number, module: string): ErrorCurve => {
    let sum = 0;
    const metricsWith = (relative: number, block: number): BlockMetrics => ({
      relative,
      cosine: 1 - relative ** 2 / 2,
      max: relative * 5,
      worst: component === 'vision' ? `tile row 0 column ${block % 3}, token ${block}` : `position ${block}`,
      nonFinite: 0,
    });
    return {
      component,
      blocks: Array.from({ length: blocks }, (_, block) => {
        const faulty = broken && component === fault.component && block === fault.block;
        const local = faulty ? 0.031 : near(0.008) * (1 + block / blocks);
        sum = Math.hypot(sum * 0.99, local);
        return {
          name: block === blocks - 1 ? `${module}.final` : `${module}.${block}`,
          value: `${component}/block_${block}`,
          nodes: 42,
          weightBytes: 25_000_000 + 1000 * block,
          local: metricsWith(local, block),
          accumulated: metricsWith(sum, block),
          // Rounding weights hides most of the fault; beside the same rounded weights it stands alone.
          implementation: metricsWith(faulty ? 0.03 : near(1e-7), block),
          ...(component === 'vision' ? { rewrite: metricsWith(near(5e-8), block) } : {}),
        };
      }),
    };
  };

  const all = ['features', 'embeds', 'logits', 'cache'] as const;
  const levels = [
    level('rewrite', [['features', 'local']]),
    level(
      'implementation',
      all.map((output) => [output, 'local'] as const),
    ),
    level('fidelity', [
      ...all.map((output) => [output, 'local'] as const),
      ['logits', 'chain'],
      ['cache', 'chain'],
    ]),
  ];
  const precision = { vision: 'int4', embed: 'int4', decoder: 'int4' } as const;
  const gates: GateVerdict[] = levels.flatMap((one) => judge(one.level, one.outputs, precision, []));
  const rgb = drawPicture(input.width, input.height, 1).rgb;
  const finding: Finding = {
    level: 'implementation',
    component: fault.component,
    block: { index: fault.block, name: `transformer.resblocks.${fault.block}` },
    otherBlocks: 0,
    kind: 'zero points',
    places: ['tile row 0 column 2'],
    node: {
      name: 'block.11/MatMulNBits_2',
      operator: 'com.microsoft::MatMulNBits',
      value: 'block.11/Concat_out',
    },
    tensors: [
      { name: `${name}.resblocks.11.attn.in_proj.weight@view2`, what: '96 of 96, first at row 0, block 0' },
    ],
  };
  return {
    version: 1,
    passed: gates.every((gate) => gate.passed),
    tool: { name: 'vlm-convert', version: '0.1.0' },
    model: { name, architecture: 'monkey', structureSha256: 'f1b3' },
    options: { resolution: { width: 1544, height: 896 }, precision: 'int4' },
    precision,
    passes: [
      {
        component: 'vision',
        name: 'merge-lora',
        options: {},
        changed: true,
        stats: { modules: 192, branchesLeft: 3 },
        notes: [
          '3 adapter branches stay as they are: no linear layer with the same input stands beside them',
        ],
      },
      {
        component: 'vision',
        name: 'fuse-attention',
        options: {},
        changed: true,
        stats: { attention: 48 },
        notes: [],
      },
      {
        component: 'decoder',
        name: 'int4',
        options: { block: 32 },
        changed: true,
        stats: { matmul: 160 },
        notes: [],
      },
      {
        component: 'decoder',
        name: 'dead-code',
        options: {},
        changed: false,
        stats: { nodes: 0 },
        notes: [],
      },
    ],
    coverage: [
      coverage('vision', 'MatMul', 'int4 block 32 asymmetric', 768, 15_400_000_000, 2_400_000_000),
      coverage('vision', 'Conv', 'float32', 1, 4_000_000, 4_000_000, 'Conv has no quantized form'),
      coverage('embed', 'Gather', 'int4 block 32 asymmetric', 1, 2_480_000_000, 388_000_000),
      coverage('decoder', 'MatMul', 'int4 block 32 asymmetric', 161, 29_000_000_000, 4_530_000_000),
      coverage('decoder', 'Mul', 'float32', 65, 1_064_960, 1_064_960, 'Mul has no quantized form'),
    ],
    warnings: [
      {
        code: 'VC4301',
        severity: 'warning',
        message: 'a tile runs adapter weights that were not trained for its position',
        where: 'tile 2 (row 0, column 2)',
        found: 'adapter 2, trained at row 1, column 0',
        expected: 'an adapter trained at that row and column',
        hint: 'train adapters for this grid',
      },
    ],
    runtime: {
      name: 'onnxruntime-node',
      version: '1.30.0',
      device: 'webgpu',
      providers: ['webgpu'],
      notes: ['Execution providers asked for: webgpu'],
    },
    image: {
      requested: { width: 1544, height: 896 },
      input,
      grid,
      tokens: 1792,
      summary: '1544x896 → 3x2 tiles of 448 at 1344x896 (fit)',
      views: [
        ...Array.from({ length: 6 }, (_, index) => ({
          kind: 'tile' as const,
          row: Math.floor(index / 3),
          column: index % 3,
          adapter: Math.min(index, 3),
          trained: index < 2,
        })),
        { kind: 'global', adapter: null },
      ],
    },
    sample: {
      seed: 1,
      source: 'drawn',
      picture: { ...input, sha256: createHash('sha256').update(rgb).digest('hex') },
      prompts: [
        { tokens: 1806, imageTokens: 1792 },
        { tokens: 1828, imageTokens: 1792 },
        { tokens: 24, imageTokens: 0 },
      ],
      decodeSteps: 8,
    },
    findings: broken ? [finding] : [],
    gates,
    levels,
    curves: [
      curve('vision', 24, 'transformer.visual.transformer.resblocks'),
      curve('decoder', 32, 'transformer.h'),
    ],
    placement: [
      {
        component: 'vision',
        build: 'reference',
        device: 'cpu',
        proven: true,
        providers: [{ provider: 'CPUExecutionProvider', nodes: 1204, operators: { MatMul: 612, Add: 592 } }],
        fellBack: [],
      },
      {
        component: 'vision',
        build: 'converted',
        device: 'webgpu',
        proven: true,
        providers: [
          {
            provider: 'WebGpuExecutionProvider',
            nodes: 610,
            operators: { MatMulNBits: 480, MultiHeadAttention: 48, Add: 82 },
          },
          { provider: 'CPUExecutionProvider', nodes: 2, operators: { Gather: 1, Range: 1 } },
        ],
        fellBack: [
          { node: '/positions/Gather', operator: 'Gather' },
          { node: '/positions/Range', operator: 'Range' },
        ],
      },
      {
        component: 'decoder',
        build: 'converted',
        device: 'webgpu',
        proven: false,
        providers: [],
        fellBack: [],
      },
    ],
    timing: { check: 1 },
  };
}

function coverage(
  component: string,
  use: string,
  format: string,
  weights: number,
  bytesBefore: number,
  bytesAfter: number,
  reason?: string,
): ParityReport['coverage'][number] {
  return {
    component,
    use,
    format,
    weights,
    bytesBefore,
    bytesAfter,
    ...(reason === undefined ? {} : { reason }),
  };
}
