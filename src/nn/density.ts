import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { columnSum } from "../kernels/nn/columns.js";
import { gaussianDensity, gaussianDensityBackward, mixtureDensity, mixtureDensityBackward } from "../kernels/nn/stochastic-heads.js";
import { accumulate } from "../kernels/optim/ema.js";
import { cloningLoss } from "../kernels/rl/cloning-loss.js";
import { lossStatistics } from "../kernels/rl/loss-statistics.js";
import type { PolicyHead, StochasticMlp } from "./stochastic-mlp.js";

/** Chunks of which the density is asked for, one a row. */
export interface DensityInputs {
  /** Flattened observation stacks [rows, conditionWidth]. */
  readonly state: Tensor;
  /** Chunks [rows, H·A], normalised. */
  readonly chunks: Tensor;
}

/** A recorded density of chunks under a Gaussian or mixture policy (spec 3.4, 3.5). */
export interface Density {
  readonly head: PolicyHead;
  /** [rows]: the mean of the elementwise log-densities of a Gaussian, the joint log-density of a mixture. */
  readonly logProb: Tensor;
  /** [rows]: the mean of the elementwise entropies of a Gaussian, the approximation Σ weight · entropy of a mixture. */
  readonly entropy: Tensor;
  /** [rows]: mean deviation of a mixture; undefined for a Gaussian. */
  readonly spread: Tensor | undefined;
}

/** A {@link Density} that can be gone back. */
export interface DensityTape extends Density {
  /** Records the parameter gradients; `dEntropy` is the gradient of every row's entropy. */
  backward(dLogProb: Tensor, dEntropy: number): void;
}

/** Records densities of chunks without a way back. */
export function inferDensity(program: ProgramRecorder, policy: StochasticMlp, values: Tensor, inputs: DensityInputs, rows: number): Density {
  return recordDensity(program, policy, policy.infer(program, values, inputs.state, rows), inputs.chunks, rows);
}

/** Records densities of chunks, to be gone back. */
export function forwardDensity(
  program: ProgramRecorder,
  policy: StochasticMlp,
  values: Tensor,
  gradients: Tensor,
  inputs: DensityInputs,
  rows: number,
): DensityTape {
  const tape = policy.forward(program, values, gradients, inputs.state, rows);
  const { mean, logStd, logits } = tape;
  const width = policy.horizon * policy.actionSize;
  const all = policy.components * width;
  const x = inputs.chunks;
  return {
    ...recordDensity(program, policy, tape, x, rows),
    backward: (dLogProb, dEntropy) => {
      const dMean = program.temporary([rows, all], "mean gradient");
      const dLogStd = program.temporary([rows, all], "log deviation gradient");
      let dLogits: Tensor | undefined;
      if (logits === undefined) {
        gaussianDensityBackward(program, { x, mean, logStd, dLogProb, dMean, dLogStd }, { rows, width, scale: 1 / width, dEntropy });
      } else {
        dLogits = program.temporary([rows, policy.components], "logit gradient");
        mixtureDensityBackward(program, { x, logits, mean, logStd, dLogProb, dLogits, dMean, dLogStd }, {
          rows, width, components: policy.components, dEntropy,
        });
      }
      tape.backward({ dMean, dLogStd, dLogits });
    },
  };
}

/** Tensors of {@link recordLikelihoodLoss}. */
export interface LikelihoodLossTensors extends DensityInputs {
  readonly values: Tensor;
  /** Receives the parameter gradients; left out, there is no backward pass. */
  readonly gradients?: Tensor | undefined;
  /** Receives the loss, one number. */
  readonly loss: Tensor;
}

/**
 * Records the loss of behaviour cloning for policies with a density: −mean log p(chunk | state) − w · mean entropy, forward
 * and, where `gradients` are given, backward.
 */
export function recordLikelihoodLoss(
  program: ProgramRecorder,
  policy: StochasticMlp,
  tensors: LikelihoodLossTensors,
  options: {
    readonly rows: number;
    /** w. Default 0. */
    readonly entropyWeight?: number;
  },
): void {
  const { rows, entropyWeight = 0 } = options;
  const { values, gradients, loss } = tensors;
  const tape = gradients === undefined ? undefined : forwardDensity(program, policy, values, gradients, tensors, rows);
  const { logProb, entropy } = tape ?? inferDensity(program, policy, values, tensors, rows);
  const dLogProb = program.temporary([rows], "log-density gradient");
  const partials = cloningLoss(program, { logp: logProb, dlogp: dLogProb }, { count: rows, logProbRange: null, gradientScale: 1 });
  lossStatistics(program, partials, { statistics: loss }, { at: 0 });
  if (entropyWeight !== 0) {
    const term = program.temporary([1], "entropy term");
    columnSum(program, { x: entropy, out: term }, { rows, columns: 1, scale: -entropyWeight / rows });
    accumulate(program, { addend: term, sum: loss });
  }
  tape?.backward(dLogProb, -entropyWeight / rows);
}

function recordDensity(program: ProgramRecorder, policy: StochasticMlp, head: PolicyHead, x: Tensor, rows: number): Density {
  const { mean, logStd, logits } = head;
  const width = policy.horizon * policy.actionSize;
  const logProb = program.temporary([rows], "log-density");
  const entropy = program.temporary([rows], "entropy");
  if (logits === undefined) {
    gaussianDensity(program, { x, mean, logStd, logProb, entropy }, { rows, width, scale: 1 / width });
    return { head, logProb, entropy, spread: undefined };
  }
  const spread = program.temporary([rows], "spread");
  mixtureDensity(program, { x, logits, mean, logStd, logProb, entropy, spread }, { rows, width, components: policy.components });
  return { head, logProb, entropy, spread };
}
