/** Every pass, in one list. The order is the one in which a conversion runs those that it needs. */
import { deadCode } from './dead-code.ts';
import { float16 } from './float16.ts';
import { fold } from './fold.ts';
import { foldBatchNorm } from './fold-batchnorm.ts';
import { freezeDefaults } from './freeze-defaults.ts';
import { fuseAttention } from './fusions/attention/fuse-attention.ts';
import { fuseBias } from './fusions/bias.ts';
import { fuseGelu } from './fusions/gelu.ts';
import { fuseLayerNorm } from './fusions/layernorm.ts';
import { fuseRmsNorm } from './fusions/rmsnorm.ts';
import { fuseRotary } from './fusions/rotary.ts';
import { fuseSilu } from './fusions/silu.ts';
import { fuseSkipNorm } from './fusions/skip-norm.ts';
import { inlineFunctions } from './inline-functions.ts';
import { mergeLora } from './merge-lora.ts';
import { packQkv } from './pack-qkv.ts';
import type { Pass } from './pass.ts';
import { patchEmbed } from './patch-embed.ts';
import { plainGather } from './plain-gather.ts';
import { int4, int8 } from './quantize.ts';
import { int8Channel } from './quantize-channels.ts';
import { retargetResolution } from './retarget-resolution.ts';
import { upgradeOpset } from './upgrade-opset.ts';

export const passes: readonly Pass[] = [
  retargetResolution,
  mergeLora,
  freezeDefaults,
  inlineFunctions,
  upgradeOpset,
  fold,
  foldBatchNorm,
  fuseLayerNorm,
  fuseRmsNorm,
  fuseGelu,
  fuseSilu,
  fuseRotary,
  fuseAttention,
  packQkv,
  patchEmbed,
  fuseSkipNorm,
  fuseBias,
  int4,
  int8,
  plainGather,
  int8Channel,
  float16,
  deadCode,
];

export function findPass(name: string): Pass | undefined {
  return passes.find((pass) => pass.name === name);
}
