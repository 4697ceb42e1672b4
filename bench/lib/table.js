/** Text of the benchmarks' tables, and the machine they ran on. */
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** @param {readonly (readonly string[])[]} rows the first is the header; columns but the first `left` align right */
export function table(rows, left = 1) {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @param {number} bytes */
export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
/** @param {number} bytes */
export const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
/** @param {number} value */
export const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`;

export function machine() {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const available = /^\s*MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? '0';
  return `${cpus().length} cores (${model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory (${(Number(available) / 2 ** 20).toFixed(0)} GiB free), Linux ${release()}, Node ${process.versions.node}`;
}
