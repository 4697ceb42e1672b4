/** vlm-convert as a library. The command line uses nothing else. */

export {
  type GraphReport,
  graphSummary,
  type ParityReport,
  renderJunit,
  renderJunitError,
  renderMarkdown,
  summaryLines,
} from './parity/index.ts';
export {
  type BisectedComponent,
  type BisectOptions,
  type BisectResult,
  bisect,
} from './pipeline/bisect.ts';
export { type CompareOptions, type CompareResult, compare } from './pipeline/compare.ts';
export { type ConvertContext, type ConvertResult, convert } from './pipeline/convert.ts';
export {
  type ConvertGraphOptions,
  type ConvertGraphResult,
  convertGraph,
  planGraphConversion,
} from './pipeline/convert-graph.ts';
export { type Drawn, type DrawOptions, draw } from './pipeline/draw.ts';
export {
  type GenerateContext,
  type Generated,
  type GenerateOptions,
  generate,
} from './pipeline/generate.ts';
export type { Generation } from './pipeline/generation.ts';
export {
  type InspectedCheckpoint,
  type InspectedComponent,
  type InspectedGraph,
  type InspectedOnnx,
  type InspectedSafetensors,
  type InspectedTensor,
  type Inspection,
  type InspectOptions,
  inspect,
} from './pipeline/inspect.ts';
export { type ListedOption, type ListedPass, listPasses } from './pipeline/list-passes.ts';
export type { Manifest, ManifestFile } from './pipeline/manifest.ts';
export {
  type OptimizeContext,
  type OptimizeOptions,
  type OptimizeResult,
  type OptimizeStep,
  optimize,
} from './pipeline/optimize.ts';
export { optimizePasses } from './pipeline/optimize-passes.ts';
export type { ConvertOptions, Precision } from './pipeline/options.ts';
export { writePassReproducer } from './pipeline/pass-reproducer.ts';
export type { Plan, PlannedConversion, PlannedFile } from './pipeline/plan.ts';
export { planConversion } from './pipeline/plan-conversion.ts';
export {
  planQuantization,
  type QuantizeOptions,
  type QuantizeResult,
  quantize,
} from './pipeline/quantize.ts';
export { type RecheckOptions, type RecheckResult, recheck } from './pipeline/recheck.ts';
export type { DiagnosticRecord } from './report/diagnostics.ts';
export { VlmError } from './report/diagnostics.ts';
export type { Progress, Reporter, StageSpec } from './report/progress.ts';
