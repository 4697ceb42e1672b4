/** The report in the lines that a terminal shows after a check: the verdict, what failed and where, what was near. */
import { formatTable } from '../../report/format.ts';
import { placementLine } from '../placement.ts';
import { worstBlock, worstBlockText } from './blocks.ts';
import { findingText } from './finding.ts';
import { leastRange } from './ranges-text.ts';
import type { ParityReport } from './report.ts';
import { formatNumber, gateKey, gateLimit, isQuiet, shareText, tightest, usedShare } from './text.ts';

/** With the rest it has to fit a screen of 24 lines. */
const mostFailures = 6;
const mostFindings = 3;

/** Lines without an end; the first one is the verdict. */
export function summaryLines(report: ParityReport): readonly string[] {
  const failed = report.gates.filter((gate) => !gate.passed);
  const verdict = report.passed
    ? `all ${report.gates.length} gates passed`
    : `${failed.length} of ${report.gates.length} gates FAILED`;
  const failures = failed
    .slice(0, mostFailures)
    .map((gate) => [
      '  FAIL',
      `${gateKey(gate)} (${gate.feed})`,
      formatNumber(gate.value),
      gateLimit(gate),
      gate.where ?? '',
    ]);
  const more = failed.length - mostFailures;
  return [
    `Check against the original: ${verdict}`,
    ...report.findings.slice(0, mostFindings).map((finding) => `  BLAME ${findingText(finding)}`),
    ...formatTable(failures, [2]),
    ...(more > 0 ? [`        and ${more} more`] : []),
    ...formatTable([...outputs(report), ...blocks(report), ...ranges(report)], []),
    ...placement(report),
  ];
}

/** Per output the gate nearest its limit. */
function outputs(report: ParityReport): string[][] {
  return tightest(report)
    .filter(({ output }) => output !== 'activations')
    .map((gate) => {
      const key = `${gate.level} ${gate.metric}`;
      const said = `${key} ${formatNumber(gate.value)} ${gateLimit(gate)}`;
      return [
        `  ${gate.output}`,
        isQuiet(gate) ? 'finite' : `${shareText(usedShare(gate))} of its limit: ${said} (${gate.feed})`,
      ];
    });
}

function blocks({ curves = [], findings }: ParityReport): string[][] {
  return curves.flatMap((curve) => {
    const worst = worstBlock(curve, findings);
    return worst === undefined ? [] : [[`  ${curve.component}`, worstBlockText(worst)]];
  });
}

/** What a sweep over sizes found nearest to the end of float16, per component that computes in it. */
function ranges({ ranges: report }: ParityReport): string[][] {
  if (report === undefined) return [];
  const halves = report.sizes.flatMap(({ components }) => components.filter((one) => one.float16));
  const ids = [...new Set(halves.map(({ component }) => component))];
  return ids.flatMap((id) => {
    const least = leastRange(report, id);
    return least === undefined ? [] : [['  ranges', `${id}: ${least}`]];
  });
}

/** The converted graphs in one line, the best known of them. */
function placement({ placement: placed = [], runtime }: ParityReport): readonly string[] {
  const converted = placed.filter(({ build }) => build === 'converted');
  if (converted.length === 0) return [];
  const plain = converted.every(
    ({ proven, fellBack, device }) => proven && fellBack.length === 0 && device === runtime.device,
  );
  return plain
    ? [`  Every node of ${converted.map(({ component }) => component).join(', ')} ran on ${runtime.device}.`]
    : converted.map((one) => `  ${placementLine(one)}`);
}
