/** The checkpoint tensors that a tensor is computed from. */
import type { Tensor } from '../tensor.ts';

/** Names of the source tensors behind `tensor`, each once, in order of first use. */
export function leafNames(tensor: Tensor): readonly string[] {
  const names = new Set<string>();
  const seen = new Set<Tensor>();
  const visit = (current: Tensor): void => {
    if (seen.has(current)) return;
    seen.add(current);
    if (current.origin.kind === 'source') names.add(current.origin.name);
    else if (current.origin.kind === 'derived') current.origin.derivation.inputs.forEach(visit);
  };
  visit(tensor);
  return [...names];
}
