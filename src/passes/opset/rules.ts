/**
 * What operators of ai.onnx changed between operator sets 7 and 20 beyond taking more types, optional inputs or
 * attributes. Source: the change log of the ONNX operators. An operator stands here at the version that changed it;
 * where it does not, the signatures decide (`upgrade-opset`).
 */
import { leaveOutEmpty, sayHowToResize, scalesToInput, upsampleToResize } from './resize.ts';
import { all, floatToInput, intsToInput, isRead, place, renew, type UpgradeRule } from './rule.ts';
import { alongOneAxis } from './softmax.ts';

const noStatisticsPerPlace: UpgradeRule = (node) => {
  if ((node.int('spatial') ?? 1) !== 1) return 'it has statistics of every place';
  return () => node.graph.setAttribute(node, 'spatial', undefined);
};

/** Outputs that became others may stand there as long as nobody reads them. */
const onlyFirstOutput: UpgradeRule = (node) => {
  const read = node.outputs.slice(1).find(isRead);
  if (read) return `its output ${read.name} is read`;
  if (node.outputs.length === 1) return () => {};
  return (rewriter) => renew(rewriter, node, node.opType, node.inputs);
};

/** With more than one output it normalized by the statistics of its input. */
const notInTraining: UpgradeRule = (node) => {
  if (node.outputs.slice(1).some((output) => output !== null)) return 'it is in training';
  return onlyFirstOutput(node);
};

const axisOfTransform: UpgradeRule = (node) => {
  const axis = node.int('axis') ?? 1;
  return (rewriter) => {
    node.graph.setAttribute(node, 'axis', undefined);
    place(node, 2, rewriter.int64([axis], []));
  };
};

const modeByNewName: UpgradeRule = (node) => {
  const names = new Map([
    ['bilinear', 'linear'],
    ['bicubic', 'cubic'],
  ]);
  const found = names.get(node.string('mode') ?? '');
  return () => {
    if (found !== undefined) node.graph.setAttribute(node, 'mode', found);
  };
};

const halfPixelsAsBefore: UpgradeRule = (node) => () =>
  node.graph.setAttribute(node, 'coordinate_transformation_mode', 'output_half_pixel');

const equalParts: UpgradeRule = (node) => () => {
  if (node.input(1) === undefined) node.graph.setAttribute(node, 'num_outputs', node.outputs.length);
};

/** `Operator@version` to its rule. */
export const upgradeRules: ReadonlyMap<string, UpgradeRule> = new Map<string, UpgradeRule>([
  ['BatchNormalization@9', noStatisticsPerPlace],
  ['BatchNormalization@14', notInTraining],
  ['Clip@11', all(floatToInput('min', 1), floatToInput('max', 2))],
  ['DFT@20', axisOfTransform],
  ['Dropout@10', onlyFirstOutput],
  ['Dropout@12', all(floatToInput('ratio', 1), onlyFirstOutput)],
  ['GridSample@20', modeByNewName],
  ['Pad@11', all(intsToInput('pads', 1), floatToInput('value', 2))],
  ['ReduceSum@13', intsToInput('axes', 1)],
  ['Resize@11', sayHowToResize],
  ['Resize@13', leaveOutEmpty],
  ['RoiAlign@16', halfPixelsAsBefore],
  ['Scatter@11', (node) => (rewriter) => renew(rewriter, node, 'ScatterElements', node.inputs)],
  ['Slice@10', all(intsToInput('starts', 1), intsToInput('ends', 2), intsToInput('axes', 3))],
  ['Split@13', intsToInput('split', 1)],
  ['Split@18', equalParts],
  ['Squeeze@13', intsToInput('axes', 1)],
  ['TopK@10', intsToInput('k', 1)],
  ['Unsqueeze@13', intsToInput('axes', 1)],
  ['Upsample@9', scalesToInput],
  ['Upsample@10', upsampleToResize],
  ...['Hardmax', 'LogSoftmax', 'Softmax'].map((name) => [`${name}@13`, alongOneAxis] as const),
  ...['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map(
    (name) => [`Reduce${name}@18`, intsToInput('axes', 1)] as const,
  ),
]);
