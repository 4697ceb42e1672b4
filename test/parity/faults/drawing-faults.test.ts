/** Faults of what draws pictures: each fails, and one finding says what it is, in which block and where; nothing else. */
import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/graph/model.ts';
import type { Value } from '../../../src/graph/value.ts';
import type { Precision } from '../../../src/parity/index.ts';
import { drawDrawing } from '../../../src/parity/inputs/drawing.ts';
import { type Finding, findingText } from '../../../src/parity/report/finding.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { withBuiltCase } from '../../support/open-case.ts';
import { changeConstant, changeFloats, check, insertAfter, int64, transpose } from './plant.ts';

const janus = goldenCase('janus/tiny-generate');

interface Planted {
  readonly precision: Precision;
  readonly component: string;
  /** Changes the output. */
  readonly plant: (model: Model) => Promise<void>;
  readonly finding: Partial<Finding>;
  /** What people read. */
  readonly text: RegExp;
  /** A gate of an output that fails, besides those of blocks. */
  readonly gate: string;
}

/** The constant of that name, or the part of the quantized weight. */
function constantOf(model: Model, name: string): Value {
  const value = model.graph.value(name);
  if (value?.initializer === undefined) throw new Error(`no constant ${name}`);
  return value;
}

/** Both rows of a prompt in each other's place, in what reads a value or in what gives it. */
function exchangeRows(model: Model, value: Value | undefined): void {
  if (value === undefined) throw new Error('no value');
  const order = int64(model, 'order', [1, 0]);
  insertAfter(value, (rows, before) => {
    const node = model.graph.addNode(
      { op: 'Gather', inputs: [rows, order], attributes: { axis: 0 } },
      before,
    );
    model.graph.setType(node.output, value.type);
    return node.output;
  });
}

/** A code that a check draws, behind those that the original picks. */
const drawnCode = await withBuiltCase(janus, async ({ recipe }) => drawDrawing(recipe, 1)?.codes.at(-1) ?? 0);

const conv = 'gen_vision_model.decoder';

const faults: Readonly<Record<string, Planted>> = {
  'a wrong row of the codebook': {
    precision: 'fp32',
    component: 'image_decoder',
    plant: (model) =>
      changeFloats(
        constantOf(model, 'gen_vision_model.quantize.embedding.weight'),
        (values, [, width = 0]) => {
          for (let i = 0; i < width; i += 1)
            values[drawnCode * width + i] = (values[drawnCode * width + i] ?? 0) + i;
        },
      ),
    finding: { kind: 'weight' },
    text: /wrong weight gen_vision_model\.quantize\.embedding\.weight/,
    gate: 'fidelity.pixels.worst-block',
  },
  'a transposed 1x1 convolution': {
    precision: 'fp32',
    component: 'image_decoder',
    plant: (model) => changeFloats(constantOf(model, `${conv}.mid.1.q.weight`), transpose),
    finding: { kind: 'weight' },
    text: /^image_decoder, block \d+ \(mid\.1\), at implementation: wrong weight \S+mid\.1\.q\.weight .*Conv /,
    gate: 'fidelity.pixels.psnr',
  },
  'the scale of one convolution in a residual block': {
    precision: 'int8',
    component: 'image_decoder',
    plant: (model) =>
      changeFloats(constantOf(model, `${conv}.conv_blocks.2.res.1.conv2.weight`), (values) => {
        for (const [index, value] of values.entries()) values[index] = value * 1.05;
      }),
    finding: { kind: 'weight' },
    text: /^image_decoder, block \d+ \(level\.2\.1\), at implementation: wrong weight \S+res\.1\.conv2\.weight/,
    gate: 'fidelity.pixels.psnr',
  },
  'a scale of the head': {
    precision: 'int4',
    component: 'gen_head',
    plant: (model) =>
      changeFloats(constantOf(model, 'gen_head.vision_head.weight.scales'), (values) => {
        values[5] = (values[5] ?? 0) * 1.5;
      }),
    finding: { kind: 'scales' },
    text: /^gen_head, .*at implementation: wrong scales of gen_head\.vision_head\.weight/,
    gate: 'implementation.code-logits.max',
  },
  'a zero point of the embedding of codes': {
    precision: 'int4',
    component: 'gen_embed',
    plant: (model) =>
      changeConstant(constantOf(model, 'gen_aligner.layers.2.weight.zero_points'), (bytes) => {
        bytes[3] = (bytes[3] ?? 0) ^ 0x04;
      }),
    finding: { kind: 'zero points' },
    text: /^gen_embed, .*at implementation: wrong zero points of gen_aligner\.layers\.2\.weight/,
    gate: 'implementation.code-embeds.max',
  },
  'both rows of the prompt exchanged before the head': {
    precision: 'fp32',
    component: 'gen_head',
    plant: async (model) => exchangeRows(model, model.graph.inputs[0]),
    finding: { kind: 'exchanged views', places: ['conditional row', 'unconditional row'] },
    text: /^gen_head, .*exchanged views; .*only in conditional row, unconditional row$/,
    gate: 'implementation.guided-logits.max',
  },
};

describe('a report blames', () => {
  it.each(Object.entries(faults))(
    '%s, and nothing else',
    async (_name, { precision, component, plant, finding, text, gate }) => {
      const report = await check({
        golden: janus,
        options: { precision },
        change: async (id, { converted }) => {
          if (id === component) await plant(converted);
        },
      });
      expect(report.passed).toBe(false);
      const failed = report.gates.filter(({ passed }) => !passed);
      expect(failed.map(({ level, output, metric }) => `${level}.${output}.${metric}`)).toContain(gate);
      expect(report.findings).toHaveLength(1);
      expect(report.findings[0]).toMatchObject({
        level: 'implementation',
        component,
        otherBlocks: 0,
        ...finding,
      });
      const [found] = report.findings;
      expect(found && findingText(found)).toMatch(text);
    },
    60_000,
  );
});
