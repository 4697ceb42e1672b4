/**
 * The faults that a check has to tell apart, each planted in the output alone, for any family: which component, module and
 * views a family has is data.
 */
import type { Size } from '../../../src/architectures/media.ts';
import type { Model } from '../../../src/graph/model.ts';
import type { Node } from '../../../src/graph/node.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import type { Precision } from '../../../src/parity/index.ts';
import type { Finding } from '../../../src/parity/report/finding.ts';
import { codeOfDType } from '../../../src/tensor/dtype.ts';
import type { GoldenCase } from '../../support/golden-cases.ts';
import {
  changeConstant,
  changeFloats,
  constant,
  insertAfter,
  int64,
  nodeOf,
  squareWeight,
  transpose,
} from './plant.ts';

export interface Family {
  readonly golden: GoldenCase;
  readonly resolution?: Size;
  /** Has faults of places planted only. */
  readonly slow?: true;
  /** The encoder's id, and its layers as its modules are called. */
  readonly encoder: string;
  readonly layers: readonly [string, string];
  /** Features as the encoder gives them, rows of one picture or sound, and the name of a row. */
  readonly features: { readonly rows: number; readonly row: number; readonly place: string };
  /** Two of several views of a picture in each other's place: where they are cut, along which axis, and their names. */
  readonly views?: {
    readonly cut: (model: Model) => Value | undefined;
    readonly axis: number;
    readonly order: readonly number[];
    readonly places: readonly string[];
    /** They follow each other in the features, too. */
    readonly inFeatures: boolean;
  };
  /** A weight that one view alone multiplies with, and its name. */
  readonly ofOneView?: { readonly weight: RegExp; readonly place: string };
}

export interface Planted {
  readonly precision: Precision;
  readonly component: string;
  /** Changes the output. */
  readonly plant: (model: Model) => Promise<void>;
  /** Ends in this module. */
  readonly block?: string;
  readonly finding: Partial<Finding>;
  /** What people read. */
  readonly text: RegExp;
}

/** Those that any family can have. */
export function faultsAnywhere(family: Family): Readonly<Record<string, Planted>> {
  const { encoder, layers } = family;
  const [first, second] = layers;
  return {
    'one flipped zero point of the decoder': {
      precision: 'int4',
      component: 'decoder',
      plant: (model) => flipZeroPoint(nodeOf(model, 'layer.1', 'com.microsoft::MatMulNBits', 1)),
      block: 'layer.1',
      finding: { kind: 'zero points', places: [] },
      text: /^decoder, block \d+ \(layer\.1\), at implementation: wrong zero points of \S+ \(1 of \d+, first at row \d+, block \d+\); com\.microsoft::MatMulNBits /,
    },
    'one flipped zero point of the encoder': {
      precision: 'int4',
      component: encoder,
      plant: (model) => flipZeroPoint(nodeOf(model, second, 'com.microsoft::MatMulNBits', 0)),
      block: second,
      finding: { kind: 'zero points', places: [] },
      text: /at implementation: wrong zero points of \S+ \(1 of \d+/,
    },
    'a transposed weight': {
      precision: 'fp32',
      component: 'decoder',
      plant: (model) => changeFloats(squareWeight(model, 'layer.0'), transpose),
      block: 'layer.0',
      finding: { kind: 'weight', places: [] },
      text: /at implementation: wrong weight \S+ \(transposed\); MatMul /,
    },
    'swapped q and k': {
      precision: 'fp32',
      component: encoder,
      plant: async (model) => {
        const attention = nodeOf(model, first, 'com.microsoft::MultiHeadAttention');
        const [q, k] = [attention.input(0), attention.input(1)];
        if (q === undefined || k === undefined) throw new Error('no attention');
        model.graph.setInput(attention, 0, k);
        model.graph.setInput(attention, 1, q);
      },
      block: first,
      finding: { kind: 'exchanged inputs', places: [], detail: 'query and key' },
      text: /exchanged inputs; query and key; com\.microsoft::MultiHeadAttention/,
    },
    'an overflow of float16 in one block': {
      precision: 'fp16',
      component: encoder,
      plant: async (model) => overflow(model, nodeOf(model, second, 'com.microsoft::MultiHeadAttention')),
      block: second,
      finding: { kind: 'overflow' },
      text: /at implementation: values beyond float16; /,
    },
  };
}

/** Those of one row or view of what goes in and comes out. */
export function faultsOfPlaces(family: Family): Readonly<Record<string, Planted>> {
  const { encoder, features, views, ofOneView } = family;
  return {
    'the feature of one token': {
      precision: 'int4',
      component: encoder,
      plant: async (model) => {
        const { rows, row } = features;
        changeFeatures(model, (value) => {
          const add = Array.from({ length: rows }, (_, at) => (at === row ? 0.5 : 0));
          return { op: 'Add', inputs: [value, constant(model, 'more', add, [rows, 1])] };
        });
      },
      finding: { kind: 'operator', places: [features.place] },
      text: /another result from the same weights and inputs; .*only in [^,]+(, [^,]+)?$/,
    },
    ...(views === undefined ? {} : exchangedViews(encoder, features.rows, views)),
    ...(ofOneView === undefined
      ? {}
      : { 'one flipped zero point of one view': zeroPointOfView(encoder, ofOneView) }),
  };
}

function exchangedViews(
  component: string,
  rows: number,
  { cut, axis, order, places, inFeatures }: NonNullable<Family['views']>,
): Readonly<Record<string, Planted>> {
  const common = {
    precision: 'int4',
    component,
    finding: { kind: 'exchanged views', places },
    text: /exchanged views; .*only in /,
  } as const;
  const perView = rows / order.length;
  const moved = order.flatMap((view) => Array.from({ length: perView }, (_, at) => view * perView + at));
  return {
    'two views exchanged when the picture is cut': {
      ...common,
      plant: async (model) => {
        const views = cut(model);
        if (views === undefined) throw new Error('no views');
        insertAfter(views, (value, before) => {
          const inputs = [value, int64(model, 'order', order)];
          const node = model.graph.addNode({ op: 'Gather', inputs, attributes: { axis } }, before);
          model.graph.setType(node.output, value.type);
          return node.output;
        });
      },
    },
    ...(inFeatures
      ? {
          'two views exchanged in the order of the features': {
            ...common,
            plant: async (model: Model) =>
              changeFeatures(model, (value) => ({
                op: 'Gather',
                inputs: [value, int64(model, 'rows', moved)],
                attributes: { axis: -2 },
              })),
          },
        }
      : {}),
  };
}

function zeroPointOfView(component: string, { weight, place }: NonNullable<Family['ofOneView']>): Planted {
  return {
    precision: 'int4',
    component,
    plant: (model) => {
      const product = [...model.graph.nodes()].find((node) => weight.test(node.input(1)?.name ?? ''));
      if (product === undefined) throw new Error(`no weight ${weight}`);
      return flipZeroPoint(product);
    },
    finding: { kind: 'zero points', places: [place] },
    text: /wrong zero points of .*only in /,
  };
}

function flipZeroPoint(product: Node): Promise<void> {
  return changeConstant(product.input(3), (bytes) => {
    bytes[5] = (bytes[5] ?? 0) ^ 0x08;
  });
}

/** The encoder's features become what a node makes of them, [.., rows, width]. */
function changeFeatures(
  model: Model,
  make: (features: Value) => Parameters<Model['graph']['addNode']>[0],
): void {
  const { graph } = model;
  const [features, ...others] = graph.outputs;
  if (features === undefined) throw new Error('no features');
  const { name, type } = features;
  graph.renameValue(features, graph.freshName(`${name}_before`));
  const node = graph.addNode(make(features));
  graph.renameValue(node.output, name);
  graph.setType(node.output, type);
  graph.setOutputs([node.output, ...others]);
}

/** Its result times 1e8 in float16, and back. */
function overflow(model: Model, { output }: Node): void {
  const { graph } = model;
  const shape = output.type?.kind === 'tensor' ? output.type.shape : [];
  const cast = (value: Value, to: 'float16' | 'float32', before: Node | undefined): Value => {
    const node = graph.addNode({ op: 'Cast', inputs: [value], attributes: { to: codeOfDType(to) } }, before);
    graph.setType(node.output, tensorType(to, shape));
    return node.output;
  };
  const times = (value: Value, factor: number, before: Node | undefined): Value =>
    graph.addNode({ op: 'Mul', inputs: [value, constant(model, 'factor', [factor], [])] }, before).output;
  insertAfter(output, (value, before) => {
    const large = cast(times(cast(value, 'float32', before), 1e8, before), 'float16', before);
    return cast(times(cast(large, 'float32', before), 1e-8, before), 'float16', before);
  });
}
