/**
 * The report as one HTML page that needs nothing else: no network, no file beside it. It is whole without script;
 * with it tables sort, charts and maps tell their values. Its security policy lets nothing in but its own style,
 * its own script by digest, and pictures that stand in the page.
 */
import { createHash } from 'node:crypto';
import { renderJson } from '../json.ts';
import type { ParityReport } from '../report.ts';
import { modelText } from '../text.ts';
import { errorsPerBlock } from './curve-chart.ts';
import { head } from './head.ts';
import { tokenErrors } from './heat-map.ts';
import { logits } from './logits.ts';
import { embeddedJson, html, type Markup, render, trusted } from './markup.ts';
import { pictures } from './pictures.ts';
import { placement } from './placement.ts';
import { ranges } from './ranges.ts';
import { script } from './script.ts';
import type { Section } from './section.ts';
import { gates, measured, notes, numbers, passes } from './sections.ts';
import { style } from './style.ts';
import { thumbnail } from './thumbnail.ts';
import { weights } from './weights.ts';

const parts: readonly ((report: ParityReport) => Section | undefined)[] = [
  errorsPerBlock,
  (report) => tokenErrors(report, thumbnail(report)),
  pictures,
  logits,
  ranges,
  gates,
  numbers,
  weights,
  placement,
  passes,
  notes,
  measured,
];

/** The same report gives the same bytes. */
export function renderHtml(report: ParityReport): string {
  const sections = parts.flatMap((part) => part(report) ?? []);
  const digest = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${digest}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${report.passed ? 'Passed' : 'FAILED'}: ${modelText(report)} – parity report</title>
<link rel="icon" href="data:,">
<style>${trusted(style)}</style>
</head>
<body>
${head(report)}
<nav aria-label="Parts of the report"><ul>${sections.map(({ id, short }) => html`<li><a href="#${id}">${short}</a></li>`)}</ul></nav>
<main>
${sections.map(drawSection)}</main>
<footer><p>${report.tool.name} ${report.tool.version}. This page needs no network; the report itself stands in it as JSON (<code>#parity-report</code>).</p></footer>
<script type="application/json" id="parity-report">${embeddedJson(JSON.stringify(JSON.parse(renderJson({ ...report, timing: {} }))))}</script>
<script>${trusted(script)}</script>
</body>
</html>
`;
  return render(page);
}

function drawSection({ id, title, lead, body }: Section): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>
${lead === undefined ? undefined : html`<p class="lead">${lead}</p>`}
${body}</section>
`;
}
