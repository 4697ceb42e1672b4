/** Tables whose columns the page's script sorts: a cell carries the number behind its text where there is one. */
import { formatNumber } from '../text.ts';
import { html, type Markup, type Part } from './markup.ts';

export interface Column {
  readonly head: string;
  /** Right-aligned, sorted as numbers. */
  readonly numeric?: boolean;
  /** What the row is about. */
  readonly rowHead?: boolean;
  /** Sentences and places: not squeezed to a word's width. */
  readonly wide?: boolean;
  /** Names of nodes and modules: set in a fixed-width face, broken anywhere. */
  readonly code?: boolean;
}

/** `sort` is what the cell sorts by, where that is not its text. */
export type Cell =
  | string
  | number
  | undefined
  | { readonly show: Part; readonly sort?: number | string; readonly tone?: 'good' | 'bad' };

export interface TableSpec {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export function table({ caption, columns, rows }: TableSpec): Markup {
  const heads = columns.map(
    ({ head, numeric }) => html`<th scope="col"${classes([numeric && 'num'])}>${head}</th>`,
  );
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="sortable">
<caption>${caption}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.map((cells) => html`<tr>${columns.map((column, index) => cell(column, cells[index]))}</tr>\n`)}</tbody></table></div>
`;
}

function cell(column: Column, value: Cell): Markup {
  const { show, sort, tone } = typeof value === 'object' ? value : plain(value);
  const by = sort === undefined || Number.isNaN(sort) ? undefined : html` data-v="${String(sort)}"`;
  const kind = classes([column.numeric && 'num', column.code && 'code', column.wide && 'wide', tone]);
  return column.rowHead === true
    ? html`<th scope="row"${kind}${by}>${show}</th>`
    : html`<td${kind}${by}>${show}</td>`;
}

function plain(value: string | number | undefined): Exclude<Cell, string | number | undefined> {
  return typeof value === 'number' ? { show: formatNumber(value), sort: value } : { show: value };
}

function classes(names: readonly (string | false | undefined)[]): Markup | undefined {
  const used = names.filter((name) => typeof name === 'string');
  return used.length === 0 ? undefined : html` class="${used.join(' ')}"`;
}
