import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfigFile } from '../../src/cli/config-file.ts';
import { convertHelp } from '../../src/cli/help.ts';
import { optionTable } from '../../src/cli/options.ts';
import { parseCommandLine } from '../../src/cli/program.ts';
import { configJsonSchema, parseOptionValues } from '../../src/cli/schema.ts';
import { VlmError } from '../../src/report/diagnostics.ts';

function errorOf(body: () => unknown): VlmError {
  try {
    body();
  } catch (error) {
    if (error instanceof VlmError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** What a command line's flags come to. */
function flags(...argv: string[]): Readonly<Record<string, unknown>> {
  const request = parseCommandLine(argv);
  if (request.command !== 'convert') throw new Error('not a conversion');
  return parseOptionValues(request.raw, (key) => key);
}

describe('flags', () => {
  it.each([
    ['precision', '--precision', '__proto__=int4'],
    ['gate', '--gate', '__proto__=1'],
    ['target', '--target', '__proto__=cpu'],
  ])('drops no key of %s without a word', (key, flag, text) => {
    expect(errorOf(() => flags(flag, text)).code).toBe('VC4002');
    const [name = '', value = ''] = text.split('=');
    const raw: unknown = JSON.parse(`{"${name}": ${key === 'gate' ? value : `"${value}"`}}`);
    expect(errorOf(() => parseOptionValues({ [key]: raw }, (at) => at)).code).toBe('VC4002');
  });

  it('gives only what was given, so that defaults never hide the config file', () => {
    expect(flags()).toEqual({});
  });

  it('turns texts into values', () => {
    expect(
      flags(
        ...['in', 'out', '--resolution', '1544x896', '--tiling', 'cover', '--lora', 'factored'],
        ...['--lora-tiles', 'base', '--precision', 'vision=fp16,decoder=int4', '--block-size', '64'],
        ...['--symmetric', '--no-quantize-embeddings', '--no-parity', '--strict', '--dry-run', '--force'],
        ...['--memory', '512MiB', '--gate', 'logits.kl=0.05', '--gate', 'features.max=1e-3'],
        ...['--passes', 'vision:merge-lora,int4{block=32}', '--passes', 'decoder:dead-code'],
        ...['--sweep-resolutions', '448x448,1344x896'],
      ),
    ).toEqual({
      checkpoint: 'in',
      output: 'out',
      resolution: { width: 1544, height: 896 },
      tiling: 'cover',
      lora: 'factored',
      loraTiles: 'base',
      precision: { vision: 'fp16', decoder: 'int4' },
      blockSize: 64,
      symmetric: true,
      quantizeEmbeddings: false,
      parity: false,
      strict: true,
      dryRun: true,
      force: true,
      memory: 2 ** 29,
      gate: { 'logits.kl': 0.05, 'features.max': 0.001 },
      passes: { vision: 'merge-lora,int4{block=32}', decoder: 'dead-code' },
      sweepResolutions: [
        { width: 448, height: 448 },
        { width: 1344, height: 896 },
      ],
    });
  });

  it('takes one precision for all, one pipeline for all, and plain bytes', () => {
    expect(flags('--precision', 'int8', '--passes', 'fuse-attention', '--memory', '2097152')).toEqual({
      precision: 'int8',
      passes: 'fuse-attention',
      memory: 2097152,
    });
  });

  it('has the opposite of every switch', () => {
    for (const spec of optionTable.filter(({ type }) => type.kind === 'switch')) {
      const name = spec.flag.slice(2).replace(/^no-/, '');
      expect(flags(`--${name}`)).toEqual({ [spec.key]: true });
      expect(flags(`--no-${name}`)).toEqual({ [spec.key]: false });
    }
  });

  it('takes values by component', () => {
    expect(flags('--target', 'cpu,cuda')).toEqual({ target: ['cpu', 'cuda'] });
    expect(flags('--target', 'image_encoder=webgpu,decoder=cpu,cuda')).toEqual({
      target: { image_encoder: ['webgpu'], decoder: ['cpu', 'cuda'] },
    });
    expect(flags('--precision', 'audio_encoder=fp16,decoder=int4')).toEqual({
      precision: { audio_encoder: 'fp16', decoder: 'int4' },
    });
    expect(flags('--passes', 'audio_encoder:fold,dead-code', '--passes', 'decoder:int4{block=16}')).toEqual({
      passes: { audio_encoder: 'fold,dead-code', decoder: 'int4{block=16}' },
    });
  });

  it.each([
    ['--target', 'cpu,decoder=cuda'],
    ['--target', 'decoder=toaster'],
    ['--target', 'decoder=cpu,decoder=cuda'],
    ['--target', 'decoder='],
    ['--resolution', '0x0'],
    ['--resolution', '1e9x1e9'],
    ['--resolution', '1544'],
    ['--resolution', '-3x4'],
    ['--sweep-resolutions', ''],
    ['--sweep-resolutions', '448x448,'],
    ['--sweep-resolutions', '448x448;896x896'],
    ['--sweep-resolutions', Array.from({ length: 33 }, () => '448x448').join()],
    ['--tiling', 'fill'],
    ['--precision', 'int5'],
    ['--precision', 'vision=int5'],
    ['--precision', 'vision=fp16,vision=int4'],
    ['--block-size', '48'],
    ['--memory', '12KB'],
    ['--memory', '1KiB'],
    ['--gate', 'logits.kl'],
    ['--gate', 'logits.kl=soon'],
    ['--gate', 'logits.kl=-1'],
    ['--passes', ''],
  ])('refuses %s %s and says what it expects', (flag, value) => {
    const error = errorOf(() => flags(flag, value));
    expect(error.code).toBe('VC4002');
    expect(error.exitCode).toBe(3);
    expect(error.record.expected).toBeTruthy();
    expect(error.record.found).toContain(value.slice(0, 4));
  });

  it('suggests the flag that was meant', () => {
    const error = errorOf(() => parseCommandLine(['--resolutoin', '3x4']));
    expect(error.code).toBe('VC4001');
    expect(error.record.hint).toBe('did you mean --resolution?');
  });

  it('refuses a third folder, and a flag without its value', () => {
    expect(errorOf(() => parseCommandLine(['a', 'b', 'c'])).code).toBe('VC4001');
    expect(errorOf(() => parseCommandLine(['--resolution'])).code).toBe('VC4001');
  });

  it('reads the command inspect', () => {
    expect(parseCommandLine(['inspect', 'x.onnx', '--json'])).toEqual({
      command: 'inspect',
      path: 'x.onnx',
      raw: { json: true },
    });
  });
});

describe('help', () => {
  it('names every option with its text, and no line is wider than the terminal', () => {
    const help = convertHelp(90).replaceAll(/\s+/g, ' ');
    for (const spec of optionTable) expect(help).toContain(`${spec.flag} ${spec.help}`);
    const options = convertHelp(90).split('\nExamples:')[0] ?? '';
    for (const line of options.split('\n')) expect(line.length).toBeLessThanOrEqual(90);
  });
});

describe('config file', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vlm-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (text: string, name = 'vlm-convert.config.json'): void =>
    writeFileSync(join(folder, name), text);
  const codeOf = async (named?: string): Promise<string> => {
    try {
      await readConfigFile(named, folder);
    } catch (error) {
      if (error instanceof VlmError) return error.code;
      throw error;
    }
    return 'none';
  };

  it('is not missed where there is none', async () => {
    expect(await readConfigFile(undefined, folder)).toBeUndefined();
  });

  it('holds every option in the form of JSON or of the flag', async () => {
    write(
      JSON.stringify({
        $schema: './config.schema.json',
        checkpoint: 'model',
        resolution: '1544x896',
        precision: { vision: 'fp16' },
        blockSize: 64,
        parity: false,
        gate: { 'logits.kl': 0.5 },
        sweepResolutions: ['448x448', '896x896'],
        memory: '2GiB',
      }),
    );
    expect((await readConfigFile(undefined, folder))?.values).toEqual({
      checkpoint: join(folder, 'model'),
      resolution: { width: 1544, height: 896 },
      precision: { vision: 'fp16' },
      blockSize: 64,
      parity: false,
      gate: { 'logits.kl': 0.5 },
      sweepResolutions: [
        { width: 448, height: 448 },
        { width: 896, height: 896 },
      ],
      memory: 2 ** 31,
    });
  });

  it.each([
    ['{ "resolutoin": "1x1" }', 'VC4003'],
    ['{ "resolution": "1" }', 'VC4002'],
    ['{ "blockSize": 33 }', 'VC4002'],
    ['{ "strict": "yes" }', 'VC4002'],
    ['{ ', 'VC4004'],
    ['[]', 'VC4004'],
    [`{ "passes": ${'['.repeat(1e5)}${']'.repeat(1e5)} }`, 'VC4002'],
  ])('refuses %s', async (text, code) => {
    write(text);
    expect(await codeOf()).toBe(code);
  });

  it('may begin with a byte order mark', async () => {
    write('\ufeff{ "strict": true }');
    expect((await readConfigFile(undefined, folder))?.values).toEqual({ strict: true });
  });

  it('is not read from a pipe, which may never say a word', async () => {
    const server = createServer().listen(join(folder, 'vlm-convert.config.json'));
    try {
      await once(server, 'listening');
      await expect(readConfigFile(undefined, folder)).rejects.toMatchObject({
        code: 'VC4004',
        record: { expected: 'a file' },
      });
    } finally {
      server.close();
    }
  });

  it('refuses a named file that is not there', async () => {
    expect(await codeOf('other.json')).toBe('VC4004');
  });

  it('does not let a file that may have come with a checkpoint replace folders', async () => {
    write('{ "force": true, "output": "../elsewhere" }');
    expect(await codeOf()).toBe('none');
    write('{}', 'config.json');
    expect(await codeOf()).toBe('VC4004');
    expect(await codeOf('vlm-convert.config.json')).toBe('none');
  });

  it('has a JSON Schema with every option', () => {
    const schema = configJsonSchema() as { properties: Record<string, { description?: string }> };
    for (const spec of optionTable) expect(schema.properties[spec.key]?.description).toBe(spec.help);
    expect(schema).toMatchObject({ additionalProperties: false, type: 'object' });
  });
});
