/**
 * Gates that the user gave for components: `audio_encoder.features.relative=0.01` holds for what that component gives, where
 * `features.relative` holds for all. The more exact name counts, as in other options.
 */
import { byComponent, type ComponentKind, idsAt, type Named } from '../architectures/vocabulary.ts';
import { fail } from '../report/diagnostics.ts';
import type { GateOverride } from './gates.ts';
import type { OutputKind } from './outputs.ts';

/** What components of a kind give that is compared; blocks and activations are compared in all of them. */
const outputsOf: Readonly<Record<ComponentKind, readonly OutputKind[]>> = {
  encoder: ['features', 'choices'],
  projector: ['features'],
  embed: ['embeds', 'code-embeds'],
  decoder: ['logits', 'cache', 'hidden'],
  'output-projector': ['code-logits', 'guided-logits'],
  generator: ['pixels'],
};

/**
 * Gates by component id instead of by address, those for all components first. Throws VC4006 where an address means no
 * component, VC4022 where two as exact ones differ, VC6105 where a component gives no such output.
 */
export function gatesOfComponents(
  gates: readonly GateOverride[],
  components: readonly Named[],
): readonly GateOverride[] {
  const limits = new Map<string, { readonly gate: GateOverride; readonly given: Record<string, number> }>();
  for (const gate of gates) {
    const { level, output, metric, address } = gate;
    if (address === undefined) continue;
    checkOutputs(address, output, components);
    const key = `${level}.${output}.${metric}`;
    const known = limits.get(key) ?? { gate, given: {} };
    known.given[address] = gate.limit;
    limits.set(key, known);
  }
  return [
    ...gates.filter(({ address }) => address === undefined),
    ...[...limits].flatMap(([key, { gate, given }]) =>
      [...byComponent(given, components, `--gate ${key}`)].map(([component, limit]) => {
        const { address: _, ...rest } = gate;
        return { ...rest, component, limit };
      }),
    ),
  ];
}

/** All that an address means has to give the output, for a gate on nothing would say that something holds. */
function checkOutputs(address: string, output: GateOverride['output'], components: readonly Named[]): void {
  const where = `--gate ${address}.${output}`;
  const ids = idsAt(address, components, where);
  if (output === 'blocks' || output === 'activations') return;
  for (const { id, kind } of components.filter((component) => ids.includes(component.id))) {
    if (outputsOf[kind].includes(output)) continue;
    throw fail('VC6105', { where, found: `${output} of ${id}`, expected: outputsOf[kind].join(', ') });
  }
}
