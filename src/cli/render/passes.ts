/** The list of passes for people. */
import type { ListedOption, ListedPass } from '../../index.ts';

export function renderPasses(passes: readonly ListedPass[], usual: string): string {
  const width = Math.max(...passes.map(({ name }) => name.length)) + 2;
  const lines = passes.flatMap(({ name, summary, options }) => [
    `${name.padEnd(width)}${summary}`,
    ...options.map((option) => `${' '.repeat(width)}  ${optionText(option)}`),
  ]);
  return [...lines, '', 'Default of vlm-convert opt:', `  ${usual}`, ''].join('\n');
}

function optionText({ name, takes, default: usual, positional }: ListedOption): string {
  const also = positional ? ', may be given without its name' : '';
  const unset = usual === undefined || usual === '';
  return `${name}=<${takes}>${unset ? '' : `, default ${String(usual)}`}${also}`;
}
