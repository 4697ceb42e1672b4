/** What a reader sees first: the verdict, what was compared, the numbers that matter, and what failed. */
import { formatBytes, plural } from '../../../report/format.ts';
import type { GateVerdict } from '../../gates.ts';
import { blockError, blockSize, worstBlock } from '../blocks.ts';
import { type Finding, findingText } from '../finding.ts';
import type { ParityReport } from '../report.ts';
import {
  formatNumber,
  gateKey,
  gateLimit,
  modelText,
  precisionText,
  shareText,
  tightest,
  usedShare,
} from '../text.ts';
import { html, type Markup, type Part, trusted } from './markup.ts';

export function head(report: ParityReport): Markup {
  const failed = report.gates.filter((gate) => !gate.passed);
  const verdict = report.passed
    ? html`<span class="verdict good">${check}Passed: all ${plural(report.gates.length, 'gate')}</span>`
    : html`<span class="verdict bad">${cross}FAILED: ${failed.length} of ${plural(report.gates.length, 'gate')}</span>`;
  const { runtime, image, audio } = report;
  const { name, architecture } = report.model;
  return html`<header>
<p class="by">${report.tool.name} parity report</p>
<h1>${typeof name === 'string' ? name : modelText(report)}</h1>
${verdict}
<ul class="facts">${typeof architecture === 'string' ? html`<li>${architecture}</li>` : undefined}<li>${precisionText(report)}</li>${image === undefined ? undefined : html`<li>${image.summary}</li>`}${audio === undefined ? undefined : html`<li>${audio.summary}</li>`}<li>${runtime.name} ${runtime.version} on ${runtime.device}</li></ul>
<ul class="tiles">${tiles(report)}</ul>
${failed.length === 0 ? undefined : failures(failed, report.findings)}</header>
`;
}

const check = trusted('<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12.5l4.5 4.5L19 7.5"/></svg>');
const cross = trusted('<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 6l12 12M18 6L6 18"/></svg>');

interface Tile {
  readonly what: string;
  readonly value: Part;
  readonly more?: Part;
}

function tiles(report: ParityReport): Part {
  return [...outputTiles(report), ...depthTiles(report), ...sizeTiles(report)].map(
    ({ what, value, more }) =>
      html`<li><span class="what">${what}</span><span class="value">${value}</span>${more === undefined ? undefined : html`<span class="more">${more}</span>`}</li>\n`,
  );
}

/** Per output the gate nearest its limit, or farthest beyond. */
function outputTiles(report: ParityReport): readonly Tile[] {
  return tightest(report).map((gate) => {
    const share = usedShare(gate);
    const width = Math.round(Math.min(1, share) * 1000) / 10;
    const bar = html`<span class="bar${gate.passed ? '' : ' over'}"><i style="width:${width}%"></i></span>`;
    return {
      what: gate.output,
      value: formatNumber(gate.value),
      more: html`${bar}${shareText(share)} of its limit: ${gate.level} ${gate.metric} ${gateLimit(gate)}`,
    };
  });
}

function depthTiles({ curves = [], findings }: ParityReport): readonly Tile[] {
  const [worst] = curves
    .flatMap((curve) => {
      const one = worstBlock(curve, findings);
      return one === undefined ? [] : [{ component: curve.component, ...one }];
    })
    // A fault before what rounding costs, then by size.
    .sort((a, b) => Number(b.blamed) - Number(a.blamed) || blockSize(b.metrics) - blockSize(a.metrics));
  if (worst === undefined) return [];
  const { component, block, level, metrics } = worst;
  return [
    {
      what: worst.blamed ? `block that stands out, ${level}` : 'largest own error of a block',
      value: blockError(metrics),
      more: `${component}: ${block.name}`,
    },
  ];
}

function sizeTiles({ coverage }: ParityReport): readonly Tile[] {
  if (coverage.length === 0) return [];
  const sum = (key: 'bytesBefore' | 'bytesAfter'): number => coverage.reduce((all, row) => all + row[key], 0);
  const before = sum('bytesBefore');
  const after = sum('bytesAfter');
  const share = before === 0 ? '' : `, ${Math.round((100 * after) / before)} %`;
  return [{ what: 'weights', value: formatBytes(after), more: `of ${formatBytes(before)} before${share}` }];
}

/** Most failures that are listed; the table of gates has all. */
const maxListed = 12;

function failures(failed: readonly GateVerdict[], findings: readonly Finding[]): Markup {
  const more = failed.length - maxListed;
  return html`<section class="failures" aria-labelledby="failures">${
    findings.length === 0
      ? undefined
      : html`<h2 id="findings">What is wrong</h2>
<ul class="findings plain">${findings.map((finding) => html`<li><b>${findingText(finding)}</b></li>\n`)}</ul>
`
  }<h2 id="failures">What failed</h2>
<p class="lead">In the order of what is compared, from the original on to the output: the first is nearest the fault.</p>
<ol>${failed.slice(0, maxListed).map((gate) => html`<li><b>${gateKey(gate)}</b> (${gate.feed}, ${gate.component}): <b class="bad">${formatNumber(gate.value)}</b>, limit ${gateLimit(gate)}${gate.where === undefined || gate.where === '' ? undefined : html`, worst at <b>${gate.where}</b>`}</li>\n`)}</ol>
${more > 0 ? html`<p class="note">and ${more} more, see <a href="#gates">all gates</a></p>` : undefined}</section>
`;
}
