/**
 * An inspection as text. Tensors that differ only in numbers of their names (layers) and agree in type share a
 * line, so that a model of thousands of tensors fits a screen; `--json` lists each.
 */
import type { InspectedTensor, Inspection } from '../../index.ts';
import { formatBytes, formatTable, plural } from '../../report/format.ts';
import { rolesText } from '../../report/roles.ts';
import { show } from '../../report/show.ts';
import { graphSections } from './graph-inspection.ts';

/** What was asked for instead of the inspection; undefined where nothing was. */
export function renderViews({ graphs, around }: Inspection): string | undefined {
  if (around !== undefined) return around;
  if (graphs === undefined) return undefined;
  const texts = Object.entries(graphs);
  if (texts.length === 1) return texts.map(([, text]) => text).join('');
  return texts.map(([id, text]) => `# ${id}\n${text}`).join('\n');
}

export function renderInspection(inspection: Inspection, title: string): string {
  const lines = [`${title}: ${kindText(inspection)}`];
  const section = (name: string, body: readonly string[]): void => {
    if (body.length > 0) lines.push('', name, ...body.map((line) => `  ${line}`));
  };
  switch (inspection.kind) {
    case 'checkpoint':
      section(
        'Config',
        formatTable(Object.entries(inspection.config).map(([key, value]) => [key, configText(value)])),
      );
      section(
        'Components',
        inspection.components.flatMap(({ id, holds, nodes, inputs, outputs }) => [
          `${id} (${rolesText(holds)}, ${nodes} nodes)`,
          ...ports('in', inputs),
          ...ports('out', outputs),
        ]),
      );
      for (const component of inspection.components) {
        for (const [name, body] of graphSections(component)) section(`${name} (${component.id})`, body);
      }
      if (inspection.image !== undefined) section('Picture', [inspection.image]);
      if (inspection.audio !== undefined) section('Sound', [inspection.audio]);
      section('Tensors that no component reads', groupNames(inspection.unusedTensors));
      break;
    case 'safetensors':
      section(
        'Metadata',
        formatTable(Object.entries(inspection.metadata).map(([key, value]) => [key, show(value)])),
      );
      break;
    case 'onnx':
      section('Inputs', ports('', inspection.inputs));
      section('Outputs', ports('', inspection.outputs));
      for (const [name, body] of graphSections(inspection)) section(name, body);
  }
  section('Tensors', tensorTable(inspection.tensors));
  section(
    'Bytes',
    formatTable(
      inspection.dtypes.map(({ dtype, tensors, bytes }) => [
        dtype,
        plural(tensors, 'tensor'),
        formatBytes(bytes),
      ]),
      [1, 2],
    ),
  );
  return `${lines.join('\n')}\n`;
}

function kindText(inspection: Inspection): string {
  const bytes = inspection.dtypes.reduce((sum, total) => sum + total.bytes, 0);
  const size = `${plural(inspection.tensors.length, 'tensor')}, ${formatBytes(bytes)}`;
  switch (inspection.kind) {
    case 'checkpoint':
      return `checkpoint, ${inspection.architecture ?? 'of no family that is known'}, ${size}`;
    case 'safetensors':
      return `safetensors, ${size}`;
    case 'onnx': {
      const opsets = Object.entries(inspection.opsets).map(([domain, version]) => `${domain} ${version}`);
      const producer = inspection.producer === '' ? '' : `, by ${show(inspection.producer)}`;
      return `ONNX, IR ${inspection.irVersion}, ${opsets.join(', ')}${producer}, ${size}`;
    }
  }
}

/** Cache inputs and the like come by the dozen: the first ones show the form. */
const shownPorts = 6;

function ports(label: string, values: readonly string[]): string[] {
  const shown = values.length > shownPorts + 1 ? values.slice(0, shownPorts) : values;
  const lines = shown.map((value) => (label === '' ? value : `  ${label.padEnd(4)}${value}`));
  if (shown.length < values.length) lines.push(`  … and ${values.length - shown.length} more`);
  return lines;
}

function configText(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 100 ? text : show(value);
}

function tensorTable(tensors: readonly InspectedTensor[]): string[] {
  const groups = new Map<string, { first: InspectedTensor; names: string[]; bytes: number }>();
  for (const tensor of tensors) {
    const key = `${pattern(tensor.name)} ${tensor.dtype} ${tensor.shape}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: tensor, names: [tensor.name], bytes: tensor.bytes });
    else {
      group.names.push(tensor.name);
      group.bytes += tensor.bytes;
    }
  }
  return formatTable(
    [...groups.values()].map(({ first, names, bytes }) => [
      unquoted(names.length === 1 ? first.name : pattern(first.name)),
      first.dtype,
      `[${first.shape}]`,
      names.length === 1 ? '' : `x${names.length}`,
      formatBytes(bytes),
    ]),
    [3, 4],
  );
}

function groupNames(names: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const name of names) groups.set(pattern(name), [...(groups.get(pattern(name)) ?? []), name]);
  return [...groups].map(([shared, [first = '', ...others]]) =>
    others.length === 0 ? unquoted(first) : `${unquoted(shared)} x${others.length + 1}`,
  );
}

/** A name from a file, made safe for a terminal. */
function unquoted(name: string): string {
  return show(name).slice(1, -1);
}

/** `h.12.attn.0.weight` → `h.*.attn.*.weight`, `onnx::MatMul_744` → `onnx::MatMul_*`. */
function pattern(name: string): string {
  return name.replaceAll(/(?<=^|[./_])\d+(?=$|[./:])/g, '*');
}
