/**
 * The catalogue of diagnostic codes. A code is never reused or renumbered.
 *
 * VC10xx safetensors files · VC11xx checkpoint folders and indexes · VC12xx config.json and tensors against it
 * VC2xxx ONNX files · VC3xxx graphs and passes · VC4xxx options, resolution, adapters
 * VC5xxx output · VC6xxx runtimes and parity · VC9xxx internal
 */
import type { exitCodes } from './diagnostics.ts';

interface Entry {
  readonly severity: 'error' | 'warning';
  /** One line, no full stop, says what is wrong in general. */
  readonly title: string;
  readonly exit: keyof typeof exitCodes;
  readonly hint?: string;
}

const error = (exit: Entry['exit'], title: string, hint?: string): Entry => ({
  severity: 'error',
  title,
  exit,
  ...(hint === undefined ? {} : { hint }),
});

const warning = (title: string, hint?: string): Entry => ({
  severity: 'warning',
  title,
  exit: 'gate',
  ...(hint === undefined ? {} : { hint }),
});

export const catalogue = {
  // --- VC10xx safetensors files

  // --- VC11xx checkpoint folders and indexes

  // --- VC12xx config.json, and tensors against it

  // --- VC2xxx ONNX files

  // --- VC3xxx graphs and passes

  // --- VC4xxx options, resolution, adapters
  VC4301: warning(
    'a tile runs adapter weights that were not trained for its position',
    'train adapters for this grid, or choose --lora-tiles base; --strict makes this an error',
  ),

  // --- VC5xxx output

  // --- VC6xxx runtimes and parity

  // --- VC9xxx internal
  VC9001: error(
    'internal',
    'an invariant of vlm-convert does not hold',
    'please report this, with --debug output',
  ),
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof catalogue;
