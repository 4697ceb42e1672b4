/** The options of `run`, which answers a prompt with an output's graphs, or draws what it says. */
import { type OptionSpec, optionTable } from './options.ts';

/** An option of a conversion, in other words where they are given. */
function ofConversion(key: string, help?: string): readonly OptionSpec[] {
  const found = (optionTable as readonly OptionSpec[]).filter((spec) => spec.key === key);
  return found.map((spec) => (help === undefined ? spec : { ...spec, group: 'Run', help }));
}

export const generateOptions: readonly OptionSpec[] = [
  {
    key: 'image',
    flag: '--image <file>',
    group: 'Picture',
    help: 'a picture that the prompt is about (repeatable, in the order in which the prompt shows them)',
    type: { kind: 'paths' },
    expected: 'paths',
  },
  {
    key: 'video',
    flag: '--video <folder>',
    group: 'Picture',
    help: 'a video, as a folder of its frames in the order of their names (repeatable; after the pictures)',
    type: { kind: 'paths' },
    expected: 'paths',
  },
  {
    key: 'audio',
    flag: '--audio <file>',
    group: 'Picture',
    help: 'a sound that the prompt is about, as a WAV file (repeatable, in the order in which the prompt marks them)',
    type: { kind: 'paths' },
    expected: 'paths',
  },
  {
    key: 'fps',
    flag: '--fps <n>',
    group: 'Picture',
    help: 'frames that such a folder has in a second, of which two are looked at',
    type: { kind: 'number' },
    default: '2: all of them',
    expected: 'a number above 0',
  },
  {
    key: 'prompt',
    flag: '--prompt <text>',
    group: 'Picture',
    help:
      "what to ask, in plain words: pictures and sounds come before it, in the family's form of chat; a text that marks " +
      'their places itself is taken as it stands',
    type: { kind: 'text' },
    expected: 'a text',
  },
  {
    key: 'generate',
    flag: '--generate <file.png>',
    group: 'Picture',
    help: 'draw what the prompt says into this file, with a model that draws pictures',
    type: { kind: 'path' },
    expected: 'a path',
  },
  {
    key: 'guidance',
    flag: '--guidance <n>',
    group: 'Run',
    help: 'of --generate: how much the prompt weighs, w of u + w (c - u) over the logits with it and without',
    type: { kind: 'number' },
    default: "the family's own",
    expected: 'a number from 0 on',
  },
  {
    key: 'temperature',
    flag: '--temperature <n>',
    group: 'Run',
    help: 'of --generate: codes are drawn at this temperature (models were released with 1); 0 picks the best ones',
    type: { kind: 'number' },
    default: '0',
    expected: 'a number from 0 on',
  },
  {
    key: 'seed',
    flag: '--seed <n>',
    group: 'Run',
    help: 'of what --temperature draws: the same seed gives the same picture',
    type: { kind: 'count' },
    default: '1',
    expected: 'a whole number from 1 on',
  },
  {
    key: 'maxTokens',
    flag: '--max-tokens <n>',
    group: 'Run',
    help: 'the longest answer, in tokens',
    type: { kind: 'count', most: 2 ** 20 },
    default: '256',
    expected: 'a whole number from 1 on',
  },
  ...ofConversion('device', 'what runs the graphs: cpu, webgpu, cuda, or auto for the best that works here'),
  ...ofConversion('force', 'replace the file of --generate where it is there'),
  ...ofConversion('json', 'print one JSON object instead, at the end'),
  ...ofConversion('debug'),
];

export const generatePositionals = [{ key: 'output', help: 'a folder that vlm-convert wrote' }] as const;
