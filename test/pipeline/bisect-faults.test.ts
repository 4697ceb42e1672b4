/** Passes that are wrong in one place: the bisection names it, and what it leaves shows it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../src/formats/onnx/open.ts';
import type { Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { valueError } from '../../src/parity/locate/value-error.ts';
import type { ComponentBisection } from '../../src/pipeline/bisect-components.ts';
import { tracePasses } from '../../src/pipeline/bisect-trace.ts';
import { compare } from '../../src/pipeline/compare.ts';
import type { Precision } from '../../src/pipeline/options.ts';
import { parsePipeline } from '../../src/pipeline/pipeline-text.ts';
import { readInputs } from '../../src/pipeline/read-inputs.ts';
import { showCommand, writeReproducer } from '../../src/pipeline/reproducer.ts';
import { fail } from '../../src/report/diagnostics.ts';
import type { RunTensor } from '../../src/runtime/values.ts';
import { targets } from '../../src/targets/registry.ts';
import { transpose2d } from '../../src/tensor/derived/transpose.ts';
import { codeOfDType } from '../../src/tensor/dtype.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { bisectCase, openInMemory } from '../support/bisect-case.ts';
import { changeLater, faulty, nodesOf } from '../support/faulty-pass.ts';
import { goldenCase } from '../support/golden-cases.ts';

const attention = 'com.microsoft::MultiHeadAttention';
const quantized = 'com.microsoft::MatMulNBits';

interface Planted {
  readonly golden?: string;
  readonly precision: Precision;
  readonly component: string;
  readonly pass: string;
  readonly plant: (model: Model) => void;
  readonly block: string;
  /** Of the node, and of the weight and what is wrong with it where that is what is wrong. */
  readonly node: RegExp;
  readonly operator: string;
  readonly weight?: readonly [string, string, RegExp];
  /** No reproducer should need more. */
  readonly nodes: number;
}

const squareWeight = 'transformer.visual.transformer.resblocks.1.attn.out_proj.weight';
const mergedWeight = 'transformer.visual.transformer.resblocks.1.attn.in_proj.weight@view0';
const queryWeight = 'gen_vision_model.decoder.mid.1.q.weight';
const headWeight = 'gen_head.vision_head.weight';
const downWeight = 'transformer.h.1.mlp.c_proj.weight';

const planted: readonly (readonly [string, Planted])[] = [
  [
    'transposes a square weight',
    {
      precision: 'fp32',
      component: 'vision',
      pass: 'fuse-attention',
      plant: ({ graph }) => {
        const value = graph.value(squareWeight);
        if (value?.initializer !== undefined) graph.setInitializer(value, transpose2d(value.initializer));
      },
      block: 'block.1',
      node: /^block\.1\/MatMul/,
      operator: 'MatMul',
      weight: [squareWeight, 'weight', /^transposed$/],
      nodes: 1,
    },
  ],
  [
    'swaps q and k of one attention',
    {
      precision: 'fp32',
      component: 'vision',
      pass: 'fuse-attention',
      plant: (model) => {
        for (const node of nodesOf(model, 'block.0', attention)) {
          const [q = null, k = null] = node.inputs;
          model.graph.setInput(node, 0, k);
          model.graph.setInput(node, 1, q);
        }
      },
      block: 'block.0',
      node: /^block\.0\/MultiHeadAttention$/,
      operator: attention,
      nodes: 6,
    },
  ],
  [
    'drops the mask of one attention',
    {
      precision: 'fp32',
      component: 'decoder',
      pass: 'fuse-attention',
      plant: (model) => {
        for (const node of nodesOf(model, 'layer.1', attention)) model.graph.setInput(node, 5, null);
      },
      block: 'layer.1',
      node: /^layer\.1\/MultiHeadAttention$/,
      operator: attention,
      nodes: 6,
    },
  ],
  [
    'drops a bias',
    {
      precision: 'int4',
      component: 'vision',
      pass: 'int4',
      plant: (model) => {
        const [node] = nodesOf(model, 'block.1', quantized).filter((one) => one.input(5) !== undefined);
        if (node !== undefined) model.graph.setInput(node, 5, null);
      },
      block: 'block.1',
      node: /^block\.1\/MatMulNBits/,
      operator: quantized,
      nodes: 2,
    },
  ],
  [
    'flips one zero point',
    {
      precision: 'int4',
      component: 'decoder',
      pass: 'int4',
      plant: (model) => {
        changeLater(model, model.graph.value(`${downWeight}.zero_points`), (bytes) => {
          bytes[5] = (bytes[5] ?? 0) ^ 0x08;
        });
      },
      block: 'layer.1',
      node: /^layer\.1\/MatMulNBits/,
      operator: quantized,
      weight: [downWeight, 'zero points', /^1 of \d+, first at row \d+, block \d+$/],
      nodes: 1,
    },
  ],
  [
    'overflows float16',
    {
      precision: 'fp16',
      component: 'vision',
      pass: 'float16',
      plant: (model) => overflow(model, 'block.0'),
      block: 'block.0',
      node: /^block\.0\/Cast_wrong_1$/,
      operator: 'Cast',
      nodes: 6,
    },
  ],
  [
    'merges adapters five hundredths too strong',
    {
      golden: 'monkey/tiny-896',
      precision: 'int8',
      component: 'vision',
      pass: 'merge-lora',
      plant: (model) => {
        const merged = [...model.graph.initializers()].filter(({ name }) =>
          /1\.attn\.in_proj.*@view0$/.test(name),
        );
        for (const value of merged) {
          changeLater(model, value, (bytes) => {
            const floats = new Float32Array(bytes.buffer);
            for (const [at, one] of floats.entries()) floats[at] = one * 1.05;
          });
        }
      },
      block: 'block.1',
      node: /^block\.1\/MatMul/,
      operator: 'MatMul',
      weight: [mergedWeight, 'adapter', /^its adapter is merged wrongly$/],
      nodes: 16,
    },
  ],
  [
    'transposes a convolution of what draws pictures',
    {
      golden: 'janus/tiny-generate',
      precision: 'fp32',
      component: 'image_decoder',
      pass: 'fuse-attention',
      plant: (model) => {
        changeLater(model, model.graph.value(queryWeight), (bytes) => {
          const floats = new Float32Array(bytes.buffer);
          const side = Math.sqrt(floats.length);
          const before = floats.slice();
          for (const at of floats.keys())
            floats[at] = before[(at % side) * side + Math.floor(at / side)] ?? 0;
        });
      },
      block: 'mid.1',
      node: /^mid\.1\/Conv/,
      operator: 'Conv',
      weight: [queryWeight, 'weight', /^transposed$/],
      nodes: 1,
    },
  ],
  [
    'changes a scale of the head that picks codes',
    {
      golden: 'janus/tiny-generate',
      precision: 'int4',
      component: 'gen_head',
      pass: 'int4',
      plant: (model) => {
        changeLater(model, model.graph.value(`${headWeight}.scales`), (bytes) => {
          const floats = new Float32Array(bytes.buffer);
          floats[9] = (floats[9] ?? 0) * 1.5;
        });
      },
      block: 'Add_1',
      node: /MatMulNBits/,
      operator: quantized,
      weight: [headWeight, 'scales', /^1 of \d+, first at row \d+, block \d+$/],
      nodes: 1,
    },
  ],
];

/** Values of one module become infinite in float16, before they are scaled back. */
function overflow(model: Model, scope: string): void {
  const { graph } = model;
  const [first] = nodesOf(model, scope, attention).concat(nodesOf(model, scope, 'Softmax'));
  if (first === undefined) return;
  const readers = first.output.consumers();
  const shape = first.output.type?.kind === 'tensor' ? first.output.type.shape : undefined;
  const scale = (name: string, factor: number): Value => {
    const bytes = new Uint8Array(Float32Array.of(factor).buffer);
    return graph.addInitializer(graph.freshName(name), inlineTensor('float32', [], bytes));
  };
  const op = (opType: string, inputs: readonly Value[], to?: 'float16' | 'float32'): Value => {
    const attributes = to === undefined ? {} : { to: codeOfDType(to) };
    const metadata = [['vlm-convert.scope', scope] as const];
    const made = graph.addNode(
      { op: opType, inputs, attributes, metadata, name: `${scope}/${opType}_wrong` },
      readers[0],
    );
    graph.setType(made.output, tensorType(to ?? 'float32', shape));
    return made.output;
  };
  const wide = op('Mul', [op('Cast', [first.output], 'float32'), scale('large', 1e8)]);
  const back = op('Mul', [op('Cast', [op('Cast', [wide], 'float16')], 'float32'), scale('small', 1e-8)]);
  const dtype =
    first.output.type?.kind === 'tensor' && first.output.type.dtype === 'float16' ? 'float16' : 'float32';
  const narrow = op('Cast', [back], dtype);
  for (const reader of readers) {
    for (const [index, input] of reader.inputs.entries()) {
      if (input === first.output) graph.setInput(reader, index, narrow);
    }
  }
}

function bisectWith(
  { golden = 'qwen-vl/tiny-long', precision, component, pass, plant }: Planted,
  body?: (results: readonly ComponentBisection[]) => Promise<void>,
): Promise<readonly ComponentBisection[]> {
  return bisectCase({
    golden: goldenCase(golden),
    options: { precision },
    steps: (id, steps) => (id === component ? faulty(steps, pass, plant) : steps),
    component,
    ...(body === undefined ? {} : { with: body }),
  });
}

describe('bisectComponents', () => {
  it.each(planted)('names what %s', async (_what, one) => {
    const [result, ...more] = await bisectWith(one);
    expect(more).toEqual([]);
    const faults = result?.passes.filter(({ faulty: is }) => is).map(({ pass }) => pass.replace(/\{.*/, ''));
    expect(faults).toEqual([one.pass]);
    const { fault, reproduction } = result ?? {};
    expect(fault).toMatchObject({ component: one.component, kind: 'values', block: one.block });
    expect(fault?.node?.culprit).toMatchObject({
      operator: one.operator,
      name: expect.stringMatching(one.node),
    });
    expect(reproduction?.nodes).toBeLessThanOrEqual(one.nodes);
    expect(reproduction?.before.graph.nodeCount).toBe(reproduction?.nodes);
    if (one.weight === undefined) return;
    const [name, kind, what] = one.weight;
    expect(fault?.node?.tensors).toEqual([
      expect.objectContaining({ name, kind, what: expect.stringMatching(what) }),
    ]);
  });

  it.each(planted)('leaves files that show what %s, and no fault without it', async (_what, one) => {
    const folder = await mkdtemp(join(tmpdir(), 'bisect-'));
    try {
      await bisectWith(one, async ([result]) => {
        const { fault, reproduction } = result ?? {};
        if (fault === undefined || reproduction === undefined) throw new Error('nothing was found');
        const files = await writeReproducer(fault, reproduction, {
          root: folder,
          constantsPath: join(folder, 'constants'),
          write: { memoryBytes: 2 ** 30, jobs: 1, nonFinite: 'keep' },
          signal: new AbortController().signal,
        });
        const own = join(folder, one.component);
        expect(files.map(({ path }) => path)).toContain(`${one.component}/README.md`);
        const command = showCommand(fault, reproduction);
        expect(await readFile(join(own, 'README.md'), 'utf8')).toContain(command);
        const [, first = '', second = '', inputs = '', limit = ''] =
          /^vlm-convert compare (\S+) (\S+) --inputs (\S+) --gate max=(\S+)$/.exec(command) ?? [];
        const shown = await compare({
          first: join(own, first),
          second: join(own, second),
          inputs: join(own, inputs),
          gate: { max: Number(limit) },
        });
        expect(shown).toMatchObject({ passed: false, failure: { code: 'VC6203' } });
        const recorded = await readInputs(join(own, inputs));
        expect(await soundError(join(own, 'before.onnx'), fault.pass, recorded)).toBeLessThanOrEqual(
          Number(limit),
        );
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reduces a graph on which a pass throws', async () => {
    const [result] = await bisectWith({
      ...sound,
      plant: (model) => {
        for (const node of nodesOf(model, 'block.1', attention)) throw fail('VC3201', { where: node.name });
      },
    });
    expect(result?.fault).toMatchObject({
      pass: 'fuse-attention',
      kind: 'pass',
      thrown: { code: 'VC3201', where: 'block.1/MultiHeadAttention' },
    });
    const nodes = [...(result?.reproduction?.before.graph.nodes() ?? [])].map(({ op }) => op);
    expect(nodes).toEqual(['MatMul', 'Softmax', 'MatMul']);
  });

  it('names a pass whose graph fails when it runs, and the block', async () => {
    const [result] = await bisectWith({
      ...sound,
      plant: (model) => {
        const [node] = nodesOf(model, 'block.1', attention);
        const value = node?.input(0);
        if (node === undefined || value === undefined) return;
        const bytes = new Uint8Array(BigInt64Array.of(999n).buffer);
        const row = model.graph.addInitializer(
          model.graph.freshName('row'),
          inlineTensor('int64', [1], bytes),
        );
        const made = model.graph.addNode({ op: 'Gather', inputs: [value, row], name: 'beyond' }, node).output;
        model.graph.setType(made, value.type);
        model.graph.setInput(node, 0, made);
      },
    });
    expect(result?.fault).toMatchObject({
      pass: 'fuse-attention',
      kind: 'runtime',
      block: 'block.1',
      thrown: { code: 'VC6004', found: expect.stringContaining('beyond') },
    });
    expect(result?.reproduction).toMatchObject({ nodes: 3, thrown: { code: 'VC6004' } });
  });

  it('names a pass that gives other outputs', async () => {
    const [result] = await bisectWith({
      ...sound,
      component: 'decoder',
      plant: ({ graph }) => graph.setOutputs(graph.outputs.slice(1)),
    });
    expect(result?.fault).toMatchObject({ pass: 'fuse-attention', kind: 'pass', thrown: { code: 'VC6102' } });
  });

  it('blames the first of two passes that are wrong, though the second one fails earlier in the graph', async () => {
    const [result] = await bisectCase({
      golden: goldenCase('qwen-vl/tiny-long'),
      options: { precision: 'int4' },
      component: 'vision',
      steps: (id, steps) => {
        if (id !== 'vision') return steps;
        const scaled = (model: Model, name: string): void =>
          changeLater(model, model.graph.value(name), (bytes) => new Float32Array(bytes.buffer).fill(0.5));
        const one = faulty(steps, 'fuse-attention', (model) => scaled(model, squareWeight));
        const bias = 'transformer.visual.transformer.resblocks.0.attn.out_proj.bias';
        return faulty(one, 'int4', (model) => scaled(model, bias));
      },
    });
    expect(result?.fault).toMatchObject({ pass: 'fuse-attention', block: 'block.1' });
  });
});

/** What the wrong parts above are added to. */
const sound: Planted = {
  precision: 'fp32',
  component: 'vision',
  pass: 'fuse-attention',
  plant: () => {},
  block: '',
  node: /^$/,
  operator: '',
  nodes: 0,
};

/** The largest error that the pass, as it is, makes of a model in a file. */
async function soundError(
  path: string,
  pass: string,
  inputs: ReadonlyMap<string, RunTensor>,
): Promise<number> {
  const { model, close } = await openModel(path);
  try {
    const [stage] = (await tracePasses(model, parsePipeline(pass), targets)).stages;
    if (stage === undefined) return 0;
    const run = async (one: Model): Promise<ReadonlyMap<string, RunTensor>> => {
      const session = await openInMemory(one);
      try {
        const names = one.graph.inputs.map(({ name }) => name);
        return await session.run(new Map([...inputs].filter(([name]) => names.includes(name))));
      } finally {
        await session.release();
      }
    };
    const [expected, found] = [await run(stage.fair), await run(stage.after)];
    return Math.max(
      ...[...expected].map(([name, value]) => {
        const other = found.get(name);
        return other === undefined ? Number.POSITIVE_INFINITY : valueError(value, other).max;
      }),
    );
  } finally {
    await close();
  }
}
