/**
 * `tokenizer.json` as transformers runs it. The class that a release names puts its own begin and end around every text,
 * whatever the file says; other libraries read the file alone, which in releases of Janus says nothing of them.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { isJsonObject } from '../../formats/json.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { objectOf } from '../processor-settings.ts';
import type { JanusTokens } from './special-tokens.ts';

const classes: readonly JsonValue[] = ['LlamaTokenizer', 'LlamaTokenizerFast'];

/** Undefined where the file is right as it is, or is not there. */
export function writtenTokenizer({ json }: Checkpoint, { begin, end }: JanusTokens): JsonValue | undefined {
  const file = json.get('tokenizer.json');
  const name = 'tokenizer_config.json';
  const settings = new ConfigReader(objectOf(json.get(name)), name);
  if (!isJsonObject(file) || !classes.includes(settings.value('tokenizer_class') ?? null)) return undefined;
  // The file's own way of adding tokens is kept: those who wrote one knew that they had to.
  if (objectOf(file.post_processor).type === 'TemplateProcessing') return undefined;
  const before = settings.bool('add_bos_token', { default: true }) ? begin : undefined;
  const after = settings.bool('add_eos_token', { default: false }) ? end : undefined;
  const around = (text: 'A' | 'B', type_id: number): JsonValue[] => [
    ...(before === undefined ? [] : [{ SpecialToken: { id: before.text, type_id } }]),
    { Sequence: { id: text, type_id } },
    ...(after === undefined ? [] : [{ SpecialToken: { id: after.text, type_id } }]),
  ];
  const special = [before, after].flatMap((token) => {
    if (token === undefined) return [];
    return [[token.text, { id: token.text, ids: [token.id], tokens: [token.text] }]] as const;
  });
  if (special.length === 0) return undefined;
  return {
    ...file,
    post_processor: {
      type: 'TemplateProcessing',
      single: around('A', 0),
      pair: [...around('A', 0), ...around('B', 1)],
      special_tokens: Object.fromEntries(special),
    },
  };
}
