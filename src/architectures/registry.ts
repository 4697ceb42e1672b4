/** Every model family that can be converted, one line each, and the choice among them. */
import type { JsonObject } from '../formats/checkpoint/checkpoint.ts';
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import type { Architecture } from './architecture.ts';
import { gpt2 } from './gpt2/gpt2.ts';
import { janus } from './janus/janus.ts';
import { llama } from './llama/llama.ts';
import { llava } from './llava/llava.ts';
import { miniCpmV25 } from './minicpm-v/minicpm-v.ts';
import { miniGptV2 } from './minigpt-v2/minigpt-v2.ts';
import { monkey } from './monkey/monkey.ts';
import { qwenVl } from './qwen-vl/qwen-vl.ts';
import { qwen2Audio } from './qwen2-audio/qwen2-audio.ts';
import { qwen2Vl } from './qwen2-vl/qwen2-vl.ts';
import { textMonkey } from './textmonkey/textmonkey.ts';
import { vila } from './vila/vila.ts';

export const architectures: readonly Architecture[] = [
  qwenVl,
  monkey,
  textMonkey,
  llava,
  qwen2Vl,
  qwen2Audio,
  miniCpmV25,
  miniGptV2,
  vila,
  janus,
  llama,
  gpt2,
];

/** The family of a checkpoint; undefined where none knows it. */
export function recognise(config: JsonObject, tensorNames: ReadonlySet<string>): Architecture | undefined {
  return architectures.find((architecture) => architecture.recognises(config, tensorNames));
}

/** The family of a checkpoint; throws VC1231 for an unknown model_type, VC1232 for a variant of a known one. */
export function findArchitecture(config: JsonObject, tensorNames: ReadonlySet<string>): Architecture {
  const found = recognise(config, tensorNames);
  if (found !== undefined) return found;

  const modelType = config.model_type;
  const known = [...new Set(architectures.flatMap((architecture) => architecture.modelTypes))];
  const where = 'config.json: model_type';
  if (modelType === undefined) throw fail('VC1201', { where, found: 'nothing', expected: oneOf(known) });
  if (typeof modelType !== 'string') {
    throw fail('VC1202', { where, found: JSON.stringify(modelType).slice(0, 80), expected: oneOf(known) });
  }
  const sharing = architectures.filter((architecture) => architecture.modelTypes.includes(modelType));
  if (sharing.length > 0) {
    throw fail('VC1232', {
      where: 'config.json: architectures',
      found: `${JSON.stringify(config.architectures ?? null).slice(0, 200)} with model_type "${modelType}"`,
      expected: sharing.map((architecture) => architecture.title).join(' or '),
    });
  }
  const hint = didYouMean(modelType, known);
  throw fail('VC1231', {
    where,
    found: JSON.stringify(modelType).slice(0, 200),
    expected: oneOf(known),
    ...(hint === undefined ? {} : { hint }),
  });
}

function oneOf(values: readonly string[]): string {
  return `one of ${values.map((value) => `"${value}"`).join(', ')}`;
}
