/** How the parts of the verifier tell what they find. */
import type { Code, DiagnosticDetail } from '../report/diagnostics.ts';

export type Report = (code: Code, detail: DiagnosticDetail) => void;
