/** What Qwen-VL and Monkey refuse: each with its code, naming the place, before any weight is read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { architectures, findArchitecture } from '../../src/architectures/registry.ts';
import type { Checkpoint } from '../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../src/report/diagnostics.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { type Changes, changed } from '../support/changed-checkpoint.ts';
import { goldenCase } from '../support/golden-cases.ts';

let monkey: Checkpoint;
let qwen: Checkpoint;

beforeAll(async () => {
  monkey = await openCheckpoint(goldenCase('monkey/tiny-896').checkpoint);
  qwen = await openCheckpoint(goldenCase('qwen-vl/tiny-long').checkpoint);
});
afterAll(() => Promise.all([monkey.close(), qwen.close()]));

function refusal(checkpoint: Checkpoint): VlmError {
  try {
    const architecture = findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys()));
    architecture.build(checkpoint, { tiling: 'fit', loraTiles: 'nearest' });
  } catch (error) {
    if (error instanceof VlmError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const shaped = (shape: readonly number[], dtype: 'float32' | 'int32' = 'float32') => ({
  file: 'model.safetensors',
  tensor: inlineTensor(dtype, shape, new Uint8Array(4 * shape.reduce((a, b) => a * b, 1))),
});

interface Refused {
  readonly what: string;
  readonly code: string;
  /** Part of `where`. */
  readonly where: string;
  readonly changes: Changes;
}

const block = 'transformer.visual.transformer.resblocks';

const config: readonly Refused[] = [
  {
    what: 'no hidden size',
    code: 'VC1201',
    where: 'hidden_size',
    changes: { config: { hidden_size: undefined } },
  },
  { what: 'text', code: 'VC1202', where: 'hidden_size', changes: { config: { hidden_size: '128' } } },
  {
    what: 'no heads',
    code: 'VC1203',
    where: 'num_attention_heads',
    changes: { config: { num_attention_heads: 0 } },
  },
  {
    what: '1e12 layers',
    code: 'VC1203',
    where: 'num_hidden_layers',
    changes: { config: { num_hidden_layers: 1e12 } },
  },
  { what: 'a fraction', code: 'VC1203', where: 'vocab_size', changes: { config: { vocab_size: 503.5 } } },
  {
    what: 'heads that do not divide',
    code: 'VC1204',
    where: 'kv_channels',
    changes: { config: { kv_channels: 31 } },
  },
  { what: 'odd rotary', code: 'VC1204', where: 'rotary_pct', changes: { config: { rotary_pct: 0.1 } } },
  { what: 'no base', code: 'VC1203', where: 'rotary_emb_base', changes: { config: { rotary_emb_base: 0 } } },
  {
    what: 'odd branches',
    code: 'VC1204',
    where: 'intermediate_size',
    changes: { config: { intermediate_size: 255 } },
  },
  {
    what: 'a flag that is a number',
    code: 'VC1202',
    where: 'use_logn_attn',
    changes: { config: { use_logn_attn: 1 } },
  },
  { what: 'tower heads', code: 'VC1204', where: 'visual.heads', changes: { visual: { heads: 3 } } },
  { what: 'no patch', code: 'VC1203', where: 'visual.patch_size', changes: { visual: { patch_size: 0 } } },
  {
    what: 'a patch beside tiles',
    code: 'VC1204',
    where: 'visual.patch_size',
    changes: { visual: { patch_size: 15 } },
  },
  {
    what: 'no picture size',
    code: 'VC1201',
    where: 'visual.image_size',
    changes: { visual: { image_size: undefined } },
  },
  {
    what: 'three sides',
    code: 'VC1203',
    where: 'visual.image_size',
    changes: { visual: { image_size: [1, 2, 3] } },
  },
  {
    what: 'a small picture',
    code: 'VC4202',
    where: 'visual.image_size',
    changes: { visual: { image_size: 447 } },
  },
  {
    what: 'other features',
    code: 'VC1204',
    where: 'visual.output_dim',
    changes: { visual: { output_dim: 256 } },
  },
  {
    what: 'no resampler head',
    code: 'VC1204',
    where: 'visual.output_dim',
    changes: { visual: { output_dim: 64 } },
  },
  {
    what: 'markers outside',
    code: 'VC1204',
    where: 'image_start_id',
    changes: { visual: { image_start_id: 502 } },
  },
  { what: 'other queries', code: 'VC1204', where: 'n_queries', changes: { visual: { n_queries: 25 } } },
  {
    what: 'other adapters',
    code: 'VC1204',
    where: 'in_proj_lora',
    changes: { visual: { lora_repeat_num: 3 } },
  },
  {
    what: 'more layers than weights',
    code: 'VC1221',
    where: 'h.2.ln_1',
    changes: { config: { num_hidden_layers: 3 } },
  },
  { what: 'no visual', code: 'VC1201', where: 'visual', changes: { config: { visual: undefined } } },
];

const tensors: readonly Refused[] = [
  {
    what: 'a missing tensor',
    code: 'VC1221',
    where: 'transformer.ln_f.weight',
    changes: { tensors: (map) => map.delete('transformer.ln_f.weight') },
  },
  {
    what: 'a wrong shape',
    code: 'VC1222',
    where: 'c_attn.weight',
    changes: { tensors: (map) => map.set('transformer.h.1.attn.c_attn.weight', shaped([128, 384])) },
  },
  {
    what: 'integers',
    code: 'VC1223',
    where: 'lm_head.weight',
    changes: { tensors: (map) => map.set('lm_head.weight', shaped([504, 128], 'int32')) },
  },
  {
    what: 'queries that are no square',
    code: 'VC1222',
    where: 'attn_pool.query',
    changes: { tensors: (map) => map.set('transformer.visual.attn_pool.query', shaped([15, 128])) },
  },
  {
    what: 'positions that are no square',
    code: 'VC1222',
    where: 'positional_embedding',
    changes: { tensors: (map) => map.set('transformer.visual.positional_embedding', shaped([255, 32])) },
  },
  {
    what: 'a module with fewer adapters',
    code: 'VC1204',
    where: `${block}.1.mlp_lora`,
    changes: { tensors: (map) => map.delete(`${block}.1.mlp_lora.3.lora_a.weight`) },
  },
  {
    what: 'an adapter of another rank',
    code: 'VC1222',
    where: 'mlp_lora.2.lora_a.weight',
    changes: { tensors: (map) => map.set(`${block}.1.mlp_lora.2.lora_a.weight`, shaped([16, 32])) },
  },
  {
    what: 'adapters in the language model',
    code: 'VC1232',
    where: 'c_attn_lora',
    changes: {
      tensors: (map) => map.set('transformer.h.0.attn.c_attn_lora.lora_a.weight', shaped([32, 128])),
    },
  },
];

describe.each([...config, ...tensors])('$what', ({ code, where, changes }) => {
  it(`is ${code} at ${where}`, () => {
    const { record } = refusal(changed(monkey, changes));
    expect(record.code).toBe(code);
    expect(record.where).toContain(where);
  });
});

describe('findArchitecture', () => {
  const refused = (changes: Changes) => refusal(changed(monkey, changes)).record;

  it('tells the families apart', () => {
    const found = (checkpoint: Checkpoint) =>
      findArchitecture(checkpoint.config, new Set(checkpoint.tensors.keys())).id;
    expect([found(monkey), found(qwen)]).toEqual(['monkey', 'qwen-vl']);
  });

  it('lists the known types and suggests the nearest', () => {
    expect(refused({ config: { model_type: 'monkeys' } })).toMatchObject({
      code: 'VC1231',
      found: '"monkeys"',
      expected: `one of ${[...new Set(architectures.flatMap(({ modelTypes }) => modelTypes))].map((type) => `"${type}"`).join(', ')}`,
      hint: 'did you mean "monkey"?',
    });
  });

  it('asks for a type where there is none', () => {
    expect(refused({ config: { model_type: undefined } }).code).toBe('VC1201');
    expect(refused({ config: { model_type: 7 } }).code).toBe('VC1202');
  });

  it('does not take TextMonkey for Monkey, by its name or by its tensors', () => {
    const name = 'transformer.visual.transformer.window_attention.0.position_embedding';
    const of = (changes: Changes) => {
      const { config: own, tensors } = changed(monkey, changes);
      return findArchitecture(own, new Set(tensors.keys())).id;
    };
    expect(of({})).toBe('monkey');
    expect(of({ config: { architectures: ['TextMonkeyLMHeadModel'] } })).toBe('textmonkey');
    // As parsed from a file: without a prototype, so that it is no text either.
    expect(of({ config: { architectures: [Object.create(null), null, 7] } })).toBe('monkey');
    expect(of({ tensors: (map) => map.set(name, shaped([1, 1024, 32])) })).toBe('textmonkey');
  });

  it('does not take the language model alone for Qwen-VL', () => {
    expect(refusal(changed(qwen, { config: { visual: undefined } })).record.code).toBe('VC1232');
  });
});
