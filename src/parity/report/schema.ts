/**
 * `parity-report.json` as a zod schema, and the JSON Schema that is exported from it. Its type is that of
 * `ParityReport` (test/parity/report/schema.test.ts holds the two equal): a field added there is added here.
 * Unknown keys are let through, as later tools of the same report version may write more.
 */
import { z } from 'zod';
import { type ComponentKind, componentKinds, modalities } from '../../architectures/vocabulary.ts';
import type { Code } from '../../report/diagnostics.ts';
import { devices } from '../../runtime/devices.ts';
import { gateMetrics, levels, type MetricName, precisions } from '../gates.ts';
import { outputKinds } from '../outputs.ts';
import { findingKinds } from './finding.ts';
import { reportVersion } from './report.ts';

/** What is measured; null in the file where it is not a finite number. */
const measure = z.number().nullable();
const count = z.int().min(0);
/** Numbers by name. */
const amounts = z.record(z.string(), z.number());
const json = z.json();
const size = z.object({ width: count, height: count });

const level = z.enum(levels as readonly [(typeof levels)[number], ...(typeof levels)[number][]]);
const precision = z.enum(
  precisions as readonly [(typeof precisions)[number], ...(typeof precisions)[number][]],
);
const feed = z.enum(['local', 'chain']);
const output = z.enum(outputKinds);
const device = z.enum(devices);
const metric = z.enum(Object.keys(gateMetrics) as [MetricName, ...MetricName[]]);
const code = z.string().regex(/^VC\d{4}$/) as unknown as z.ZodType<Code>;

const worst = z
  .object({ value: measure, where: z.string() })
  .describe('the largest of its kind, and its place; an empty place when nothing differs');

const interval = z.object({ low: measure, high: measure }).describe('a confidence interval of 95 %');

const logits = z.object({
  kl: measure.describe('mean over rows of KL(softmax reference || softmax output), nats'),
  klMax: worst,
  top1: measure.describe('share of rows with the same arg max'),
  top1Interval: interval.optional(),
  agreed: count,
  top5: measure.describe("share of rows where the reference's arg max is among the five largest").optional(),
  top5Interval: interval.optional(),
  agreed5: count.optional(),
  perplexity: z
    .object({ reference: measure, output: measure, change: measure, n: count })
    .describe('teacher forced; change is output / reference - 1')
    .optional(),
  n: count,
});

const metrics = z.object({
  elements: count,
  rows: count,
  std: measure.describe('standard deviation of the reference'),
  maxAbs: worst,
  meanAbs: measure,
  maxStd: measure.describe('max |error| / std'),
  meanStd: measure.describe('mean |error| / std'),
  relative: measure.describe('‖error‖ / ‖reference‖'),
  cosine: measure,
  worstCosine: worst,
  nonFinite: z.object({ count, first: z.string().optional() }),
  quantiles: z.object({ p50: measure, p90: measure, p99: measure, p999: measure }).optional(),
  tolerances: z.array(z.object({ atol: z.number(), rtol: measure })).optional(),
  logits: logits.optional(),
  tokens: z
    .array(
      z.object({
        view: z.string(),
        rows: count,
        columns: count,
        errors: z.array(measure),
        seconds: z.number().optional().describe('of a sound, whose tokens are one row in time: in each'),
      }),
    )
    .describe('‖error‖ / ‖reference‖ of each token of a picture or sound, a map per view, row-major')
    .optional(),
  picture: z
    .object({
      psnr: measure.describe('in decibels, of 255, after clipping'),
      worstBlock: worst,
      blocks: z.array(z.object({ rows: count, columns: count, errors: z.array(measure) })),
      shown: z
        .object({
          width: count,
          height: count,
          reference: z.string(),
          output: z.string(),
          difference: z.string(),
          largest: measure.describe('difference of a pixel, in bytes: white'),
        })
        .describe('the first picture, where it differs, as small PNG files in base64')
        .optional(),
    })
    .describe('of drawn pictures; blocks: root of the mean squared error of 16 x 16 pixels, row-major')
    .optional(),
  choices: z
    .object({
      agreement: measure.describe('share of what the reference chose that the output chose, too'),
      inPlace: measure.describe('share of places that hold the same'),
      n: count,
    })
    .describe('of places that were chosen, such as tokens that are kept; other numbers: of ones among zeros')
    .optional(),
  differences: z
    .object({ edges: z.array(z.number()), counts: z.array(count) })
    .describe('of (output - reference) / std; the outer bins hold what lies beyond')
    .optional(),
});

const blockMetrics = z.object({
  relative: measure,
  cosine: measure,
  max: measure,
  worst: z.string(),
  nonFinite: count,
});

const curve = z.object({
  component: z.string(),
  blocks: z.array(
    z.object({
      name: z.string(),
      value: z.string(),
      nodes: count,
      weightBytes: count,
      local: blockMetrics.describe("fed with the reference's activations"),
      accumulated: blockMetrics.describe('fed by its own predecessors'),
      rewrite: blockMetrics.optional().describe('as local, of the level rewrite'),
      implementation: blockMetrics.optional().describe('as local, of the level implementation'),
    }),
  ),
});

const placement = z.object({
  component: z.string(),
  build: z.enum(['reference', 'converted']),
  device,
  proven: z.boolean().describe('false where the runtime gave no record'),
  providers: z.array(
    z.object({ provider: z.string(), nodes: count, operators: z.record(z.string(), count) }),
  ),
  fellBack: z.array(z.object({ node: z.string(), operator: z.string() })),
});

const range = z.object({
  value: z.string(),
  node: z.string(),
  operator: z.string(),
  block: z.string(),
  max: measure.describe('largest |x|'),
  headroom: measure.describe('65504 / max'),
  where: z.string(),
});

const ranges = z.object({
  limit: z.number().describe('the largest finite float16'),
  sizes: z.array(
    z.object({
      size: z.string().describe('as asked for'),
      input: size,
      summary: z.string(),
      views: count,
      tokens: count,
      promptTokens: count,
      components: z.array(
        z.object({
          component: z.string(),
          float16: z.boolean().describe('whether the output computes in float16'),
          values: count.describe('that were measured'),
          nearest: z.array(range).describe('with the least headroom, least first'),
          inside: z.array(range).describe('the same of values inside of fused attention'),
          blocks: z.array(z.object({ name: z.string(), max: measure, headroom: measure })),
          nonFinite: z
            .object({
              value: z.string(),
              node: z.string(),
              operator: z.string(),
              block: z.string(),
              count,
              elements: count,
              where: z.string(),
            })
            .optional()
            .describe('where the output first gives what float16 does not hold'),
        }),
      ),
    }),
  ),
});

const gate = z.object({
  level: z.enum([...level.options, 'ranges']),
  feed,
  output: z.enum([...outputKinds, 'blocks', 'activations']),
  component: z.string(),
  metric: z.enum([...metric.options, 'headroom']),
  precision,
  direction: z.enum(['at-most', 'at-least']),
  limit: z.number(),
  from: z.enum(['default', 'user', 'baseline']),
  value: measure,
  passed: z.boolean(),
  where: z.string().optional(),
  size: z.string().optional().describe('of a sweep'),
});

const finding = z.object({
  level,
  component: z.string(),
  block: z.object({ index: count, name: z.string() }).optional(),
  otherBlocks: count.describe('so many more blocks of the component are off'),
  kind: z.enum(findingKinds).describe('what is wrong'),
  places: z.array(z.string()).describe('views, tokens or positions that it is confined to'),
  node: z
    .object({ name: z.string(), operator: z.string(), value: z.string() })
    .optional()
    .describe('makes the first value that is off though what it is made from is not'),
  tensors: z.array(z.object({ name: z.string(), what: z.string() })).describe('its wrong constants'),
  detail: z.string().optional(),
});

const view = z.object({
  kind: z.enum(['tile', 'global', 'frame']),
  row: count.optional(),
  column: count.optional(),
  scale: count.optional(),
  frame: count.optional(),
  adapter: count.nullable().optional(),
  trained: z.boolean().optional(),
});

const role = z.object({
  kind: z.enum(Object.keys(componentKinds) as [ComponentKind, ...ComponentKind[]]),
  modality: z.enum(modalities),
});

const adapter = z.object({
  name: z.string(),
  share: z.number().describe('what its scale was multiplied by'),
  tensors: count,
  changes: z.array(
    z.object({
      tensor: z.string(),
      module: z.string(),
      kind: z.enum(['low-rank', 'dora', 'bias', 'rows', 'whole']),
      rank: count.optional(),
      scale: z.number().optional(),
      component: z.string().nullable().describe('null where nothing reads it'),
      change: z.number().optional().describe('‖change‖ / ‖weight‖'),
      kept: z.number().optional().describe('share of the change that float16 keeps'),
      sampled: z.object({ rows: count, of: count }).optional(),
    }),
  ),
});

export const parityReportSchema = z.object({
  version: z.literal(reportVersion),
  passed: z.boolean(),
  tool: z.object({ name: z.string(), version: z.string() }),
  model: z.record(z.string(), json),
  options: json,
  adapters: z.array(adapter).optional(),
  components: z
    .array(z.object({ id: z.string(), kind: z.string(), modality: z.string(), holds: z.array(role) }))
    .describe('what each graph is, and all parts of the model in its file')
    .optional(),
  precision: z.record(z.string(), precision).describe('by component'),
  passes: z.array(
    z.object({
      component: z.string(),
      name: z.string(),
      options: json,
      changed: z.boolean(),
      stats: amounts,
      notes: z.array(z.string()),
    }),
  ),
  coverage: z.array(
    z.object({
      component: z.string(),
      use: z.string().describe('the operator that reads the weights'),
      format: z.string(),
      reason: z.string().optional(),
      weights: count,
      bytesBefore: count,
      bytesAfter: count,
    }),
  ),
  warnings: z.array(
    z.object({
      code,
      severity: z.enum(['error', 'warning']),
      message: z.string(),
      where: z.string().optional(),
      found: z.string().optional(),
      expected: z.string().optional(),
      hint: z.string().optional(),
    }),
  ),
  runtime: z.object({
    name: z.string(),
    version: z.string(),
    device,
    requested: z.enum([...devices, 'auto']).optional(),
    providers: z.array(z.string()),
    notes: z.array(z.string()),
  }),
  image: z
    .object({
      requested: size,
      input: size,
      grid: z.object({ rows: count, columns: count, tile: count }).optional(),
      tokens: count,
      summary: z.string(),
      views: z.array(view),
    })
    .optional(),
  audio: z.object({ seconds: z.number(), tokens: count, summary: z.string() }).optional(),
  sample: z.object({
    seed: z.number(),
    source: z.enum(['drawn', 'recorded', 'samples']),
    pictures: z.array(z.object({ name: z.string(), sha256: z.string() })).optional(),
    picture: z.object({ width: count, height: count, sha256: z.string() }).optional(),
    video: z.object({ width: count, height: count, sha256: z.string() }).optional(),
    sounds: z.array(z.object({ frames: count, tokens: count, sha256: z.string() })).optional(),
    prompts: z.array(z.object({ tokens: count, imageTokens: count })),
    promptsSha256: z.string().optional(),
    drawing: z.object({ tokens: count, codes: count, sha256: z.string() }).optional(),
    decodeSteps: count,
    continuation: z.enum(['picked', 'drawn']).optional(),
  }),
  findings: z.array(finding).describe('what the failed gates lead to; empty where none failed'),
  gates: z.array(gate),
  levels: z.array(
    z.object({
      level,
      outputs: z.array(z.object({ output, name: z.string(), component: z.string(), feed, metrics })),
      greedy: z.array(z.object({ prompt: count, agreed: count, of: count })),
      cacheLayers: count.optional(),
    }),
  ),
  curves: z.array(curve).optional(),
  placement: z.array(placement).optional(),
  ranges: ranges.optional().describe('of a sweep over picture sizes'),
  timing: amounts.describe('milliseconds by step; empty in files'),
});

/** The JSON Schema of `parity-report.json`. */
export function reportJsonSchema(): object {
  return { title: 'parity-report.json', ...z.toJSONSchema(parityReportSchema, { io: 'input' }) };
}
