/** The options of `inspect`. */
import { type OptionSpec, optionTable } from './options.ts';

export const inspectOptions: readonly OptionSpec[] = [
  {
    key: 'graph',
    flag: '--graph',
    group: 'Check',
    help: 'print the graph as text instead: a line per node, with the types of what it makes',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  {
    key: 'around',
    flag: '--around <node>',
    group: 'Check',
    help: 'print what is around a node, or around the one that makes a value, as a Mermaid flowchart instead',
    type: { kind: 'text' },
    expected: 'the name of a node or a value',
  },
  {
    key: 'depth',
    flag: '--depth <steps>',
    group: 'Check',
    help: 'how many steps away from that node',
    type: { kind: 'count', most: 64 },
    default: '2',
    expected: 'a whole number from 1 to 64',
  },
  {
    key: 'json',
    flag: '--json',
    group: 'Run',
    help: 'print one JSON object, with every tensor and every note of the passes',
    type: { kind: 'switch' },
    expected: 'true or false',
  },
  ...(optionTable as readonly OptionSpec[]).filter(({ key }) => key === 'debug'),
];

export const inspectPositionals = [
  {
    key: 'path',
    help: 'a checkpoint folder, a .safetensors file or an .onnx file; left out: the current folder',
  },
] as const;
