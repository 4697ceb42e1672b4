/** freeze-defaults: weights leave the list of inputs, and can be quantized. */
import { expect, it } from 'vitest';
import { Graph } from '../../src/graph/graph.ts';
import { inferModel } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import { randomInput, randomWeight } from '../support/run-model.ts';
import { countOps, difference, runPasses } from './run-pass.ts';

/** `w` is a default, `both` one that is an output as well. */
function keptInputs(): Model {
  const graph = new Graph('main');
  const x = graph.addInput('x', tensorType('float32', [2, 64]));
  for (const [name, seed] of [['w', 1] as const, ['both', 2] as const]) {
    graph.setInitializer(
      graph.addInput(name, tensorType('float32', [64, 64])),
      randomWeight(name, [64, 64], seed),
    );
  }
  const [w, both] = [graph.value('w'), graph.value('both')];
  if (w === undefined || both === undefined) throw new Error('no inputs');
  const first = graph.addNode({ op: 'MatMul', inputs: [x, w] });
  const second = graph.addNode({ op: 'MatMul', inputs: [first.output, both], outputs: [{ name: 'y' }] });
  graph.setOutputs([second.output, both]);
  const model = createModel(graph, 17);
  inferModel(model);
  return model;
}

it('makes constants of defaults, under their names', async () => {
  const model = keptInputs();
  const { record } = await runPasses(model, 'freeze-defaults');
  expect(record.stats).toEqual({ inputs: 1 });
  expect(model.graph.inputs.map(({ name }) => name)).toEqual(['x', 'both']);
  expect(model.graph.value('w')?.initializer?.shape).toEqual([64, 64]);
  expect(await difference(model, keptInputs(), { x: randomInput([2, 64], 3) })).toBe(0);
  await expect(printModel(model)).toMatchFileSnapshot('golden/freeze-defaults.txt');
  await runPasses(model, 'int4');
  expect(countOps(model, 'com.microsoft::MatMulNBits')).toBe(1);
  expect((await runPasses(model, 'freeze-defaults')).record.changed).toBe(false);
});
