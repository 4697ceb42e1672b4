/**
 * The gates as JUnit XML, for the test view of a CI system: a suite per level, a case per gate. The dialect is what
 * all readers share: testsuites, testsuite, testcase, failure.
 */
import { type DiagnosticRecord, formatDiagnostic } from '../../report/diagnostics.ts';
import type { GateLevel, GateVerdict } from '../gates.ts';
import type { ParityReport } from './report.ts';
import { formatNumber, gateKey, gateLimit, modelText, precisionText } from './text.ts';

export function renderJunit(report: ParityReport): string {
  const swept: readonly GateLevel[] = report.ranges === undefined ? [] : ['ranges'];
  const suites = [...report.levels.map(({ level }) => level), ...swept].map((level) => ({
    level,
    gates: report.gates.filter((gate) => gate.level === level),
  }));
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${attribute(`${report.tool.name} parity`)}" ${counts(report.gates)}>`,
    ...suites.flatMap(({ level, gates }) => [
      `  <testsuite name="${attribute(level)}" ${counts(gates)}>`,
      '    <properties>',
      property('model', modelText(report)),
      property('precision', precisionText(report)),
      property('device', report.runtime.device),
      '    </properties>',
      ...gates.flatMap(testCase),
      '  </testsuite>',
    ]),
    '</testsuites>',
  ];
  return `${lines.join('\n')}\n`;
}

/** A check that did not come to any gate: one test case, in error. */
export function renderJunitError(tool: string, record: DiagnosticRecord): string {
  const numbers = 'tests="1" failures="0" errors="1" skipped="0" time="0"';
  const said = [record.message, ...(record.where === undefined ? [] : [record.where])].join(', ');
  return `${[
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${attribute(`${tool} parity`)}" ${numbers}>`,
    `  <testsuite name="check" ${numbers}>`,
    '    <testcase classname="parity.check" name="the check runs" time="0">',
    `      <error type="${attribute(record.code)}" message="${attribute(said)}">${text(formatDiagnostic(record))}</error>`,
    '    </testcase>',
    '  </testsuite>',
    '</testsuites>',
  ].join('\n')}\n`;
}

/** How long a gate took is not known; readers want a number. */
function counts(gates: readonly GateVerdict[]): string {
  const failures = gates.filter((gate) => !gate.passed).length;
  return `tests="${gates.length}" failures="${failures}" errors="0" skipped="0" time="0"`;
}

function property(name: string, value: string): string {
  return `      <property name="${attribute(name)}" value="${attribute(value)}"/>`;
}

function testCase(gate: GateVerdict): readonly string[] {
  const { level, output, component, metric, feed, where, size } = gate;
  const fed = size === undefined ? `(${feed})` : `at ${size}`;
  const open = `    <testcase classname="${attribute(`parity.${level}.${output}`)}" name="${attribute(`${component} ${output} ${metric} ${fed}`)}" time="0"`;
  if (gate.passed) return [`${open}/>`];
  const measured = `${formatNumber(gate.value)}, limit ${gateLimit(gate)}`;
  const place = where === undefined || where === '' ? [] : [`worst at ${where}`];
  return [
    `${open}>`,
    `      <failure type="gate" message="${attribute([measured, ...place].join(', '))}">${text(
      [
        `gate:     ${gateKey(gate)} (${feed})`,
        `measured: ${Number(gate.value.toPrecision(6))}`,
        `limit:    ${gateLimit(gate)}`,
        `where:    ${where ?? ''}`,
      ].join('\n'),
    )}</failure>`,
    '    </testcase>',
  ];
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function text(value: string): string {
  return allowed(value).replaceAll(/[&<>"']/g, (char) => entities[char] ?? char);
}

/** White space in an attribute is written so that it survives. */
function attribute(value: string): string {
  return text(value).replaceAll(/[\t\n\r]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** Characters that XML 1.0 has no way to write, control characters and lone surrogates, become U+FFFD. */
function allowed(value: string): string {
  return value.replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD');
}
