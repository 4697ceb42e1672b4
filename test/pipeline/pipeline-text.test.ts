/** Pipelines as text: there and back, and what is refused. */
import { describe, expect, it } from 'vitest';
import { passes } from '../../src/passes/registry.ts';
import { parsePipeline, printPipeline, step } from '../../src/pipeline/pipeline-text.ts';
import { VlmError } from '../../src/report/diagnostics.ts';

function refusal(action: () => unknown): VlmError {
  try {
    action();
  } catch (error) {
    if (error instanceof VlmError) return error;
  }
  throw new Error('nothing is refused');
}

describe('pipeline text', () => {
  it.each([
    '',
    'merge-lora',
    'merge-lora,retarget-resolution{1344x896},fuse-attention,int4{block=64}',
    'int4{symmetric=true,embedding=false},float16{keepIo=false},dead-code',
  ])('prints what it parsed: %s', (text) => {
    expect(printPipeline(parsePipeline(text))).toBe(text);
  });

  it('fills defaults in and leaves them out', () => {
    const [only] = parsePipeline(' int8 { block = 32 , symmetric=false } ');
    expect(only?.options).toEqual({ block: 32, symmetric: false, embedding: true, keep: '' });
    expect(printPipeline([step('int8', { block: 32 })])).toBe('int8');
  });

  it('takes an option by its name or, where the pass has one, without', () => {
    expect(parsePipeline('retarget-resolution{resolution=896x448}')).toEqual(
      parsePipeline('retarget-resolution{896x448}'),
    );
    expect(refusal(() => parsePipeline('int4{32}')).code).toBe('VC4401');
  });

  it('prints every pass with every option so that it parses back', () => {
    for (const pass of passes) {
      const given = pass.positional === undefined ? {} : { [pass.positional]: '448x448' };
      const { options } = step(pass.name, given);
      const flipped = Object.fromEntries(
        Object.entries(options).map(([name, value]) => [name, typeof value === 'boolean' ? !value : value]),
      );
      const made = step(pass.name, flipped);
      expect(parsePipeline(printPipeline([made]))).toEqual([made]);
    }
  });

  it.each([
    ['merge-lora,', 'VC4401'],
    [',merge-lora', 'VC4401'],
    ['merge-lora fuse-attention', 'VC4401'],
    ['int4{block=32', 'VC4401'],
    ['int4{block}', 'VC4401'],
    ['int4{block=32,block=64}', 'VC4401'],
    ['int4{block==32}', 'VC4401'],
    ['int4{__proto__=1}', 'VC4401'],
    ['int4{block=33}', 'VC4403'],
    ['int4{block=yes}', 'VC4403'],
    ['int4{blocks=32}', 'VC4403'],
    ['dead-code{block=32}', 'VC4403'],
    ['retarget-resolution{0x5}', 'VC4403'],
    ['int5', 'VC4402'],
  ])('refuses %s with %s', (text, code) => {
    expect(refusal(() => parsePipeline(text)).code).toBe(code);
  });

  it('suggests the pass that was meant, and lists all', () => {
    const { record } = refusal(() => parsePipeline('fuse-atention'));
    expect(record.hint).toBe('did you mean "fuse-attention"?');
    for (const { name } of passes) expect(record.expected).toContain(name);
  });

  it('knows each pass by one name', () => {
    expect(new Set(passes.map(({ name }) => name)).size).toBe(passes.length);
  });
});
