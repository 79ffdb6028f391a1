/** The environments of difftune: `difftune/envs`. */
export { noisyActions, type ActionNoiseOptions } from "./action-noise.js";
export { Avoid, avoidStepFlags, createAvoid, type AvoidOptions, type AvoidPose, type AvoidSettings } from "./avoid.js";
export { avoidModes, avoidSets, demonstrateAvoid, type AvoidDemonstrationOptions } from "./avoid-demonstrator.js";
export { avoidScene, modeOf } from "./avoid-scene.js";
export type { Demonstration } from "./demonstration.js";
export { demonstratePushT, type PushTDemonstrationOptions } from "./pusht-demonstrations.js";
export { replay, replayAvoidRows, type AvoidRows, type Deviation, type ReplayOptions, type ReplayReport } from "./replay.js";
export { drawAvoid, type AvoidDrawing, type AvoidPath } from "./drawing/avoid.js";
export { Canvas, type Colour, type TextStyle } from "./drawing/canvas.js";
export { encodeGif, encodePng, type GifOptions } from "./drawing/encode.js";
export { drawPushT, type Box, type PushTPicture, type PushTPose } from "./drawing/pusht.js";
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
export { pushtScene } from "./pusht-scene.js";
export { environment, environmentNames, type EnvironmentName, type EnvironmentOptions } from "./registry.js";
export {
  vectorise,
  type EnvironmentDefinition,
  type SingleEnvironment,
  type StepAnswer,
  type VectoriseOptions,
  VectorisedEnvironment,
} from "./vectorise.js";
