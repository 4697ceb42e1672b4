/** A plan as text, for `--dry-run`. */
import type { PlannedConversion } from '../../index.ts';
import { formatBytes, formatTable, plural } from '../../report/format.ts';
import { rolesText } from '../../report/roles.ts';
import { formatWarnings } from '../../report/sinks.ts';

/** `shown`: the output's path as the user reads it. */
export function renderPlan({ plan }: PlannedConversion, shown: string): string {
  const lines = [
    `${plan.checkpoint.name} (${plan.architecture}, ${plural(plan.checkpoint.tensors, 'tensor')}, ` +
      `${formatBytes(plan.checkpoint.tensorBytes)}) would become ${shown}`,
  ];
  const section = (name: string, body: readonly string[]): void => {
    if (body.length > 0) lines.push('', name, ...body.map((line) => (line === '' ? '' : `  ${line}`)));
  };
  const { image, audio } = plan;
  if (audio !== undefined) section('Sound', [audio.summary]);
  if (image !== undefined) {
    section('Picture', [image.summary, `${plural(image.tokens, 'image token')}, ${tokenText(image)}`]);
    section('Tiles', tileTable(image.views));
  }
  section(
    'Components',
    formatTable(
      [
        ['component', 'is', 'precision', 'nodes', 'weights', 'bytes'],
        ...plan.components.map((one) => [
          one.id,
          rolesText(one.holds),
          one.precision,
          String(one.nodes),
          String(one.tensors),
          formatBytes(one.tensorBytes),
        ]),
      ],
      [3, 4, 5],
    ),
  );
  section(
    'Passes',
    plan.components.flatMap(({ id, passes }) => [`${id}:${passes}`]),
  );
  section(
    'What the passes do',
    plan.components.flatMap(({ id, records }) =>
      records
        .filter(({ changed, notes }) => changed || notes.length > 0)
        .flatMap(({ name, stats, notes }) => [
          `${id}: ${name} ${Object.entries(stats)
            .map(([key, count]) => `${key} ${count}`)
            .join(', ')}`.trimEnd(),
          ...notes.map((note) => `  ${note}`),
        ]),
    ),
  );
  section('Weights', coverageTable(plan));
  section(
    'Files',
    formatTable(
      plan.files.map(({ path, bytes }) => [path, formatBytes(bytes)]),
      [1],
    ),
  );
  section('Bytes', byteLines(plan));
  const warnings = formatWarnings(plan.warnings);
  return `${lines.join('\n')}\n${warnings === '' ? '' : `\n${warnings}`}`;
}

type Plan = PlannedConversion['plan'];

/** What the weights become, and why any stay. */
export function coverageTable(plan: Plan): string[] {
  return formatTable(
    plan.components.flatMap(({ id, coverage }) =>
      coverage.map((row) => [
        id,
        row.use,
        row.format,
        plural(row.weights, 'weight'),
        formatBytes(row.bytesBefore),
        formatBytes(row.bytesAfter),
        row.reason ?? '',
      ]),
    ),
    [3, 4, 5],
  );
}

/** `512 chosen of 4 tiles with 256 each, 256 for the global view`. */
function tokenText({ chosen, tokens, tokensPerView, views }: NonNullable<Plan['image']>): string {
  if (chosen === undefined) return `${tokensPerView} for each of ${plural(views.length, 'view')}`;
  const tiles = views.filter(({ kind }) => kind === 'tile').length;
  const rest = tokens - chosen;
  const whole = rest === 0 ? '' : `, ${rest} for the global view`;
  return `${chosen} chosen of ${plural(tiles, 'tile')} with ${tokensPerView} each${whole}`;
}

function tileTable(views: NonNullable<Plan['image']>['views']): string[] {
  if (views.every((view) => view.adapter === undefined)) return [];
  return formatTable(
    views.map((view) => [
      view.kind === 'global' ? 'global view' : `row ${view.row}, column ${view.column}`,
      view.adapter === undefined || view.adapter === null ? 'base weights' : `adapter ${view.adapter}`,
      view.trained === false ? 'not trained for this position' : '',
    ]),
  );
}

function byteLines({ bytes, memory, options }: Plan): string[] {
  const rows = [
    ['output', formatBytes(bytes.output)],
    ['scratch while it is checked', formatBytes(bytes.scratch)],
    ['memory while writing, about', formatBytes(memory.write)],
    ['memory while checking, about', formatBytes(memory.parity)],
  ];
  if (bytes.lora !== undefined) {
    const chosen = (options as { lora?: string }).lora;
    for (const [name, size] of Object.entries(bytes.lora)) {
      rows.push([`graphs with --lora ${name}${name === chosen ? ' (chosen)' : ''}`, formatBytes(size)]);
    }
  }
  return formatTable(rows, [1]);
}
