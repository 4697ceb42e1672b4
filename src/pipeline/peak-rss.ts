/** The most memory that this process has held, in bytes. */
import { readFileSync } from 'node:fs';

export function peakRss(): number {
  try {
    // resourceUsage() counts, on Linux, what the process was forked from, too.
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // Not a Linux system.
  }
  return process.resourceUsage().maxRSS * 1024;
}
