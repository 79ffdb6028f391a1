/** The environments of difftune: `difftune/envs`. */
export { PhiloxStream } from "../core/philox.js";
export { resolveChunking, selectExecuted, type Chunking, type ChunkingOptions } from "./chunking.js";
export {
  EpisodeTable,
  Space,
  type ChunkResult,
  type Coordinate,
  type EpisodeOutcome,
  type Image,
  type VectorEnvironment,
} from "./environment.js";
export { createPushT, PushT, pushtStepFlags, type PushTOptions, type PushTSettings } from "./pusht.js";
export { extremaOf, Normaliser, type DataStatistics, type Extrema, type NormaliserKind } from "./normaliser.js";
export {
  vectorise,
  type EnvironmentDefinition,
  type SingleEnvironment,
  type StepAnswer,
  type VectoriseOptions,
  VectorisedEnvironment,
} from "./vectorise.js";
