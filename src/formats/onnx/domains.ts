/** Operator set domains as the IR spells them: `ai.onnx` is another name of the default domain. */
export function defaultDomain(domain: string | undefined): string {
  return domain === 'ai.onnx' ? '' : (domain ?? '');
}
