/** The whole of parity on a tiny model: a sound conversion passes, and every planted fault is met by a gate. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/model.ts';
import { withoutActivationQuantization } from '../../src/parity/activation-quantization.ts';
import { type Precision, parseGates } from '../../src/parity/gates.ts';
import { renderJson } from '../../src/parity/report/json.ts';
import { renderMarkdown } from '../../src/parity/report/markdown.ts';
import type { ParityReport } from '../../src/parity/report/report.ts';
import { type ParityRequest, parityFailure, runParity } from '../../src/parity/run-parity.ts';
import type { BuildName } from '../../src/parity/stream/builds.ts';
import type { Progress } from '../../src/report/progress.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import {
  type Build,
  image,
  makeTinyVlm,
  markers,
  type Packed,
  recipe,
  streamOf,
  type TinyVlm,
} from './tiny-vlm.ts';

let reference: TinyVlm;

function request(
  precision: Precision,
  converted: TinyVlm,
  others: Readonly<Partial<Record<BuildName, TinyVlm>>> = {},
): ParityRequest {
  return {
    subject: {
      tool: { name: 'vlm-convert', version: '0.0.0' },
      model: { name: 'tiny', architecture: 'test' },
      options: {},
      precision: { vision: precision, embed: 'fp32', decoder: precision },
      passes: [],
      coverage: [],
      warnings: [],
    },
    recipe,
    image,
    stream: streamOf({ reference, plain: reference, converted, ...others }),
  };
}

/** `fidelity.features.max`, each failed gate once. */
function failures(report: ParityReport): string[] {
  const keys = report.gates
    .filter((gate) => !gate.passed)
    .map((gate) => `${gate.level}.${gate.output}.${gate.metric}`);
  return [...new Set(keys)];
}

beforeAll(async () => {
  reference = await makeTinyVlm();
});

describe('a sound float32 conversion', () => {
  it('passes with errors of zero, and says what it looked at', async () => {
    const steps: Progress[] = [];
    const report = await runParity({
      ...request('fp32', reference),
      onProgress: (progress) => steps.push(progress),
    });
    expect(failures(report)).toEqual([]);
    expect(report.passed).toBe(true);
    expect(parityFailure(report)).toBeUndefined();
    for (const level of report.levels) {
      for (const { metrics } of level.outputs) expect(metrics.maxAbs.value).toBe(0);
    }
    const fidelity = report.levels.find((level) => level.level === 'fidelity');
    expect(fidelity?.outputs.map(({ output, feed }) => `${output} ${feed}`)).toEqual([
      'features local',
      'embeds local',
      'logits chain',
      'cache chain',
    ]);
    // Every prompt position and decode step, and every head and slot of both layers' keys and values.
    const positions = report.sample.prompts.reduce((sum, { tokens }) => sum + tokens + 8, 0);
    const rows = Object.fromEntries(
      (fidelity?.outputs ?? []).map(({ output, metrics }) => [output, metrics.rows]),
    );
    expect(rows).toEqual({ features: 8, embeds: positions, logits: positions, cache: positions * 4 * 2 * 2 });
    expect(fidelity?.greedy).toEqual([0, 1, 2].map((prompt) => ({ prompt, agreed: 9, of: 9 })));
    expect(steps.at(-1)).toMatchObject({ done: steps.length - 1, total: steps.length - 1 });
  });

  it('reports the same numbers each time', async () => {
    const stable = async () => {
      const { timing, ...report } = await runParity(request('fp32', reference));
      expect(Object.keys(timing)).toHaveLength(3);
      return renderJson({ ...report, timing: {} });
    };
    expect(await stable()).toBe(await stable());
  });
});

describe('planted faults in float32', () => {
  const faults: readonly [string, Build, string][] = [
    [
      'one weight of the tower is off by a tenth',
      { alter: (name, w) => name === 'vision.tile.down' && scale(w, 0, 1, 1.1) },
      'fidelity.features.max',
    ],
    [
      'a row of the decoder is scaled',
      { alter: (name, w) => name === 'decoder.1.down' && scale(w, 0, 64, 1.001) },
      'fidelity.logits.max',
    ],
    [
      'only the cached values are wrong',
      { alter: (name, w) => name === 'decoder.1.v' && scale(w, 0, 64, 1.01) },
      'fidelity.cache.max',
    ],
    [
      'the embedding table is shifted by one id',
      { alter: (name, w) => name === 'embed.table' && w.copyWithin(64, 0) },
      'fidelity.embeds.max',
    ],
    ['the views change places', { finish: swapViews }, 'fidelity.features.max'],
    [
      'a weight is not a number',
      { alter: (name, w) => name === 'decoder.0.k' && w.fill(Number.NaN, 0, 1) },
      'fidelity.logits.finite',
    ],
    ['the prefill length is forgotten in decode', { finish: forgetLength }, 'fidelity.logits.max'],
  ];

  it.each(faults)('are met when %s', async (_what, build, gate) => {
    const report = await runParity(request('fp32', await makeTinyVlm(build)));
    expect(report.passed).toBe(false);
    expect(failures(report)).toContain(gate);
    expect(failures(report)).toContain(gate.replace('fidelity', 'implementation'));
    expect(parityFailure(report)?.code).toBe('VC6201');
    expect(renderMarkdown(report)).toContain('**FAILED**');
  });

  it('are traced to their component: a fault of the tower is not one of the decoder fed locally', async () => {
    const build: Build = { alter: (name, w) => name === 'vision.tile.up' && scale(w, 0, 64, 1.5) };
    const report = await runParity(request('fp32', await makeTinyVlm(build)));
    const logits = report.gates.filter((gate) => gate.output === 'logits' && gate.metric === 'max');
    expect(logits.filter((gate) => gate.feed === 'local').every((gate) => gate.passed)).toBe(true);
    expect(logits.find((gate) => gate.feed === 'chain')?.passed).toBe(false);
  });

  it('are placed: the tile, the token, the position', async () => {
    const global = await runParity(
      request(
        'fp32',
        await makeTinyVlm({ alter: (name, w) => name === 'vision.global.up' && scale(w, 0, 64, 1.5) }),
      ),
    );
    const worst = (report: ParityReport, output: string) =>
      report.levels[0]?.outputs.find((result) => result.output === output)?.metrics;
    expect(worst(global, 'features')?.worstCosine.where).toMatch(/^global view, token \d$/);
    const marker = await runParity(
      request(
        'fp32',
        await makeTinyVlm({
          alter: (name, w) => name === 'embed.table' && scale(w, markers.startId * 64, 64, 2),
        }),
      ),
    );
    expect(worst(marker, 'embeds')?.maxAbs.where).toMatch(/^prompt [01], position [05] \(text\), channel/);
  });
});

describe('quantized weights', () => {
  const quantized = (bits: 4 | 8, build: Build = {}): Build => ({ bits, ...build });

  /** The converted model against plain matrices of the same quantized values. */
  async function run(bits: 4 | 8, build: Build = {}): Promise<ParityReport> {
    const converted = await makeTinyVlm(quantized(bits, build));
    const plain = await makeTinyVlm(quantized(bits, { dequantized: true }));
    return runParity(request(`int${bits}`, converted, { plain }));
  }

  it.each([4, 8] as const)('of %i bits pass both levels', async (bits) => {
    const report = await run(bits);
    expect(failures(report)).toEqual([]);
    // The errors of fidelity are real: the level sees the rounding of the weights.
    const fidelity = report.levels.find((level) => level.level === 'fidelity');
    expect(fidelity?.outputs[0]?.metrics.relative).toBeGreaterThan(bits === 4 ? 0.02 : 0.002);
  });

  /** Faults of one matrix, or of one block of it: the implementation level has to see them. */
  const small: readonly [string, (bits: 4 | 8) => Build][] = [
    [
      'one zero point of one block is off by one',
      () => ({ corrupt: only('decoder.0.q', bumpFirstZeroPoint) }),
    ],
    [
      'the halves of the bytes of one matrix are swapped',
      (bits) => ({ corrupt: only('decoder.1.down', swapCodes(bits)) }),
    ],
    [
      'the blocks of one matrix are shifted by one',
      (bits) => ({ corrupt: only('vision.tile.up', shiftBlocks(bits)) }),
    ],
    ['the scales of one matrix are shifted by one', () => ({ corrupt: only('decoder.head', shiftScales) })],
  ];

  it.each(
    ([4, 8] as const).flatMap((bits) => small.map(([what, build]) => [bits, what, build(bits)] as const)),
  )('of %i bits fail the implementation when %s', async (bits, _what, build) => {
    const report = await run(bits, build);
    expect(failures(report).filter((key) => key.startsWith('implementation'))).not.toEqual([]);
  });

  /** Faults of a quantizer, which its own de-quantized values would share: fidelity has to see them. */
  const large: readonly [string, (bits: 4 | 8) => Build][] = [
    [
      'zero points are ignored',
      (bits) => ({ corrupt: (_, p) => p.zeroPoints.fill(bits === 4 ? 0x88 : 0x80) }),
    ],
    ['codes are packed in the wrong order', (bits) => ({ corrupt: (_, p) => swapCodes(bits)(p) })],
    ['blocks are shifted', (bits) => ({ corrupt: (_, p) => shiftBlocks(bits)(p) })],
    ['scales are shifted', () => ({ corrupt: (_, p) => shiftScales(p) })],
  ];

  it.each(
    ([4, 8] as const).flatMap((bits) => large.map(([what, build]) => [bits, what, build(bits)] as const)),
  )('of %i bits fail fidelity when %s', async (bits, _what, build) => {
    const converted = await makeTinyVlm(quantized(bits, build));
    const report = await runParity(request(`int${bits}`, converted, { plain: converted }));
    expect(failures(report).filter((key) => key.startsWith('implementation'))).toEqual([]);
    const blocks = report.gates.filter(({ output, level }) => output === 'blocks' && level === 'fidelity');
    const off = blocks.flatMap(({ passed, component }) => (passed ? [] : [component]));
    expect(off).toContain('decoder');
  });

  it('with int8 activations pass the implementation without them, and would fail with them', async () => {
    const plain = await makeTinyVlm(quantized(8, { dequantized: true }));
    const converted = await makeTinyVlm({ ...quantized(8), accuracyLevel: 4 });
    const exact = new Map(
      [...converted].flatMap(([id, model]) => {
        const without = withoutActivationQuantization(model);
        return without === undefined ? [] : [[id, without] as const];
      }),
    );
    // The table is not quantized: there is nothing to take out.
    expect([...exact.keys()]).toEqual(['vision', 'decoder']);
    const report = await runParity(request('int8', converted, { plain, exact }));
    expect(failures(report)).toEqual([]);
    const naive = await runParity(request('int8', converted, { plain }));
    expect(failures(naive)).toContain('implementation.logits.max');
    expect(failures(naive).filter((key) => key.startsWith('fidelity'))).toEqual([]);
  });
});

describe('rewritten graphs', () => {
  /** What the level looked at, and the steps that it announced and took. */
  async function rewriteOf(components: readonly string[], build: Build = {}) {
    const models = await makeTinyVlm(build);
    const rewritten = new Map([...models].filter(([id]) => components.includes(id)));
    const steps: Progress[] = [];
    const report = await runParity({
      ...request('int4', reference, { rewritten }),
      onProgress: (progress) => steps.push(progress),
    });
    expect(steps.at(-1)).toMatchObject({ done: steps.length - 1, total: steps.length - 1 });
    const level = report.levels.find((one) => one.level === 'rewrite');
    return { report, outputs: level?.outputs.map(({ output, feed }) => `${output} ${feed}`) };
  }

  it.each([
    [['vision'], ['features local']],
    [['embed'], ['embeds local']],
    [['decoder'], ['logits local', 'cache local']],
    [
      ['vision', 'decoder'],
      ['features local', 'logits local', 'cache local'],
    ],
    [[], undefined],
  ] as const)('of %j are compared and nothing else', async (components, outputs) => {
    const sound = await rewriteOf(components);
    expect(failures(sound.report)).toEqual([]);
    expect(sound.outputs).toEqual(outputs);
  });

  it('are held to the reference, each alone', async () => {
    const tower: Build = { alter: (name, w) => name === 'vision.tile.up' && scale(w, 0, 64, 1.5) };
    const { report } = await rewriteOf(['vision', 'decoder'], tower);
    expect(failures(report)).toEqual(
      ['blocks', 'features'].flatMap((output) => [`rewrite.${output}.max`, `rewrite.${output}.relative`]),
    );
    const head: Build = { alter: (name, w) => name === 'decoder.1.down' && scale(w, 0, 64, 1.01) };
    expect(failures((await rewriteOf(['decoder'], head)).report)).toContain('rewrite.logits.max');
  });
});

describe('what cannot be compared', () => {
  const code = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'nothing thrown',
      (error: { code?: string }) => error.code ?? String(error),
    );

  it('is an error: an output that the other lacks', async () => {
    const fewer = await makeTinyVlm({
      finish: (_, model) => model.graph.setOutputs(model.graph.outputs.slice(0, -1)),
    });
    expect(await code(runParity(request('fp32', fewer)))).toBe('VC6102');
    expect(await code(runParity(request('fp32', reference, { reference: fewer })))).toBe('VC6102');
  });

  it('is an error: features that do not fill the span', async () => {
    const short = { ...image, tokens: image.tokens + 1 };
    expect(await code(runParity({ ...request('fp32', reference), image: short }))).toBe('VC6102');
  });

  it('is an error: a reference that is not finite', async () => {
    const broken = await makeTinyVlm({
      alter: (name, w) => name === 'vision.tile.down' && w.fill(Number.POSITIVE_INFINITY, 0, 1),
    });
    const asked = request('fp32', reference, { reference: broken, plain: broken });
    expect(await code(runParity(asked))).toBe('VC6104');
  });

  it('is an error: a component that has no builds', async () => {
    const rest = new Map([...reference].filter(([id]) => id !== 'vision'));
    expect(await code(runParity(request('fp32', rest, { reference: rest, plain: rest })))).toBe('VC6101');
  });
});

it('stops when it is asked to', async () => {
  const abort = new AbortController();
  let steps = 0;
  const running = runParity({
    ...request('fp32', reference),
    signal: abort.signal,
    onProgress: () => {
      steps += 1;
      if (steps === 3) abort.abort(new Error('asked to stop'));
    },
  });
  await expect(running).rejects.toThrow('asked to stop');
  expect(steps).toBe(3);
});

it('takes limits from the user, also ones that nothing passes', async () => {
  const converted = await makeTinyVlm({
    alter: (name, w) => name === 'decoder.1.down' && scale(w, 0, 64, 1.001),
  });
  const loose = parseGates(
    Object.fromEntries(
      ['implementation', 'fidelity'].flatMap((level) =>
        ['logits.max', 'logits.relative', 'logits.kl', 'blocks.max', 'blocks.relative'].map((key) => [
          `${level}.${key}`,
          1,
        ]),
      ),
    ),
  );
  expect((await runParity({ ...request('fp32', converted), gates: loose })).passed).toBe(true);
  const tight = parseGates({ 'logits.mean': 0 });
  const report = await runParity({ ...request('fp32', converted), gates: [...loose, ...tight] });
  expect(failures(report)).toEqual(['fidelity.logits.mean']);
});

describe('reports', () => {
  it('put the verdict first and show tiles, weights, warnings and the sample', async () => {
    const base = request('fp32', reference);
    const report = await runParity({
      ...base,
      image: {
        ...image,
        views: [{ kind: 'tile', row: 0, column: 0, adapter: 3, trained: false }, { kind: 'global' }],
      },
      subject: {
        ...base.subject,
        coverage: [
          {
            component: 'decoder',
            use: 'MatMul',
            format: 'float32',
            reason: 'a | b',
            weights: 2,
            bytesBefore: 4096,
            bytesAfter: 2048,
          },
        ],
      },
    });
    const text = renderMarkdown(report);
    expect(text.split('\n').slice(0, 3)).toEqual([
      '# Parity report',
      '',
      `**Passed**: all ${report.gates.length} gates.`,
    ]);
    expect(text).toContain('- tile row 0 column 0: adapter 3');
    expect(text).toContain('| decoder | MatMul | float32 | 2 | 4.0 KiB | 2.0 KiB | a \\| b |');
    expect(text).toContain('vision, converted: 10 of 10 nodes ran on CPUExecutionProvider');
    expect(text).toMatch(/3 prompts: 22 tokens \(8 of the picture\)/);
    const json = JSON.parse(renderJson(report)) as ParityReport;
    expect(json.version).toBe(1);
    expect(json.levels.map((level) => level.level)).toEqual(['implementation', 'fidelity']);
    expect(json.sample.picture?.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('show numbers that are not finite as failed, in JSON as null', async () => {
    const converted = await makeTinyVlm({
      alter: (name, w) => name === 'decoder.head' && w.fill(Number.NaN, 0, 1),
    });
    const report = await runParity(request('fp32', converted));
    expect(renderMarkdown(report)).toContain('not finite');
    const json = JSON.parse(renderJson(report)) as ParityReport;
    const gate = json.gates.find(({ output, metric }) => output === 'logits' && metric === 'kl');
    expect(gate?.value).toBeNull();
    expect(gate?.passed).toBe(false);
  });
});

function scale(weights: Float32Array, from: number, n: number, factor: number): void {
  for (let i = from; i < from + n; i += 1) weights[i] = (weights[i] ?? 0) * factor;
}

function swapViews(id: string, model: Model): void {
  if (id !== 'vision') return;
  for (const node of model.graph.nodes()) {
    if (node.opType !== 'Concat') continue;
    const [first, second] = node.inputs;
    model.graph.setInput(node, 0, second ?? null);
    model.graph.setInput(node, 1, first ?? null);
  }
}

/** Reads the length of what is fed now instead of that of the prefill. */
function forgetLength(id: string, model: Model): void {
  if (id !== 'decoder') return;
  const { graph } = model;
  const length = graph.value('rope_length');
  const embeds = graph.value('inputs_embeds');
  const cast = length?.consumers()[0];
  if (length === undefined || embeds === undefined || cast === undefined) throw new Error('no rope_length');
  const one = graph.addInitializer(
    'one',
    inlineTensor('int64', [], new Uint8Array(BigInt64Array.of(1n).buffer)),
  );
  const shape = graph.addNode({ op: 'Shape', inputs: [embeds] }, cast);
  const now = graph.addNode({ op: 'Gather', inputs: [shape.output, one] }, cast);
  const zero = graph.addNode({ op: 'Sub', inputs: [length, length] }, cast);
  const sum = graph.addNode({ op: 'Add', inputs: [zero.output, now.output] }, cast);
  graph.setInput(cast, 0, sum.output);
}

function only(name: string, change: (packed: Packed) => void): NonNullable<Build['corrupt']> {
  return (weight, packed) => {
    if (weight === name) change(packed);
  };
}

function bumpFirstZeroPoint({ zeroPoints }: Packed): void {
  zeroPoints[0] = (zeroPoints[0] ?? 0) ^ 1;
}

/** 4 bits: the high half first. 8 bits: neighbours change places. */
function swapCodes(bits: 4 | 8): (packed: Packed) => void {
  return ({ values }) => {
    const old = Uint8Array.from(values);
    for (let i = 0; i < values.length; i += 1) {
      const byte = old[i] ?? 0;
      values[i] = bits === 4 ? (byte >> 4) | (byte << 4) : (old[i ^ 1] ?? 0);
    }
  };
}

/** Blocks are of 16 weights. */
function shiftBlocks(bits: 4 | 8): (packed: Packed) => void {
  return ({ values }) => {
    values.copyWithin(bits * 2, 0);
  };
}

function shiftScales({ scales }: Packed): void {
  scales.copyWithin(1, 0);
}
