import { DifftuneError } from "../core/errors.js";
import type { DiffusionProcess, ProcessTables } from "../diffusion/process.js";
import { recordCloningLoss, type CloningTensors } from "../diffusion/cloning-loss.js";
import { forwardSampling } from "../diffusion/differentiable-sampling.js";
import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { forwardNoising } from "../kernels/diffusion/forward-noising.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { meanSquaredLoss } from "../kernels/nn/mean-squared-loss.js";
import { adamStateLength, adamw } from "../kernels/optim/adamw.js";
import { accumulate } from "../kernels/optim/ema.js";
import { gradientNorm, gradientNormLength } from "../kernels/optim/gradient-norm.js";
import { minimumBackward, relativeValueLoss, type relativeValueLossSpec } from "../kernels/rl/q-learning.js";
import type { Denoiser } from "../nn/denoiser.js";
import type { QCritic } from "../nn/q-critic.js";
import type { Trained } from "../nn/trained.js";

type Learner = Pick<Trained, "values" | "gradients">;

/** A pair of critics and the parameters they judge with; they are not changed. */
export interface Judge {
  readonly critic: QCritic;
  readonly values: Tensor;
}

/** A denoiser, its process, and the parameters that learn. */
export interface DiffusionLearner {
  readonly denoiser: Denoiser;
  readonly process: DiffusionProcess;
  readonly learner: Learner;
}

/** Options of {@link recordActionAscent}. */
export interface ActionAscentOptions {
  readonly rows: number;
  /** Adam steps, each on the whole batch. */
  readonly steps: number;
  readonly rate: number;
  readonly epsilon: number;
  /** Largest norm of the gradient of the whole batch. */
  readonly maxNorm: number;
}

/**
 * Records DIPO's improvement of stored chunks (spec 12.3): some steps of a fresh Adam up the sum of min(Q1, Q2), the chunks
 * held within [-1, 1] after each.
 */
export function recordActionAscent(
  program: ProgramRecorder,
  { critic, values }: Judge,
  tensors: { readonly state: Tensor; readonly action: Tensor; readonly improved: Tensor },
  options: ActionAscentOptions,
): void {
  const { rows, steps, rate, epsilon, maxNorm } = options;
  const width = critic.actionWidth;
  const copy = (src: Tensor, dst: Tensor): void => { affineColumns(program, { src, dst }, { rows, columns: width }); };
  const identity = { scale: program.constant([1], "one"), shift: program.constant([0], "zero") };
  const zeros = program.constant(new Float32Array(Math.max(rows * width, adamStateLength)), "zeros");
  const flat = (label: string): Tensor => program.temporary([rows, width], label);
  const [m, second] = [flat("first moments of chunks"), flat("second moments of chunks")];
  copy(zeros, m);
  copy(zeros, second);
  const state = program.temporary([adamStateLength], "optimiser state of chunks");
  affineColumns(program, { src: zeros, dst: state }, { rows: 1, columns: adamStateLength });
  let action = flat("chunks");
  copy(tensors.action, action);
  for (let step = 1; step <= steps; step++) {
    const tape = critic.forward(program, values, undefined, { state: tensors.state, action }, rows);
    const [first, other] = tape.outputs;
    const [dfirst, dsecond] = [program.temporary([rows, 1], "first slope"), program.temporary([rows, 1], "second slope")];
    // Up: the loss is minus the sum.
    minimumBackward(program, { first, second: other, dfirst, dsecond }, { count: rows, scale: -1 });
    const gradient = tape.backward([dfirst, dsecond], { action: true });
    if (gradient === undefined) return;
    const norm = program.temporary([gradientNormLength], "norm of the chunk gradient");
    gradientNorm(program, { gradient, norm }, { maxNorm });
    adamw(program, { parameters: action, gradient, m, v: second, state, norm }, {
      rate, betas: [0.9, 0.999], epsilon, weightDecay: 0, decoupled: false,
    });
    const held = step === steps ? tensors.improved : flat(`chunks after step ${step}`);
    affineColumns(program, { src: action, dst: held, map: { ...identity, limit: 1 } }, { rows, columns: width });
    action = held;
  }
}

/**
 * Records QSM's loss (spec 12.6): the predicted noise at a noised chunk shall be -coefficient times the critics' mean gradient
 * there; forward and backward.
 */
export function recordScoreMatching(
  program: ProgramRecorder,
  { denoiser, process, learner }: DiffusionLearner,
  judge: Judge,
  tensors: Pick<CloningTensors, "x0" | "state" | "time" | "noise" | "noisingTable" | "loss">,
  options: { readonly rows: number; readonly coefficient: number },
): void {
  const { rows, coefficient } = options;
  const { width } = denoiser;
  const { state, time } = tensors;
  if (!process.predictsNoise) {
    throw new DifftuneError("OPTION", "Score matching needs a network that predicts the noise.", { path: "process.predictsNoise", got: false });
  }
  const x = program.temporary([rows, width], "noised chunks");
  forwardNoising(program, { x0: tensors.x0, noise: tensors.noise, t: time, table: tensors.noisingTable, xt: x }, { rows, width });
  const judged = judge.critic.forward(program, judge.values, undefined, { state, action: x }, rows);
  // The gradient of -coefficient times the mean of both is the target itself.
  const slope = program.constant(new Float32Array(rows).fill(-coefficient / 2), "slopes");
  const target = judged.backward([slope, slope], { action: true });
  if (target === undefined) return;
  const tape = denoiser.forward(program, learner.values, learner.gradients, { x, time, state }, rows);
  const dPrediction = program.temporary([rows, width], "prediction gradient");
  meanSquaredLoss(program, { prediction: tape.output, target, dprediction: dPrediction, loss: tensors.loss }, { rows, width });
  tape.backward(dPrediction);
}

/**
 * Records DQL's loss (spec 12.5), forward and backward: chunks are sampled, judged and gone back from through every denoising
 * step; the same chunks are cloned. loss[0] = the cloning loss, `valueLoss[0]` = -mean Q1 / mean|Q2|. `update({ isSwapped: 1 })`
 * of the returned launch swaps the parts of the critics.
 */
export function recordChainAscent(
  program: ProgramRecorder,
  { denoiser, process, learner }: DiffusionLearner,
  tables: ProcessTables,
  judge: Judge,
  tensors: Pick<CloningTensors, "state" | "time" | "noise" | "noisingTable" | "loss"> & {
    /** Normals of the chain [n + 1, rows, width]. */
    readonly chainNoise: Tensor;
    readonly valueLoss: Tensor;
  },
  options: { readonly rows: number; readonly eta: number },
): Launch<typeof relativeValueLossSpec.params> {
  const { rows, eta } = options;
  const { state, time, noise, noisingTable, loss, chainNoise, valueLoss } = tensors;
  const sampled = forwardSampling(program, denoiser, process, tables, { ...learner, state, noise: chainNoise }, rows);
  const judged = judge.critic.forward(program, judge.values, undefined, { state, action: sampled.chunk }, rows);
  const [first, second] = judged.outputs;
  const [dfirst, dsecond] = [program.temporary([rows, 1], "first slope"), program.temporary([rows, 1], "second slope")];
  const launch = relativeValueLoss(program, { first, second, dfirst, dsecond, loss: valueLoss }, { count: rows, gradientScale: eta });
  const dValue = judged.backward([dfirst, dsecond], { action: true });
  const dChunk = program.temporary([rows, denoiser.width], "chunk gradient");
  recordCloningLoss(program, denoiser, process, { ...learner, x0: sampled.chunk, state, time, noise, noisingTable, loss, dx0: dChunk }, rows);
  if (dValue !== undefined) accumulate(program, { addend: dValue, sum: dChunk });
  sampled.backward(dChunk);
  return launch;
}
