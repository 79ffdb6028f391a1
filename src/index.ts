/** difftune: fine-tune robot diffusion policies. The public names, and nothing else. */
export { DifftuneError, errorCodes, type ErrorCode, type ErrorFacts } from "./core/errors.js";
export { LinearMemory, type LinearMemoryOptions } from "./core/linear-memory.js";
export {
  bootstrapInterval, entropy, mean, meanInterval, shareInterval, standardDeviation, studentQuantile, type BootstrapOptions, type Interval,
} from "./core/statistics.js";
export { Dataset, DatasetBuilder, sourceOf, type CollectProgress, type DatasetSource } from "./data/dataset.js";
export { openRecording } from "./data/open-recording.js";
export { loadRecording, type Recording, type RecordingOptions } from "./data/recording.js";
export {
  splitEpisodes,
  transitionWindowsOf,
  windowsOf,
  type SplitOptions,
  type TransitionRows,
  type TransitionWindowOptions,
  type TransitionWindows,
  type WindowOptions,
  type WindowRows,
  type Windows,
} from "./data/windows.js";
export { createDevice, enableRelaxedSimd, type DeviceOptions } from "./engine/create-device.js";
export type { Device, DeviceInfo, DeviceLoss, DeviceUse, EngineName, TensorData, TensorOptions } from "./engine/device.js";
export type { Launch, Program, ProgramRecorder } from "./engine/program.js";
export type { Tensor } from "./engine/tensor.js";
export type { VariantChooser } from "./engine/variant-chooser.js";
export type { WasmDevice, WasmDeviceOptions } from "./engine/wasm/wasm-device.js";
export type { WebGpuDevice, WebGpuDeviceOptions } from "./engine/webgpu/webgpu-device.js";
export { blobSource, bytesSource, type ByteSource, type Folder } from "./io/byte-source.js";
export {
  readSafetensors,
  storeDoubles,
  storeFloats,
  readDoubles,
  readFloats,
  writeSafetensors,
  type Dtype,
  type Safetensors,
  type StoredTensor,
} from "./io/safetensors.js";
export { loadStateDict, saveStateDict, type LoadOptions, type ParameterShape } from "./io/state-dict.js";
export {
  createActingNoise,
  recordActing,
  recordActingNoise,
  type Actor,
  type ActorOptions,
  type ActingNoise,
  type ActingOptions,
  type ActingTensors,
} from "./diffusion/acting.js";
export { pretrainPresets, type PretrainPreset } from "./algorithms/presets.js";
export { pretrain, pretrainSchema, type PretrainEvent, type PretrainOptions, type PretrainSample } from "./algorithms/pretrain.js";
export { dppo, dppoSchema, type DppoOptions } from "./algorithms/dppo.js";
export { ppo, ppoSchema, type PpoTrainingOptions } from "./algorithms/ppo.js";
export { fdpp, fdppSchema, type FdppOptions } from "./algorithms/fdpp.js";
export { drwr, drwrSchema, type DrwrOptions } from "./algorithms/drwr.js";
export { dawr, dawrSchema, type DawrOptions } from "./algorithms/dawr.js";
export { idql, idqlSchema, type IdqlOptions } from "./algorithms/idql.js";
export { dql, dqlSchema, type DqlOptions } from "./algorithms/dql.js";
export { dipo, dipoSchema, type DipoOptions } from "./algorithms/dipo.js";
export { qsm, qsmSchema, type QsmOptions } from "./algorithms/qsm.js";
export { forwardLikelihood, inferLikelihood, type LikelihoodTape, type Transitions } from "./diffusion/likelihood.js";
export { recordCloningLoss, type CloningTensors } from "./diffusion/cloning-loss.js";
export {
  Policy,
  policyNetworkSchema,
  type PolicyModel,
  type PolicyNetwork,
  type PolicyOptions,
  type ResolvedPolicyOptions,
  type TunedValues,
} from "./diffusion/policy.js";
export { DiffusionProcess, type ProcessOptions, type ProcessTables } from "./diffusion/process.js";
export type { DenoisingStep, Sampler } from "./diffusion/schedule.js";
export { recordSampling, type SamplingOptions, type SamplingTensors } from "./diffusion/sampling.js";
export type { Activation } from "./kernels/nn/activation.js";
export { ema, emaWeights } from "./kernels/optim/ema.js";
export { selfTest, type SelfTestRow } from "./kernels/self-test/self-test.js";
export { createQCritic, type QCritic, type QCriticOptions, type QCriticTape, type QInputs, type QPair } from "./nn/q-critic.js";
export { createCritic, type Critic, type CriticOptions, type CriticTape } from "./nn/critic.js";
export {
  forwardDensity, inferDensity, recordLikelihoodLoss, type Density, type DensityInputs, type DensityTape, type LikelihoodLossTensors,
} from "./nn/density.js";
export type { Denoiser, DenoiserInputs, DenoiserSteps, DenoiserTape, StepRange } from "./nn/denoiser.js";
export { createDiffusionMlp, type DiffusionMlp, type DiffusionMlpOptions } from "./nn/diffusion-mlp.js";
export { createMlp, type FirstLayer, type Mlp, type MlpOptions, type Tape } from "./nn/mlp.js";
export { ParameterLayout, type Initialiser, type Parameter } from "./nn/parameters.js";
export { addLinear, Pass, type ColumnRange, type LinearLayer, type LinearOutputs } from "./nn/pass.js";
export { warmupCosineRate, type WarmupCosineOptions } from "./nn/rate-schedule.js";
export {
  createStochasticMlp,
  type PolicyHead,
  type PolicyHeadGradient,
  type PolicyStd,
  type PolicyTape,
  type StochasticMlp,
  type StochasticMlpOptions,
} from "./nn/stochastic-mlp.js";
export { createTrained, freeTrained, recordOptimiserStep, type OptimiserOptions, type Trained } from "./nn/trained.js";
export { createUnet, type Unet, type UnetOptions } from "./nn/unet.js";
export { blinded, scriptedAnnotator, selfConsistency, type Annotator, type AnnotatorNoise, type Answer, type Query } from "./preference/annotators.js";
export {
  calibrate,
  preferenceAccuracy,
  preferenceLoss,
  rankCorrelation,
  type Calibration,
  type ReliabilityBin,
} from "./preference/calibration.js";
export { chunkRewards, type ChunkTail } from "./preference/chunk-reward.js";
export { compileExpression, compileFeatures, type Expression, type FeatureMap } from "./preference/expression.js";
export {
  encodePair,
  encodePairHeader,
  encodeUndo,
  readPairs,
  type PairColumns,
  type PairSource,
  type PreferenceLabel,
  type PreferencePair,
  type StoredPairs,
} from "./preference/pair-store.js";
export { avoidBoxTask, compileTask, stackAlignmentTask, stackDistanceTask, taskSchema, type PreferenceTask, type TaskDescription } from "./preference/preference-task.js";
export { disagreement, drawQueries, meanEntropy, type QueryOptions, type QueryStrategy, type SegmentPair, type SegmentPool } from "./preference/queries.js";
export { normaliseReward, RewardModel, rewardMap, type FeatureStatistics, type RewardMap, type RewardModelShape, type RewardScorer } from "./preference/reward-model.js";
export {
  featureStatistics,
  rewardSchema,
  trainReward,
  type RewardEvent,
  type RewardOptions,
  type RewardPairs,
  type RewardTraining,
} from "./preference/reward-training.js";
export { labelByScript, type ScriptedLabelOptions, type ScriptedPair } from "./preference/scripted-labels.js";
export { Segments, type UnlabelledPair } from "./preference/segments.js";
export { splitPairs, type SplitPairs } from "./preference/split-pairs.js";
export { openStateReward, type ScoreStates, type StateReward, type StateRewardSource } from "./preference/state-reward.js";
export { chainOf, type ChainOptions, type DenoisingChain } from "./rl/denoising-chain.js";
export { episodeStatistics, type EpisodeRecord, type EpisodeStatistics } from "./rl/episode-statistics.js";
export { evaluate, evaluateSchema, type Acting, type EvaluateOptions, type Evaluation, type Failure, type Trajectory } from "./rl/evaluation.js";
export { ppoUpdateStatistics, recordMinibatch, recordPpoLoss, type PpoModel, type PpoOptions, type Rollout } from "./rl/ppo-update.js";
export { recordRollouts, rolloutSchema, type RolloutOptions } from "./rl/recorded-rollouts.js";
export { visitedStarts, visitedStartsSchema, type VisitedStartsOptions } from "./rl/visited-starts.js";
export { decodeTrainingState, encodeTrainingState, type TrainingState } from "./rl/training-state.js";
export type { IterationEvent, IterationSeconds, Training } from "./rl/training.js";
export { recordUpdateStep, type UpdateStep, type UpdateStepTensors } from "./rl/update-step.js";
