/** What the parity room offers to the rest. */
export { withoutActivationQuantization } from './activation-quantization.ts';
export { type ComponentRun, eachComponent } from './bisect/component-run.ts';
export { type LocatedNode, locateNode, type NodeRef } from './bisect/locate-node.ts';
export { outputErrors } from './bisect/output-errors.ts';
export { rankWeights, type WeightGain, type WeightRanking } from './bisect/rank-weights.ts';
export { type Reproduction, reproduce, type Symptom } from './bisect/reproduce.ts';
export { type Applied, passLimit, type Stage } from './bisect/stage.ts';
export { type BrokenPart, type StageResult, stageErrors } from './bisect/stage-errors.ts';
export {
  checkGraph,
  type GraphBuilds,
  type GraphCheck,
  type GraphDraw,
  type GraphLevel,
  type LevelGate,
  type ModelSource,
} from './compare/check-graph.ts';
export {
  type CompareRequest,
  compareModels,
  type ModelComparison,
} from './compare/compare-models.ts';
export type { ValueComparison } from './compare/compare-values.ts';
export { applies, type ComparisonVerdict, judgeComparison, parseComparisonGates } from './compare/gates.ts';
export { indexBounds } from './compare/index-bounds.ts';
export { embedIds, embedRows, output, runDecoder, splice } from './components.ts';
export {
  type GateOverride,
  type GateVerdict,
  type Level,
  type Precision,
  parseGates,
  precisions,
} from './gates.ts';
export { gatesOfComponents } from './gates-addressed.ts';
export { type Baseline, checkBaseline, parseBaseline } from './gates-baseline.ts';
export { withRanges } from './gates-ranges.ts';
export { drawingNames, guidedLogits } from './guidance.ts';
export { decodePicture } from './inputs/decode-picture.ts';
export { unconditionalRow } from './inputs/drawing.ts';
export type { Picture } from './inputs/picture.ts';
export { encodePrompt } from './inputs/prompt.ts';
export { Random } from './inputs/random.ts';
export { recordedSample } from './inputs/recorded.ts';
export {
  drawSample,
  type Prompt,
  type Sample,
  type SampleMedia as SamplePicture,
  sampleMedia as samplePicture,
} from './inputs/sample.ts';
export { readSamples } from './inputs/samples.ts';
export { sharedPrompt } from './inputs/shared-prompt.ts';
export { cutSounds, readSound } from './inputs/sound/read-sound.ts';
export { summariseSample } from './inputs/summary.ts';
export { openTokenizer, type Tokenizer } from './inputs/tokenizer.ts';
export { readVideo } from './inputs/video.ts';
export { fitPicture } from './inputs/vision-inputs.ts';
export { argMax } from './metrics.ts';
export { pictureFeatures } from './picture-features.ts';
export { picturesOf } from './picture-metrics.ts';
export { maxLogitElements } from './places.ts';
export { type SweepSize, sweepRanges } from './ranges/sweep.ts';
export type { AdapterChange, AdapterRecord } from './report/adapters.ts';
export { type CoverageRow, coverageRows } from './report/coverage.ts';
export { reportFiles } from './report/files.ts';
export {
  blameText,
  type GraphBlame,
  type GraphReport,
  graphSummary,
  renderGraphMarkdown,
} from './report/graph-report.ts';
export { renderJson } from './report/json.ts';
export { renderJunit, renderJunitError } from './report/junit.ts';
export { renderMarkdown } from './report/markdown.ts';
export type { RangeReport } from './report/range-report.ts';
export type { ParityReport, PassSummary, Subject } from './report/report.ts';
export { summaryLines } from './report/summary.ts';
export { defaultDecodeSteps, type ParityRequest, parityFailure, runParity } from './run-parity.ts';
export { type BuildName, type Builds, buildNames, cutBuilds, outputBuilds } from './stream/builds.ts';
export type { CutOptions } from './stream/cuts.ts';
export type { PlacedPart } from './stream/lanes.ts';
