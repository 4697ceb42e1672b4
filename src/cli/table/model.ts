/** The options that say what a model is made of, besides its checkpoint: adapters, and parts in other folders. */
import type { OptionSpec } from './option-spec.ts';

export const modelOptions = [
  {
    key: 'adapter',
    flag: '--adapter <folder>',
    group: 'Model',
    help:
      'a PEFT adapter (LoRA, rsLoRA, DoRA) that the model runs with; folder=0.7 for a share of it (repeatable, applied ' +
      'in order)',
    type: { kind: 'adapters' },
    expected: 'a folder, or folder=number',
    convertOnly: true,
  },
  {
    key: 'base',
    flag: '--base <folder>',
    group: 'Model',
    help: 'where the checkpoint is an adapter itself (a LoRA release of LLaVA): the model that it was trained on',
    type: { kind: 'path' },
    default: 'the folder that its config names, beside it',
    expected: 'a path',
    convertOnly: true,
  },
  {
    key: 'visionTower',
    flag: '--vision-tower <folder>',
    group: 'Model',
    help: 'where the checkpoint names a vision tower in a checkpoint of its own (LLaVA in its original layout)',
    type: { kind: 'path' },
    default: 'the folder of that name, in the checkpoint or beside it',
    expected: 'a path',
    convertOnly: true,
  },
  {
    key: 'lora',
    flag: '--lora <how>',
    group: 'Model',
    help:
      'low-rank adapters, those of PEFT and those of tiles: merge = folded into the weights (one copy of them per tile ' +
      'adapter), fastest; factored = small branches beside shared weights, smallest (--dry-run prints the bytes of both); ' +
      'runtime = as factored, and the factors of a PEFT adapter are inputs of the graphs, for serving many adapters',
    type: { kind: 'choice', values: ['merge', 'factored', 'runtime'] },
    default: 'merge',
    expected: 'merge, factored or runtime',
    convertOnly: true,
  },
  {
    key: 'loraTiles',
    flag: '--lora-tiles <policy>',
    group: 'Model',
    help:
      'tiles for which the checkpoint has no adapter: nearest = take that of the nearest tile; base = run ' +
      'without; error = refuse',
    type: { kind: 'choice', values: ['nearest', 'base', 'error'] },
    default: 'nearest',
    expected: 'nearest, base or error',
    convertOnly: true,
  },
] as const satisfies readonly OptionSpec[];
