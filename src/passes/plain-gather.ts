/**
 * Spells GatherBlockQuantized in standard operators, for runtimes without a kernel of it: rows of codes, scales and
 * zero points are gathered, and only they become floats. The constants stay what they are.
 *
 * Codes are uint8 [V, D] or, two to a byte with the low one first, [V, D / 2]; scales [V, blocks]; zero points as the
 * codes, uint8 [V, blocks] or packed [V, ceil(blocks / 2)]. Without zero points the middle of the range is zero.
 */

import { z } from 'zod';
import { inferNode } from '../graph/infer/infer.ts';
import { opsetOf } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { dimsOf, dtypeOf, type Value } from '../graph/value.ts';
import { allNodes } from '../rewrite/driver.ts';
import { Rewriter } from '../rewrite/rewriter.ts';
import { codeOfDType } from '../tensor/dtype.ts';
import { inlineTensor } from '../tensor/tensor.ts';
import type { Pass } from './pass.ts';

/** BitwiseAnd exists from here on. */
const lowestOpset = 18;

export const plainGather: Pass<Record<string, never>> = {
  name: 'plain-gather',
  summary:
    'spells the gather of quantized rows in standard operators, for runtimes without GatherBlockQuantized',
  options: z.strictObject({}),
  run: (model, _options, cx) => {
    const stats = { gather: 0, kept: 0 };
    const opset = opsetOf(model);
    for (const node of allNodes(model.graph)) {
      if (node.op !== 'com.microsoft::GatherBlockQuantized') continue;
      const parts = opset < lowestOpset ? `an operator set below ${lowestOpset}` : partsOf(node);
      if (typeof parts === 'string') {
        cx.note(`${node.name} stays: ${parts}`);
        stats.kept += 1;
      } else {
        spell(node, parts);
        stats.gather += 1;
      }
    }
    return { changed: stats.gather > 0, stats };
  },
};

interface Parts {
  readonly values: Value;
  readonly indices: Value;
  readonly scales: Value;
  readonly zeroPoints: Value | undefined;
  readonly bits: 4 | 8;
  readonly block: number;
  readonly blocks: number;
  /** Of the indices. */
  readonly rank: number;
  /** Of the scales, and of what comes out. */
  readonly dtype: 'float32' | 'float16';
}

/** Or why the node stays. */
function partsOf(node: Node): Parts | string {
  const [values, indices, scales, zeroPoints] = [0, 1, 2, 3].map((index) => node.input(index));
  if (values === undefined || indices === undefined || scales === undefined) return 'inputs are missing';
  const blocks = dimsOf(scales)?.[1];
  const rank = dimsOf(indices)?.length;
  const bits = node.int('bits') ?? 4;
  const dtype = dtypeOf(scales);
  if (dtypeOf(values) !== 'uint8') return 'codes that are not uint8';
  if (bits !== 4 && bits !== 8) return `${bits} bits`;
  if ((node.int('gather_axis') ?? 0) !== 0 || node.int('quantize_axis') !== 1) return 'other axes';
  if (typeof blocks !== 'number' || rank === undefined) return 'unknown shapes';
  if (dtype !== 'float32' && dtype !== 'float16') return `scales as ${dtype}`;
  const block = node.int('block_size') ?? 128;
  return { values, indices, scales, zeroPoints, bits, block, blocks, rank, dtype };
}

function spell(node: Node, parts: Parts): void {
  const { values, indices, scales, zeroPoints, bits, block, blocks, rank, dtype } = parts;
  const r = new Rewriter(node, [node], inferNode);
  const rows = (table: Value): Value => r.op('Gather', [table, indices], { attributes: { axis: 0 } });
  /** The last axes anew, those of the indices kept. */
  const shaped = (value: Value, last: readonly number[]): Value =>
    r.op('Reshape', [value, r.int64([...Array.from({ length: rank }, () => 0), ...last])]);
  const byte = (value: number): Value =>
    r.constant(`${node.name}/byte_${value}`, inlineTensor('uint8', [], Uint8Array.of(value)));
  const unpacked = (packed: Value): Value => {
    if (bits === 8) return packed;
    const halves = [
      r.op('BitwiseAnd', [packed, byte(15)]),
      r.op('BitShift', [packed, byte(4)], { attributes: { direction: 'RIGHT' } }),
    ];
    const apart = halves.map((half) => r.op('Unsqueeze', [half, r.int64([-1])]));
    return r.op('Concat', apart, { attributes: { axis: -1 } });
  };
  const floats = (codes: Value): Value => r.op('Cast', [codes], { attributes: { to: codeOfDType(dtype) } });
  /** One per block, [..., blocks, 1]. */
  const perBlock = (codes: Value): Value => {
    if (bits === 8 || blocks % 2 === 0) return shaped(codes, [blocks, 1]);
    return r.op('Slice', [shaped(codes, [blocks + 1, 1]), r.int64([0]), r.int64([blocks]), r.int64([rank])]);
  };
  const zero =
    zeroPoints === undefined ? floats(byte(2 ** (bits - 1))) : floats(perBlock(unpacked(rows(zeroPoints))));
  const codes = floats(shaped(unpacked(rows(values)), [blocks, block]));
  const steps = r.op('Unsqueeze', [rows(scales), r.int64([-1])]);
  const product = r.op('Mul', [r.op('Sub', [codes, zero]), steps]);
  r.replace(node.output, shaped(product, [blocks * block]));
  node.graph.removeNode(node);
}
