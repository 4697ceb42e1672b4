/** Faults of the output alone: each fails, and one finding says what it is, in which block and where; nothing else. */
import { describe, expect, it } from 'vitest';
import type { Size } from '../../../src/architectures/architecture.ts';
import type { Model } from '../../../src/graph/model.ts';
import type { Node } from '../../../src/graph/node.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import type { Precision } from '../../../src/parity/index.ts';
import { type Finding, findingText } from '../../../src/parity/report/finding.ts';
import { codeOfDType } from '../../../src/tensor/dtype.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import type { StreamedCase } from '../../support/streamed-check.ts';
import {
  changeConstant,
  changeFloats,
  check,
  constant,
  insertAfter,
  int64,
  nodeOf,
  squareWeight,
  transpose,
} from './plant.ts';

const qwen = goldenCase('qwen-vl/tiny-long');
const llava = goldenCase('llava/hf-tiny');
/** Three columns and two rows of tiles. */
const monkey = { golden: goldenCase('monkey/tiny-896'), resolution: { width: 1344, height: 896 } };

interface Planted extends Pick<StreamedCase, 'golden'> {
  readonly resolution?: Size;
  readonly precision: Precision;
  readonly component: string;
  /** Changes the output. */
  readonly plant: (model: Model) => Promise<void>;
  readonly finding: Partial<Finding>;
  /** What people read. */
  readonly text: RegExp;
}

/** The features of all views, before they are laid in a row, become what a node makes of them. */
function changeFeatures(model: Model, make: (rows: Value) => Parameters<Model['graph']['addNode']>[0]): void {
  const rows = model.graph.outputs[0]?.producer?.input(0);
  if (rows === undefined) throw new Error('no features');
  insertAfter(rows, (value, before) => {
    const node = model.graph.addNode(make(value), before);
    model.graph.setType(node.output, value.type);
    return node.output;
  });
}

const faults: Readonly<Record<string, Planted>> = {
  'one flipped zero point': {
    golden: qwen,
    precision: 'int4',
    component: 'decoder',
    plant: (model) =>
      changeConstant(nodeOf(model, 'layer.1', 'com.microsoft::MatMulNBits', 1).input(3), (bytes) => {
        bytes[5] = (bytes[5] ?? 0) ^ 0x08;
      }),
    finding: { block: { index: 1, name: 'layer.1' }, kind: 'zero points', places: [] },
    text: /^decoder, block 1 \(layer\.1\), at implementation: wrong zero points of \S+ \(1 of \d+, first at row \d+, block \d+\); com\.microsoft::MatMulNBits /,
  },
  'one flipped zero point of the weights of one tile': {
    ...monkey,
    precision: 'int4',
    component: 'vision',
    plant: (model) => {
      const product = [...model.graph.nodes()].find((node) =>
        /resblocks\.1\..*@view1\.values$/.test(node.input(1)?.name ?? ''),
      );
      return changeConstant(product?.input(3), (bytes) => {
        bytes[7] = (bytes[7] ?? 0) ^ 0x04;
      });
    },
    finding: { block: { index: 3, name: 'block.1' }, kind: 'zero points', places: ['tile row 0 column 1'] },
    text: /@view1 .*only in tile row 0 column 1$/,
  },
  'a transposed weight': {
    golden: llava,
    precision: 'fp32',
    component: 'decoder',
    plant: (model) => changeFloats(squareWeight(model, 'layer.0'), transpose),
    finding: { block: { index: 0, name: 'layer.0' }, kind: 'weight', places: [] },
    text: /at implementation: wrong weight \S+q_proj\.weight \(transposed\); MatMul /,
  },
  'swapped q and k': {
    golden: qwen,
    precision: 'fp32',
    component: 'vision',
    plant: async (model) => {
      const attention = nodeOf(model, 'block.0', 'com.microsoft::MultiHeadAttention');
      const [q, k] = [attention.input(0), attention.input(1)];
      if (q === undefined || k === undefined) throw new Error('no attention');
      model.graph.setInput(attention, 0, k);
      model.graph.setInput(attention, 1, q);
    },
    finding: {
      block: { index: 1, name: 'block.0' },
      kind: 'exchanged inputs',
      places: [],
      detail: 'query and key',
    },
    text: /exchanged inputs; query and key; com\.microsoft::MultiHeadAttention/,
  },
  'two tiles exchanged when the picture is cut': {
    ...monkey,
    precision: 'int4',
    component: 'vision',
    plant: async (model) => {
      const views = nodeOf(model, 'views', 'Concat').output;
      const order = int64(model, 'order', [0, 4, 2, 3, 1, 5, 6]);
      insertAfter(views, (value, before) => {
        const node = model.graph.addNode(
          { op: 'Gather', inputs: [value, order], attributes: { axis: 1 } },
          before,
        );
        model.graph.setType(node.output, value.type);
        return node.output;
      });
    },
    finding: { kind: 'exchanged views', places: ['tile row 0 column 1', 'tile row 1 column 1'] },
    text: /exchanged views; .*only in tile row 0 column 1, tile row 1 column 1$/,
  },
  'two tiles exchanged in the order of the features': {
    ...monkey,
    precision: 'fp32',
    component: 'vision',
    plant: async (model) => {
      const order = int64(model, 'order', [0, 1, 5, 3, 4, 2, 6]);
      changeFeatures(model, (rows) => ({ op: 'Gather', inputs: [rows, order], attributes: { axis: 0 } }));
    },
    finding: { kind: 'exchanged views', places: ['tile row 0 column 2', 'tile row 1 column 2'] },
    text: /exchanged views/,
  },
  'an overflow of float16 in one block': {
    golden: qwen,
    precision: 'fp16',
    component: 'vision',
    plant: async (model) => {
      const { graph } = model;
      const { output } = nodeOf(model, 'block.1', 'com.microsoft::MultiHeadAttention');
      const cast = (value: Value, to: 'float16' | 'float32', before: Node | undefined): Value => {
        const node = graph.addNode(
          { op: 'Cast', inputs: [value], attributes: { to: codeOfDType(to) } },
          before,
        );
        graph.setType(node.output, tensorType(to, output.type?.kind === 'tensor' ? output.type.shape : []));
        return node.output;
      };
      const times = (value: Value, factor: number, before: Node | undefined): Value =>
        graph.addNode({ op: 'Mul', inputs: [value, constant(model, 'factor', [factor], [])] }, before).output;
      insertAfter(output, (value, before) => {
        const large = cast(times(cast(value, 'float32', before), 1e8, before), 'float16', before);
        return cast(times(cast(large, 'float32', before), 1e-8, before), 'float16', before);
      });
    },
    finding: { block: { index: 2, name: 'block.1' }, kind: 'overflow' },
    text: /^vision, block 2 \(block\.1\), at implementation: values beyond float16; /,
  },
  'the feature of one token': {
    ...monkey,
    precision: 'int4',
    component: 'vision',
    plant: async (model) => {
      // Token 9 of tile row 1 column 0, of 7 views of 16 tokens.
      const values = Array.from({ length: 7 * 16 * 128 }, (_, at) =>
        Math.floor(at / 128) === 3 * 16 + 9 ? 0.5 : 0,
      );
      const more = constant(model, 'more', values, [7, 16, 128]);
      changeFeatures(model, (rows) => ({ op: 'Add', inputs: [rows, more] }));
    },
    finding: { kind: 'operator', places: ['tile row 1 column 0, token 9'] },
    text: /only in tile row 1 column 0, token 9$/,
  },
};

describe('a report blames', () => {
  it.each(Object.entries(faults))(
    '%s, and nothing else',
    async (_name, fault) => {
      const { golden, precision, resolution, component, plant, finding, text } = fault;
      const report = await check({
        golden,
        options: { precision, ...(resolution === undefined ? {} : { resolution }) },
        change: async (id, { converted }) => {
          if (id === component) await plant(converted);
        },
      });
      if (process.env.SHOW) console.log(report.findings, report.findings.map(findingText));
      expect(report.passed).toBe(false);
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
