/** `vlm-convert opt` on the command line: passes one by one, files, and a pass that fails and is met again. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tensorType } from '../../src/graph/types.ts';
import { deadCode } from '../../src/passes/dead-code.ts';
import { passes } from '../../src/passes/registry.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { deviations, recordedRuns } from '../formats/onnx/recorded-runs.ts';
import { writeModel } from '../formats/onnx/write-model.ts';
import { fixtures } from '../golden-folders.ts';
import { buildModel, randomWeight } from '../support/run-model.ts';
import { runMain } from './run-main.ts';

const bert = join(fixtures, 'onnx-import/bert-ts14-eager-mask');
const model = join(bert, 'model.onnx');
let root = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'vlm-opt-')));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

const opt = (...argv: string[]) => runMain(['opt', ...argv], { cwd: root });
const codeOf = async (...argv: string[]) => {
  const { code, err } = await opt(...argv);
  return [code, /^error (VC\d+)/m.exec(err)?.[1]];
};

/** x · w, twice; `w` of 4 MiB stands in a data file. */
async function products(): Promise<string> {
  const built = buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['n', 1024]));
    const w = b.weight('w', randomWeight('w', [1024, 1024], 1));
    b.output('y', b.op('Identity', [b.op('MatMul', [b.op('MatMul', [x, w]), w])]));
  });
  return (await writeModel(join(root, 'm'), built, { fileName: 'm' })).path;
}

/** The pass dead-code leaves a product whose sides do not fit. */
function breakDeadCode(): void {
  vi.spyOn(deadCode, 'run').mockImplementation(({ graph }) => {
    const bad = graph.addInitializer('bad', inlineTensor('float32', [3, 5], new Uint8Array(60)));
    const wrong = graph.addNode({ op: 'MatMul', inputs: [bad, bad], name: 'wrong' });
    graph.setOutputs([...graph.outputs, wrong.output]);
    return { changed: true, stats: {} };
  });
}

describe('opt', () => {
  it('says what each pass did, and prints the graph', async () => {
    const { code, out, err } = await opt(model, '--passes', 'fold,int4{block=16},dead-code');
    expect(code).toBe(0);
    expect(err).toMatch(/^fold +[\d.]+ ms {2}286 -> \d+ nodes .*equal \d+/m);
    expect(err).toMatch(/^int4 +[\d.]+ ms .*matmul 13/m);
    expect(out).toMatch(/^model ai\.onnx 14, com\.microsoft 1\ngraph main_graph \{/);
    expect(out).toContain('com.microsoft::MatMulNBits(');
  });

  it('runs the pipeline of a conversion where none is given', async () => {
    const { out } = await opt(model, '--json');
    const { passes: text, steps, ok } = JSON.parse(out);
    expect(ok).toBe(true);
    expect(text).toMatch(/^inline-functions,upgrade-opset,fold,.*,dead-code$/);
    expect(steps.map(({ name }: { name: string }) => name).join()).toBe(text);
    expect(steps[2]).toMatchObject({ name: 'fold', changed: true, nodes: { before: 286 } });
  });

  it('prints graphs before and after passes, in their order, and stops where it is told to', async () => {
    const path = await products();
    const { out, err } = await opt(
      ...[path, '--passes', 'dead-code,fold,int4,dead-code', '--stop-after', 'int4'],
      ...['--print-before', 'fold', '--print-after', 'all'],
    );
    expect([...out.matchAll(/^# (.*)$/gm)].map(([, title]) => title)).toEqual([
      'after dead-code',
      'before fold',
      'after fold',
      'after int4',
    ]);
    const [, , before = '', after = ''] = out.split(/^# .*$/m);
    expect(before).toContain('Identity(');
    expect(after).not.toContain('Identity(');
    expect(err.match(/^\S+/gm)).toEqual(['dead-code', 'fold', 'int4']);
    const json = JSON.parse((await opt(path, '--passes', 'fold', '--print-after', 'fold', '--json')).out);
    expect(json.graphs).toEqual([{ title: 'after fold', text: after.trimStart().replace(/\n$/, '') }]);
  });

  it('adds up where the time went', async () => {
    const { err } = await opt(model, '--passes', 'fold,dead-code', '--timing', '-o', 'out.onnx');
    const rows = [...err.slice(err.indexOf('Time:')).matchAll(/^ {2}(.+?) +([\d.]+) ms +(\d+) %$/gm)];
    expect(rows.map(([, what]) => what)).toEqual([
      ...['read', 'fold', 'dead-code', 'inference, verification', 'write or print', 'in all'],
    ]);
    const spent = rows.map(([, , time]) => Number(time));
    const sum = spent.slice(0, -1).reduce((a, b) => a + b, 0);
    expect(Math.abs(sum - (spent.at(-1) ?? 0))).toBeLessThan(0.5);
  });

  it('lists every pass with its options and their defaults', async () => {
    const { out, code } = await opt('--list-passes');
    expect(code).toBe(0);
    const lines = out.split('\n').map((line) => line.replace(/ {2,}/, '  '));
    for (const { name, summary } of passes) expect(lines).toContain(`${name}  ${summary}`);
    expect(out).toContain('block=<16 | 32 | 64 | 128 | 256>, default 32');
    expect(out).toContain('resolution=<text>, may be given without its name');
    const { passes: listed } = JSON.parse((await opt('--list-passes', '--json')).out);
    expect(listed.find(({ name }: { name: string }) => name === 'int4').options).toContainEqual({
      name: 'symmetric',
      takes: 'true | false',
      default: false,
      positional: false,
    });
  });

  it('refuses what it cannot do', async () => {
    expect(await codeOf()).toEqual([3, 'VC4016']);
    expect(await codeOf(model, '--passes', 'fold,int5')).toEqual([3, 'VC4402']);
    expect(await codeOf(model, '--passes', 'fold,int4{block=33}')).toEqual([3, 'VC4403']);
    expect(await codeOf(model, '--passes', 'fold', '--stop-after', 'int4')).toEqual([3, 'VC4404']);
    expect(await codeOf(model, '--passes', 'fold', '--print-before', 'fodl')).toEqual([3, 'VC4404']);
    expect((await opt(model, '--passes', 'fold', '--print-before', 'fodl')).err).toContain(
      'did you mean "fold"?',
    );
    expect(await codeOf(model, '--target', 'toaster')).toEqual([3, 'VC4002']);
    expect(await codeOf(join(root, 'missing.onnx'))).toEqual([4, 'VC2001']);
    expect(await codeOf('--reproduce', root)).toEqual([3, 'VC4017']);
    writeFileSync(join(root, 'reproducer.json'), '{"tool":"vlm-convert","schema":1,"model":"/etc/passwd"}');
    expect(await codeOf('--reproduce', root)).toEqual([3, 'VC4017']);
  });

  it('has a help of its own', async () => {
    const { out } = await opt('--help');
    for (const flag of ['--print-after', '--stop-after', '--list-passes', '-o, --output']) {
      expect(out).toContain(flag);
    }
    expect((await runMain(['--help'])).out).toContain('vlm-convert opt <model.onnx>');
  });
});

describe('the file that opt writes', () => {
  it('computes what the model computes', async () => {
    const { out, code } = await opt(model, '-o', 'new/out.onnx', '--passes', 'fold,dead-code');
    expect([code, out]).toEqual([0, expect.stringMatching(/^Wrote new\/out\.onnx: 2 files, /)]);
    expect(readdirSync(join(root, 'new')).sort()).toEqual(['out.onnx', 'out.onnx_data']);
    for (const run of await recordedRuns(bert, 'model.onnx')) {
      expect(await deviations(join(root, 'new/out.onnx'), run)).toEqual([]);
    }
  });

  it('replaces one only when told to, and then model and data together', async () => {
    const path = await products();
    const text = ['--passes', 'dead-code'];
    expect(await codeOf(path, '-o', 'out.onnx', ...text)).toEqual([0, undefined]);
    const first = readFileSync(join(root, 'out.onnx'));
    expect(await codeOf(path, '-o', 'out.onnx', ...text)).toEqual([5, 'VC5101']);
    expect(readFileSync(join(root, 'out.onnx'))).toEqual(first);
    expect(await codeOf(path, '-o', 'out.onnx', '--force', '--passes', 'int8')).toEqual([0, undefined]);
    // The data took a name that was free; that of the model before is gone.
    expect(readdirSync(root).sort()).toEqual(['m', 'out.onnx', 'out_2.onnx_data']);
    expect(await codeOf(path, '-o', 'out.onnx', '--force', ...text)).toEqual([0, undefined]);
    expect(readdirSync(root).sort()).toEqual(['m', 'out.onnx', 'out.onnx_data']);
    expect(readFileSync(join(root, 'out.onnx'))).toEqual(first);
  });

  it('leaves input and output as they were when it fails', async () => {
    const path = await products();
    const inputs = () =>
      readdirSync(join(root, 'm')).map((name) => [name, statSync(join(root, 'm', name)).mtimeMs]);
    const standing = inputs();
    expect(await codeOf(path, '-o', path, '--force')).toEqual([5, 'VC5102']);
    mkdirSync(join(root, 'folder.onnx'));
    expect(await codeOf(path, '-o', 'folder.onnx', '--force')).toEqual([5, 'VC5103']);
    expect(await codeOf(path, '-o', 'out.bin')).toEqual([5, 'VC5103']);
    expect(inputs()).toEqual(standing);
    expect(await codeOf(path, '-o', 'out.onnx', '--passes', 'dead-code')).toEqual([0, undefined]);
    const first = readFileSync(join(root, 'out.onnx'));
    // The weights end before they should.
    vi.spyOn(deadCode, 'run').mockImplementation(() => {
      truncateSync(join(root, 'm/m.onnx_data'), 4096);
      return { changed: false, stats: {} };
    });
    expect((await codeOf(path, '-o', 'out.onnx', '--force', '--passes', 'int4,dead-code'))[0]).toBe(4);
    expect(readFileSync(join(root, 'out.onnx'))).toEqual(first);
    expect(readdirSync(root).sort()).toEqual(['folder.onnx', 'm', 'out.onnx', 'out.onnx_data']);
  });
});

describe('a pass that fails', () => {
  it('leaves what is needed to meet it again', async () => {
    breakDeadCode();
    const { code, err } = await opt(
      model,
      '--passes',
      'fold,dead-code,int4{block=16}',
      '--reproducer',
      'bad',
    );
    expect(code).toBe(1);
    expect(err).toContain(`vlm-convert opt --reproduce ${join(root, 'bad')}`);
    expect(err).toMatch(/error VC3201[\s\S]*after dead-code[\s\S]*VC3101/);
    expect(readdirSync(join(root, 'bad')).sort()).toEqual([
      ...['README.md', 'before.onnx', 'graph.txt', 'reproducer.json'],
    ]);
    expect(JSON.parse(readFileSync(join(root, 'bad/reproducer.json'), 'utf8'))).toMatchObject({
      pass: 'dead-code',
      passes: 'dead-code,int4{block=16}',
      targets: ['cpu', 'webgpu'],
      error: { code: 'VC3201' },
      source: { model: 'model.onnx', passes: 'fold' },
      model: true,
    });
    // The pass before it had done its work.
    expect(readFileSync(join(root, 'bad/graph.txt'), 'utf8')).not.toContain('Constant(');

    const again = await opt('--reproduce', 'bad', '--reproducer', 'again');
    expect(again.err).toMatch(/error VC3201[\s\S]*after dead-code[\s\S]*VC3101/);
    // What passes would compute when it is written stands in the model as a value.
    const graph = (folder: string) => readFileSync(join(root, folder, 'graph.txt'), 'utf8');
    expect(graph('again')).toBe(graph('bad').replaceAll(/transpose\((inline)\)/g, '$1'));
    vi.restoreAllMocks();
    const mended = await opt('--reproduce', 'bad');
    expect(mended.code).toBe(0);
    expect(mended.out).toContain('com.microsoft::MatMulNBits(');
  });

  it('leaves the way to the graph where its weights are large', async () => {
    const built = buildModel((b) => {
      const x = b.input('x', tensorType('float32', ['n', 4096]));
      const w = b.weight('w', randomWeight('w', [4096, 4352], 1));
      b.output('y', b.op('Identity', [b.op('MatMul', [x, w])]));
    });
    const { path } = await writeModel(join(root, 'm'), built, { fileName: 'm' });
    breakDeadCode();
    const { code } = await opt(path, '--passes', 'fold,dead-code', '--reproducer', 'bad');
    expect(code).toBe(1);
    expect(existsSync(join(root, 'bad/before.onnx'))).toBe(false);
    expect(await codeOf('--reproduce', 'bad')).toEqual([3, 'VC4016']);
    const again = await opt(path, '--reproduce', 'bad', '--reproducer', 'again');
    expect(again.err).toMatch(/^fold .*identity 1/m);
    expect(again.err).toMatch(/error VC3201[\s\S]*after dead-code/);
  });

  it('tells --debug of other commands what it tells opt', async () => {
    breakDeadCode();
    const { err } = await runMain(['quantize', model, 'out', '--precision', 'int4', '--debug'], {
      cwd: root,
    });
    const [, folder = ''] = /opt --reproduce (\S+)\)/.exec(err) ?? [];
    try {
      expect((await opt('--reproduce', folder, '--reproducer', 'again')).err).toMatch(
        /VC3201[\s\S]*dead-code/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
