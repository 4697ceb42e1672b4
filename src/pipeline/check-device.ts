/** The device of the check, chosen before any work is done, with a warning of what it gets wrong. */
import { diagnostic } from '../report/diagnostics.ts';
import type { Reporter } from '../report/progress.ts';
import { type ChosenDevice, chooseDevice, type DeviceChoice } from '../runtime/devices.ts';

/** Throws VC6002 when the device asked for does not work, VC6001 when the runtime is missing. */
export async function checkDevice(choice: DeviceChoice, reporter: Reporter): Promise<ChosenDevice> {
  const chosen = await chooseDevice(choice);
  reporter.warn(
    (chosen.defects ?? []).map(({ operator, relative }) =>
      diagnostic('VC6006', {
        where: `${operator} on ${chosen.device}`,
        found: `a small graph is off by ${relative.toPrecision(2)} of its norm`,
      }),
    ),
  );
  return chosen;
}
