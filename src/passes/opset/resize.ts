/**
 * Upsample became Resize. Up to operator set 10 output position x reads x / scale, and `nearest` rounds down where an
 * axis grows; where it shrinks, onnxruntime rounds up. From 11 on attributes say so.
 */

import type { Value } from '../../graph/value.ts';
import { constantNumbers, constantTensor } from '../../rewrite/constants.ts';
import { elementCount } from '../../tensor/dtype.ts';
import { inlineTensor } from '../../tensor/tensor.ts';
import { place, renew, type UpgradeRule } from './rule.ts';

/** Upsample 9: scales become an input. */
export const scalesToInput: UpgradeRule = (node) => {
  const scales = node.attributes.get('scales');
  if (scales?.kind !== 'floats') return 'no scales';
  return (rewriter) => {
    const bytes = new Uint8Array(Float32Array.from(scales.value).buffer);
    const tensor = inlineTensor('float32', [scales.value.length], bytes);
    node.graph.setAttribute(node, 'scales', undefined);
    place(node, 1, rewriter.constant(`${node.name}/scales`, tensor));
  };
};

/** Resize 10, a name for what Upsample 9 is. */
export const upsampleToResize: UpgradeRule = (node) => (rewriter) =>
  renew(rewriter, node, 'Resize', node.inputs);

/** Resize 11: a region of interest, which is nothing here, and words for what was understood. */
export const sayHowToResize: UpgradeRule = (node) => {
  const scales = node.input(1);
  const numbers = constantNumbers(scales);
  const nearest = (node.string('mode') ?? 'nearest') === 'nearest';
  const [grows, shrinks] = [numbers?.some((scale) => scale > 1), numbers?.some((scale) => scale < 1)];
  if (scales === undefined) return 'no scales';
  if (nearest && numbers === undefined)
    return 'its scales are not constant: which way it rounds is not known';
  if (nearest && grows && shrinks) return 'it rounds down along some axes, up along others';
  return (rewriter) => {
    const none = inlineTensor('float32', [0], new Uint8Array(0));
    place(node, 1, rewriter.constant(`${node.name}/roi`, none));
    place(node, 2, scales);
    node.graph.setAttribute(node, 'coordinate_transformation_mode', 'asymmetric');
    if (nearest) node.graph.setAttribute(node, 'nearest_mode', shrinks ? 'ceil' : 'floor');
  };
};

/** Resize 13: a region of interest, scales or sizes that say nothing are left out, and a mode is gone. */
export const leaveOutEmpty: UpgradeRule = (node) => {
  const mode = node.string('coordinate_transformation_mode');
  if (mode === 'tf_half_pixel_for_nn') return `its coordinates are ${mode}`;
  const [roi, scales, sizes] = [1, 2, 3].map((index) => node.input(index));
  const dropsScales = sizes !== undefined && scales !== undefined;
  if (dropsScales && !isEmpty(scales)) return 'it has scales and sizes';
  return () => {
    // Only this mode reads the region.
    if (roi !== undefined && mode !== 'tf_crop_and_resize') place(node, 1, null);
    if (dropsScales) place(node, 2, null);
  };
};

function isEmpty(value: Value): boolean {
  const constant = constantTensor(value);
  if (constant !== undefined) return elementCount(constant.shape) === 0;
  return value.type?.kind === 'tensor' && value.type.shape?.length === 1 && value.type.shape[0] === 0;
}
